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


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "peers",
        help="show the peers of a torrent",
        description="Show the peers that a torrent is connected to. FLAGS: D we want and get, d we want and do not "
                    "get, U and u the same for the peer, O it is tried out, S it keeps us waiting, I it connected to "
                    "us, E encrypted.",
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
        Screen(args).table(COLUMNS, map(row, answer["peers"]))
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
