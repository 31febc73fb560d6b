"""`blobtorrent list`: the daemon's torrents."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.progress import percent
from blobtorrent.cli.table import Column, table
from blobtorrent.model.units import format_duration, format_rate, format_size

STATES = ("stopped", "queued", "checking", "metadata", "downloading", "seeding", "moving", "error")
HASH_SHOWN = 8                         # digits; enough to name a torrent by
MAX_NAME = 60

_COLUMNS = (
    Column("HASH"), Column("STATE"), Column("DONE", is_number=True), Column("SIZE", is_number=True),
    Column("DOWN", is_number=True), Column("UP", is_number=True), Column("RATIO", is_number=True),
    Column("PEERS", is_number=True), Column("LEFT", is_number=True), Column("NAME"),
)


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "list",
        help="list the daemon's torrents",
        description="List the torrents of the daemon.",
        parents=[client_options()],
    )
    parser.add_argument("--state", choices=STATES, metavar="STATE", help=f"only these: {', '.join(STATES)}")
    parser.add_argument("--label", metavar="TEXT", help="only those with this label")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    answer = connect(args).get("/v1/torrents", state=args.state, label=args.label)
    if args.json:
        print_json(answer)
    else:
        for line in table(_COLUMNS, map(_row, answer["torrents"])):
            print(line)
    return EXIT_OK


def _row(torrent: Mapping[str, Any]) -> tuple[str, ...]:
    eta_s, error = torrent["eta_s"], torrent["error"]
    name = clean(torrent["name"], MAX_NAME)
    return (
        clean(torrent["hash"][:HASH_SHOWN]),
        clean(torrent["state"]),
        percent(torrent["done_bytes"], torrent["wanted_bytes"]),
        format_size(torrent["size_bytes"]),
        _rate(torrent["down_bytes_per_s"]),
        _rate(torrent["up_bytes_per_s"]),
        f"{torrent['ratio']:.2f}",
        str(torrent["peers_connected"]),
        "" if eta_s is None else format_duration(eta_s),
        name if error is None else f"{name}: {clean(error['message'])}",
    )


def _rate(bytes_per_s: int) -> str:
    return format_rate(bytes_per_s) if bytes_per_s else ""
