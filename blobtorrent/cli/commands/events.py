"""`blobtorrent events`: what happens in the daemon, as it happens."""

from __future__ import annotations

import json
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping
from typing import Any

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.fields import shown
from blobtorrent.cli.following import follow
from blobtorrent.cli.output import EXIT_OK, OutOfTime, Subcommands, clean, print_json
from blobtorrent.cli.paint import Painter, Style
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.selection import select
from blobtorrent.cli.sse import ServerEvent
from blobtorrent.cli.waiting import duration
from blobtorrent.model.errors import NetworkError

MAX_NAME = 200

_HEADER = frozenset(("id", "type", "time", "hash", "name", "labels"))
_STYLES = {
    "torrent-finished": Style.GOOD, "torrent-failed": Style.BAD, "space-low": Style.BAD, "damage-found": Style.BAD,
    "gap": Style.WAITING,
}


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "events",
        help="follow what happens in the daemon",
        description="Print what happens in the daemon, as it happens, until interrupted. When the connection breaks, a "
                    "new one goes on where it ended.",
        parents=[client_options()],
    )
    parser.add_argument("--type", metavar="TYPE", action="append",
                        help="only events of this type, such as torrent-finished; may be repeated")
    parser.add_argument("--torrent", metavar="TORRENT", action="append", default=[],
                        help="only events of this torrent; may be repeated")
    parser.add_argument("--label", metavar="TEXT", action="append",
                        help="only events of torrents with this label; may be repeated")
    parser.add_argument("--since", metavar="ID", default="", help="begin behind the event with this id")
    parser.add_argument("--count", type=_count, metavar="N", help="end after N events")
    parser.add_argument("--timeout", type=duration, metavar="S",
                        help="end after S seconds; with --count, and fewer events, with exit status 3")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    hashes = select(client, args.torrent)
    query = {
        "types": ",".join(args.type) if args.type else None,
        "torrents": ",".join(hashes) if hashes else None,
        "labels": ",".join(args.label) if args.label else None,
    }
    paint = Screen(args).paint
    deadline_s = None if args.timeout is None else time.monotonic() + args.timeout
    told = 0
    try:
        for event in follow(client, query, args.since, deadline_s=deadline_s):
            fields = fields_of(event)
            if args.json:
                print_json(fields)
            else:
                print(event_line(fields, paint), flush=True)
            told += 1
            if told == args.count:
                return EXIT_OK
    except KeyboardInterrupt:
        if args.count is None:         # how it ends when nobody said how many
            return EXIT_OK
        raise
    if args.count is not None:
        raise OutOfTime("command.timeout", f"out of time: {told} of {args.count} events came")
    return EXIT_OK


def fields_of(event: ServerEvent) -> dict[str, Any]:
    """Raises NetworkError ("client.bad-answer")."""
    try:
        fields = json.loads(event.data)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get("time"), (int, float)) or "type" not in fields:
        raise NetworkError("client.bad-answer", "the daemon told an event that is none")
    return fields


def event_line(fields: Mapping[str, Any], paint: Painter) -> str:
    """One event for people: when, what, of which torrent, and what the event itself tells."""
    kind = str(fields["type"])
    clock = time.strftime("%H:%M:%S", time.localtime(fields["time"]))
    words = [paint(clock, Style.FAINT), paint(clean(kind), _STYLES.get(kind, Style.BUSY))]
    if "name" in fields:
        words.append(clean(str(fields["name"]), MAX_NAME))
    words += [f"{clean(name)}={shown(name, value).text}" for name, value in fields.items() if name not in _HEADER]
    return " ".join(words)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:10]) > 0):
        raise ArgumentTypeError(f"not a number of events: {text!r}")
    return int(text)
