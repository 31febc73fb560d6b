"""`blobtorrent top`: the daemon's torrents on a full screen, live."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.output import EXIT_OK, Subcommands, print_json
from blobtorrent.cli.paint import painter_for
from blobtorrent.cli.top.views import VIEWS, view_named
from blobtorrent.model.errors import BlobTorrentError, Invalid
from blobtorrent.model.units import parse_duration

if TYPE_CHECKING:
    from blobtorrent.cli.top.fetching import Errands, Poller
    from blobtorrent.cli.top.messages import Intent, Report
    from blobtorrent.cli.top.model import Top
    from blobtorrent.cli.top.terminal import Terminal

DEFAULT_INTERVAL_S = 1.0
MIN_INTERVAL_S = 0.1
KEY_WAIT_S = 0.05                      # for a key, before reports are looked at
ENDING_S = 5.0                         # for orders that are under way when the view is left


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "top",
        help="watch and steer the daemon's torrents on a full screen",
        description="Show the torrents of the daemon on the whole terminal, live, and steer them with the keys of "
                    "rTorrent. The key ? tells which there are, ^Q leaves.",
        parents=[client_options()],
    )
    names = [view.name for view in VIEWS]
    parser.add_argument("--view", choices=names, default="main", metavar="NAME",
                        help=f"begin with this view: {', '.join(names)}")
    parser.add_argument("--layout", choices=("full", "compact"),
                        help="list torrents in three lines each, or in one (default: as the daemon's settings say)")
    parser.add_argument("--interval", type=_interval, default=DEFAULT_INTERVAL_S, metavar="S",
                        help="ask the daemon every S seconds (default: %(default)g)")
    parser.add_argument("--ascii", action="store_true", help="draw bars, maps and rates with ASCII characters only")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    if args.json:
        print_json({"session": client.get("/v1/session"), **client.get("/v1/torrents")})
        return EXIT_OK
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Invalid("top.no-terminal", "top needs a terminal; blobtorrent list is for pipes")
    client.get("/v1/health/live")      # what is wrong now is told on a screen that stays
    # Loaded here: all commands load this module when there is a --help to print.
    from blobtorrent.cli.top.fetching import Errands, Poller, hear_events
    from blobtorrent.cli.top.model import Top
    from blobtorrent.cli.top.terminal import opened_terminal

    reports: Queue[Report] = Queue()
    poller = Poller(client, reports, args.interval)
    errands = Errands(connect(args), reports, lambda was_done: poller.look(again=not was_done))
    events = Thread(target=hear_events, args=(connect(args), reports), name="top-events", daemon=True)
    top = Top(view_named(args.view), args.layout)
    has_colors = painter_for(args.color, sys.stdout).is_on
    with _ended_by_signals(), opened_terminal(wants_colors=has_colors) as terminal:
        poller.start()
        errands.start()
        events.start()
        _show(args, top, terminal, reports, poller, errands)
    poller.stop()
    errands.finish(ENDING_S)
    return EXIT_OK


def _show(
    args: Namespace, top: Top, terminal: Terminal, reports: Queue[Report], poller: Poller, errands: Errands
) -> None:
    """Until the user leaves. Raises BlobTorrentError when a thread has died."""
    from blobtorrent.cli.top.frame import draw
    from blobtorrent.cli.top.terminal import RESIZE, charset

    chars = charset(is_plain=args.ascii)
    is_stale = True
    while True:
        if is_stale:
            terminal.show(draw(top, *terminal.size, chars))
        key = terminal.read_key(KEY_WAIT_S)
        is_stale = key is not None
        if key is not None and key != RESIZE and not _do(top.press(key), poller, errands):
            return
        for report in _waiting(reports):
            top.take(report)
            is_stale = True
        if not (poller.is_alive and errands.is_alive):
            raise BlobTorrentError("top.broken", "a thread of the view has died; this is a mistake in BlobTorrent")


def _do(intents: list[Intent], poller: Poller, errands: Errands) -> bool:
    """Have it done; False when the user leaves."""
    from blobtorrent.cli.top.messages import Add, Order, Watch

    for intent in intents:
        if isinstance(intent, Watch):
            poller.watch(intent)
        elif isinstance(intent, (Order, Add)):
            errands.carry(intent)
        else:
            return False
    return True


def _waiting(reports: Queue[Report]) -> Iterator[Report]:
    """What is there already."""
    try:
        while True:
            yield reports.get_nowait()
    except Empty:
        return


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A signal that ends the program leaves the terminal as it was."""
    numbers = (signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interval(text: str) -> float:
    try:
        return max(MIN_INTERVAL_S, parse_duration(text))
    except BlobTorrentError as error:
        raise ArgumentTypeError(error.detail) from None
