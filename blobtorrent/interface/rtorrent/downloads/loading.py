"""load.*: new downloads, and the helpers around .torrent files that downloads are tied to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.downloads.arriving import Arrivals, Order
from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.making import command
from blobtorrent.interface.rtorrent.downloads.multicalls import spread
from blobtorrent.interface.rtorrent.downloads.steering import Steering, is_left_alone
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value, to_text

_PLAIN = {
    "load.normal": Order(start=False),
    "load.verbose": Order(start=False, is_verbose=True),
    "load.start": Order(start=True),
    "load.start_verbose": Order(start=True, is_verbose=True),
}
_RAW = {
    "load.raw": Order(start=False),
    "load.raw_verbose": Order(start=False, is_verbose=True),
    "load.raw_start": Order(start=True),
    "load.raw_start_verbose": Order(start=True, is_verbose=True),
}


def commands(downloads: Downloads, arrivals: Arrivals, steering: Steering) -> Iterator[Command]:

    def load(order: Order, context: Context, _item: object, args: Sequence[Value]) -> Value:
        source, bodies = _read(args)
        arrivals.load(context, source, order._replace(bodies=tuple(bodies)))
        return None

    def load_raw(order: Order, context: Context, _item: object, args: Sequence[Value]) -> Value:
        text, bodies = _read(args)
        arrivals.load_raw(context, text.encode("utf-8", "surrogateescape"), order._replace(bodies=tuple(bodies)))
        return None

    for name, order in _PLAIN.items():
        yield command(name, partial(load, order), f"SOURCE, COMMAND...: {_said(order)}, from a path, pattern, URL or "
                      "magnet link; the commands are run on it first.", target=Target.ANY, category="load")
    for name, order in _RAW.items():
        yield command(name, partial(load_raw, order), f"BYTES, COMMAND...: {_said(order)}, from the bytes of its "
                      ".torrent file; the commands are run on it first.", target=Target.ANY, category="load")
    yield from _throwing(arrivals)
    yield from _tied(downloads, steering)
    yield command("system.file_status_cache.size", lambda _context, _item, _args: arrivals.num_cached,
                  "Files that are not loaded again while they stay as they are.", target=Target.ANY, returns="i8",
                  category="load")._replace(is_safe=True)

    def prune(_context: Context, _item: object, _args: Sequence[Value]) -> Value:
        arrivals.prune()
        return None

    yield command("system.file_status_cache.prune", prune, "Forgets those that are gone.", target=Target.ANY,
                  category="load")


def _throwing(arrivals: Arrivals) -> Iterator[Command]:
    """Those of other forks, which tell when nothing was loaded."""

    def load(order: Order, context: Context, _item: object, args: Sequence[Value]) -> Value:
        source, bodies = _read(args)
        arrivals.load(context, source, order._replace(bodies=tuple(bodies)))
        return 0

    for name, start in (("load.throw", False), ("load.start_throw", True)):
        order = Order(start, must_load=True)
        yield command(name, partial(load, order), f"SOURCE, COMMAND...: {_said(order)}; a fault when it cannot.",
                      target=Target.ANY, returns="i8", category="load")


def _said(order: Order) -> str:
    return "adds a download and starts it" if order.start else "adds a download"


def _read(args: Sequence[Value]) -> tuple[str, Sequence[Value]]:
    """The source and the commands. Raises Fault."""
    given = spread(args)
    if not given:
        raise failed("Too few arguments.")
    return to_text(given[0]), given[1:]


def _tied(downloads: Downloads, steering: Steering) -> Iterator[Command]:

    def for_all(name: str, is_meant: Callable[[Download], bool], do: Callable[[Download], None], doc: str) -> Command:

        def run(_context: Context, _item: object, _args: Sequence[Value]) -> Value:
            for download in downloads.all():
                if download.text("tied_to_file") and is_meant(download):
                    do(download)
            return None

        return command(name, run, doc, target=Target.ANY, category="load")

    yield for_all("start_tied", lambda download: _is_there(download) and not is_left_alone(download), steering.start,
                  "Starts downloads whose tied files are there.")
    yield for_all("stop_untied", lambda download: not _is_there(download), steering.stop,
                  "Stops downloads whose tied files are gone.")
    yield for_all("close_untied", lambda download: not _is_there(download) and not is_left_alone(download),
                  steering.try_close, "Closes downloads whose tied files are gone.")
    yield for_all("remove_untied", lambda download: not _is_there(download), steering.erase,
                  "Erases downloads whose tied files are gone.")


def _is_there(download: Download) -> bool:
    return os.path.exists(os.path.expanduser(download.text("tied_to_file")))
