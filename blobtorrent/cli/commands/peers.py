"""`blobtorrent peers TORRENT`: who a torrent is connected to, and whom it shall try."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.selection import TORRENT_HELP, select_one
from blobtorrent.cli.table import Column
from blobtorrent.model.units import format_duration, format_rate, format_size

MAX_RESULT = 200
MAX_CLIENT = 64                        # characters of what a peer calls itself

COLUMNS = (
    Column("ADDRESS", importance=9),
    Column("HAS", is_number=True, importance=8),
    Column("DOWN", is_number=True, importance=7),
    Column("UP", is_number=True, importance=6),
    Column("FLAGS", importance=5),
    Column("GOT", is_number=True, importance=2),
    Column("GAVE", is_number=True, importance=1),
    Column("FROM", importance=3),
    Column("SINCE", is_number=True, importance=0),
    Column("CLIENT", is_text=True, importance=4),
)
SOURCE_COLUMNS = (
    Column("FROM", importance=9),
    Column("STATE", importance=7),
    Column("KNOWN", is_number=True, importance=6),
    Column("CONNECTED", is_number=True, importance=8),
    Column("TOLD", is_number=True, importance=2),
    Column("AGO", is_number=True, importance=1),
    Column("NEXT", is_number=True, importance=3),
    Column("RESULT", is_text=True, importance=5),
)


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "peers",
        help="show the peers of a torrent",
        description="Show the peers that a torrent is connected to, and how each source of peers stands: how many "
                    "addresses it told of last and when, and when it is asked again. FLAGS: D we want and get, d we "
                    "want and do not get, U and u the same for the peer, O it is tried out, S it keeps us waiting, I "
                    "it connected to us, E encrypted, e only its handshake was, P by uTP.",
        parents=[client_options()],
    )
    parser.add_argument("torrent", metavar="TORRENT", help=TORRENT_HELP)
    parser.add_argument("--add", metavar="HOST:PORT", action="append",
                        help="try this peer too, or those of a service of the DNS; may be repeated")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    path = f"/v1/torrents/{select_one(client, args.torrent)}/peers"
    answer = client.request("POST", path, {"peers": args.add}).value if args.add else client.get(path)
    if args.json:
        print_json(answer)
    else:
        screen = Screen(args)
        screen.table(COLUMNS, map(row, answer["peers"]))
        print()
        screen.table(SOURCE_COLUMNS, map(source_row, answer["sources"]))
    return EXIT_OK


def row(peer: Mapping[str, Any]) -> tuple[str, ...]:
    """One peer, as the daemon tells of it, for a table of COLUMNS."""
    return (
        clean(peer["address"]),
        f"{peer['progress']:.0%}",
        format_rate(peer["down_bytes_per_s"]) if peer["down_bytes_per_s"] else "",
        format_rate(peer["up_bytes_per_s"]) if peer["up_bytes_per_s"] else "",
        clean(peer["flags"]),
        format_size(peer["downloaded_bytes"]),
        format_size(peer["uploaded_bytes"]),
        clean(peer["source"]),
        format_duration(peer["connected_s"]),
        clean(peer["client"], MAX_CLIENT),
    )


def source_row(source: Mapping[str, Any]) -> tuple[str, ...]:
    """One source of peers, for a table of SOURCE_COLUMNS."""
    told_s, next_s = source["told_s"], source["next_s"]
    return (
        clean(source["source"]),
        clean(source["state"]),
        str(source["known"]),
        str(source["connected"]),
        "" if told_s is None else str(source["told"]),
        "" if told_s is None else format_duration(told_s),
        "" if next_s is None else format_duration(next_s),
        clean(source["result"] or "", MAX_RESULT),
    )
