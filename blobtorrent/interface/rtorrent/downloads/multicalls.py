"""Multicalls: rows of columns, a row for each download of a view, file, peer or tracker. A column is a command text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.downloads.aiming import AllFiles, FileAim, PeerAim, TrackerAim
from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.filerows import FileRows
from blobtorrent.interface.rtorrent.downloads.making import command
from blobtorrent.interface.rtorrent.downloads.origins import Origin, origin_of
from blobtorrent.interface.rtorrent.downloads.rows import Rows
from blobtorrent.interface.rtorrent.downloads.trackerrows import TrackerRow, rows_of, tracked
from blobtorrent.interface.rtorrent.downloads.views import DEFAULT, Views
from blobtorrent.interface.rtorrent.faults import Fault, failed
from blobtorrent.interface.rtorrent.language.columns import Argument, Needs, Plan, plain
from blobtorrent.interface.rtorrent.registry import Command, Read
from blobtorrent.interface.rtorrent.values import Value, joined, to_text

_STEPS_A_PATTERN = 50
_MATCHES_A_STEP = 8


def commands(downloads: Downloads, views: Views, rows: Rows) -> Iterator[Command]:

    def of_view(context: Context, _item: object, args: Sequence[Value]) -> Value:
        args = spread(args)
        if not args:
            raise failed("Too few arguments.")
        members = views.members(to_text(args[0]) or DEFAULT, "Could not find view.")
        return rows.of_downloads(context, args[1:], members)

    def of_some(context: Context, _item: object, args: Sequence[Value]) -> Value:
        args = spread(args)
        if len(args) < 2:
            raise failed("d.multicall.filtered requires at least 2 arguments.")
        members = views.members(to_text(args[0]) or DEFAULT, "Could not find view.")
        context.budget.grant(2 * len(members))
        return rows.of_downloads(context, args[2:], rows.passing(context, args[1], members))

    def of_files(context: Context, download: Download, args: Sequence[Value]) -> Value:
        if not args:
            raise failed("Too few arguments.")
        patterns = _patterns(args[0])
        files = FileRows(downloads, download)
        for pattern in patterns or ():
            context.budget.spend(_STEPS_A_PATTERN + len(pattern) + len(files) // _MATCHES_A_STEP)
        if patterns is None:
            return rows.of_aims(context, args[1:], Target.FILE, AllFiles(files), origin=_origin(downloads, download))
        aims = [FileAim(files, index) for index in range(len(files)) if any(
            fnmatchcase("/".join(files.components(index)), pattern) for pattern in patterns)]
        return rows.of_aims(context, args[1:], Target.FILE, aims)

    def of_trackers(context: Context, download: Download, args: Sequence[Value]) -> Value:
        if not args:
            raise failed("Too few arguments.")
        downloads.look_at_trackers([download])
        known = rows_of(downloads, download)
        aims = [TrackerAim(download, index) for index in range(len(known))]
        return rows.of_aims(context, args[1:], Target.TRACKER, aims, known)

    def bind_trackers(plan: Plan, args: Sequence[Argument]) -> Read | None:
        texts = plain(args)
        reads = [plan.inner(text, Target.TRACKER) for text in texts[1:]] if texts else [None]
        if None in reads:
            return None
        plan.needs |= Needs.TRACKERS
        known: list[Read] = list(filter(None, reads))

        def read(download: Download) -> Value:
            return [[read(row) for read in known] for row in rows_of(downloads, download)]

        def text_of_all(rows: Sequence[TrackerRow]) -> str:
            return joined([read(row) for row in rows for read in known])

        key = f"{plan.revision} {texts[1:]}" if texts else ""

        def text(download: Download) -> str:
            return tracked(downloads, download).text(key, text_of_all)

        plan.text = text
        return read

    def of_peers(context: Context, download: Download, args: Sequence[Value]) -> Value:
        if not args:
            raise failed("Too few arguments.")
        aims = [PeerAim(download, peer) for peer in downloads.peers(download)]
        return rows.of_aims(context, args[1:], Target.PEER, aims)

    def hashes(_context: Context, _item: object, args: Sequence[Value]) -> Value:
        name = to_text(args[0]) if args else ""
        return [download.hash for download in views.members(name or DEFAULT, "Could not find view.")]

    for name in ("d.multicall", "d.multicall2"):
        yield command(name, of_view, "VIEW, COMMAND...: a row for each download of a view.", target=Target.ANY,
                      returns="array", category="multicall")
    yield command("d.multicall.filtered", of_some, "VIEW, FILTER, COMMAND...: rows of those that the filter holds for.",
                  target=Target.ANY, returns="array", category="multicall")
    yield command("f.multicall", of_files, "PATTERN, COMMAND...: a row for each file, or those whose paths match.",
                  returns="array", category="multicall")
    yield command("t.multicall", of_trackers, "IGNORED, COMMAND...: a row for each tracker.", returns="array",
                  category="multicall")._replace(bind=bind_trackers)
    yield command("p.multicall", of_peers, "IGNORED, COMMAND...: a row for each connected peer.", returns="array",
                  category="multicall")
    yield command("download_list", hashes, "[VIEW]: the info-hashes of a view.", target=Target.ANY, returns="array",
                  category="multicall")


def _origin(downloads: Downloads, download: Download) -> Origin | None:
    """Of the rows of its files; None when the engine cannot say, which matters only to who asks for that."""
    try:
        downloads.shape(download)      # is learned here, if not before
        return origin_of(download, downloads.files(download))
    except Fault:
        return None


def _patterns(value: Value) -> list[str] | None:
    """Those of f.multicall: a list, or a text; None, for all files, when it is anything else."""
    if isinstance(value, list):
        return list(map(to_text, value))
    return [value] if isinstance(value, str) and value else None


def spread(args: Sequence[Value]) -> Sequence[Value]:
    """Arguments that came in one list."""
    return args[0] if len(args) == 1 and isinstance(args[0], list) else args
