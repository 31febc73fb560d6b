"""`blobtorrent trackers TORRENT`: the trackers of a torrent, what they say, and which they are."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from blobtorrent.cli.client import Client, client_options, connect
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.paint import Cell, Style
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.selection import TORRENT_HELP, select_one
from blobtorrent.cli.table import Column
from blobtorrent.model.errors import Invalid
from blobtorrent.model.units import format_duration

MAX_TEXT = 512                         # characters of a tracker's own words

COLUMNS = (
    Column("TIER", is_number=True, importance=3),
    Column("STATE", importance=6),
    Column("SEEDS", is_number=True, importance=5),
    Column("LEECHES", is_number=True, importance=2),
    Column("GOT", is_number=True, importance=1),
    Column("NEXT", is_number=True, importance=4),
    Column("URL", is_text=True, importance=8),
    Column("RESULT", is_text=True, importance=7),
)
_STYLES = {"waiting": Style.GOOD, "announcing": Style.BUSY, "backoff": Style.BAD, "disabled": Style.FAINT}


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "trackers",
        help="show or change the trackers of a torrent",
        description="Show the trackers of a torrent and what they said. Each --add or --set is a tier of its own; a "
                    "comma joins URLs into one tier.",
        parents=[client_options()],
    )
    parser.add_argument("torrent", metavar="TORRENT", help=TORRENT_HELP)
    parser.add_argument("--add", metavar="URL", action="append", help="ask this tracker too; may be repeated")
    parser.add_argument("--set", metavar="URL", action="append", help="ask these and no others; may be repeated")
    parser.add_argument("--none", action="store_true", help="ask none")
    parser.add_argument("--reset", action="store_true", help="ask those that the .torrent file names")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    if bool(args.add) + bool(args.set) + args.none + args.reset > 1:
        raise Invalid("trackers.contradiction", "give one of --add, --set, --none and --reset")
    client = connect(args)
    answer = _answer(args, client, f"/v1/torrents/{select_one(client, args.torrent)}/trackers")
    if args.json:
        print_json(answer)
    else:
        now = time.time()
        Screen(args).table(COLUMNS, (row(tracker, now) for tracker in answer["trackers"]))
    return EXIT_OK


def _answer(args: Namespace, client: Client, path: str) -> Any:
    if args.add:
        return client.request("POST", path, {"tiers": _tiers(args.add)}).value
    if args.set or args.none or args.reset:
        return client.request("PUT", path, {"tiers": None if args.reset else _tiers(args.set or [])}).value
    return client.get(path)


def _tiers(options: list[str]) -> list[list[str]]:
    return [option.split(",") for option in options]


def row(tracker: Mapping[str, Any], now: float) -> tuple[str | Cell, ...]:
    """One tracker, as the daemon tells of it, for a table of COLUMNS; `now` in seconds since 1970."""
    next_at = tracker["next_announce_at"]
    return (
        str(tracker["tier"] + 1),
        Cell(clean(tracker["state"]), _STYLES.get(tracker["state"], Style.PLAIN)),
        _count(tracker["seeds"]),
        _count(tracker["leeches"]),
        _count(tracker["peers_got"]),
        "" if next_at is None else format_duration(next_at - now),
        clean(tracker["url"], MAX_TEXT),
        Cell(clean(tracker["result"], MAX_TEXT), Style.BAD if tracker["error_code"] else Style.PLAIN),
    )


def _count(number: int | None) -> str:
    return "" if number is None else str(number)
