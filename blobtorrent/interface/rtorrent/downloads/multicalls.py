"""Multicalls: rows of columns, a row for each download of a view, file, peer or tracker. A column is a command text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from blobtorrent.interface.rtorrent.context import Aim, Context, Target
from blobtorrent.interface.rtorrent.downloads.aiming import FileAim, PeerAim, TrackerAim
from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.filerows import FileRows
from blobtorrent.interface.rtorrent.downloads.making import command
from blobtorrent.interface.rtorrent.downloads.trackerrows import rows_of
from blobtorrent.interface.rtorrent.downloads.views import DEFAULT, Views
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value, is_true, to_text
from blobtorrent.runtime.pacing import Pace


def commands(downloads: Downloads, views: Views) -> Iterator[Command]:

    def of_view(context: Context, _item: object, args: Sequence[Value]) -> Value:
        args = spread(args)
        if not args:
            raise failed("Too few arguments.")
        members = views.members(to_text(args[0]) or DEFAULT, "Could not find view.")
        return _rows(context, args[1:], (Aim(Target.DOWNLOAD, download) for download in members), len(members))

    def of_some(context: Context, _item: object, args: Sequence[Value]) -> Value:
        args = spread(args)
        if len(args) < 2:
            raise failed("d.multicall.filtered requires at least 2 arguments.")
        members = views.members(to_text(args[0]) or DEFAULT, "Could not find view.")
        context.budget.grant(2 * len(members))
        aims = [Aim(Target.DOWNLOAD, download) for download in members]
        kept = [aim for aim in aims if is_true(_cell(context.at(aim), args[1]))]
        return _rows(context, args[2:], kept, len(kept))

    def of_files(context: Context, download: Download, args: Sequence[Value]) -> Value:
        if not args:
            raise failed("Too few arguments.")
        patterns = _patterns(args[0])
        rows = FileRows(downloads, download)
        indices = [index for index in range(len(rows)) if patterns is None or any(
            fnmatchcase("/".join(rows.components(index)), pattern) for pattern in patterns)]
        return _rows(context, args[1:], (Aim(Target.FILE, FileAim(rows, index)) for index in indices), len(indices))

    def of_trackers(context: Context, download: Download, args: Sequence[Value]) -> Value:
        if not args:
            raise failed("Too few arguments.")
        count = len(rows_of(downloads, download))
        return _rows(context, args[1:],
                     (Aim(Target.TRACKER, TrackerAim(download, index)) for index in range(count)), count)

    def of_peers(context: Context, download: Download, args: Sequence[Value]) -> Value:
        if not args:
            raise failed("Too few arguments.")
        peers = downloads.peers(download)
        return _rows(context, args[1:], (Aim(Target.PEER, PeerAim(download, peer)) for peer in peers), len(peers))

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
                  category="multicall")
    yield command("p.multicall", of_peers, "IGNORED, COMMAND...: a row for each connected peer.", returns="array",
                  category="multicall")
    yield command("download_list", hashes, "[VIEW]: the info-hashes of a view.", target=Target.ANY, returns="array",
                  category="multicall")


def _patterns(value: Value) -> list[str] | None:
    """Those of f.multicall: a list, or a text; None, for all files, when it is anything else."""
    if isinstance(value, list):
        return list(map(to_text, value))
    return [value] if isinstance(value, str) and value else None


def spread(args: Sequence[Value]) -> Sequence[Value]:
    """Arguments that came in one list."""
    return args[0] if len(args) == 1 and isinstance(args[0], list) else args


def _rows(context: Context, columns: Sequence[Value], aims: Iterable[Aim], count: int) -> Value:
    """Others get the processor in between."""
    context.budget.grant(count * 4 * len(columns))
    pace = Pace()
    rows: list[Value] = []
    for aim in aims:
        here = context.at(aim)
        rows.append([_cell(here, column) for column in columns])
        pace.look()
    return rows


def _cell(context: Context, column: Value) -> Value:
    """Of a text only the first command is run."""
    return context.text(column) if isinstance(column, str) else context.run(column)
