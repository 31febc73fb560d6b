"""`blobtorrent list`: the daemon's torrents."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.fields import column_of, shown
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.paint import Cell, Style
from blobtorrent.cli.progress import percent
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.steering import HASH_SHOWN
from blobtorrent.cli.table import Column
from blobtorrent.model.units import format_duration, format_rate, format_size

STATES = ("stopped", "queued", "checking", "metadata", "downloading", "seeding", "moving", "error")
MAX_NAME = 512                         # characters, where no terminal sets a limit

_COLUMNS = (
    Column("HASH", importance=9),
    Column("STATE", importance=7),
    Column("DONE", is_number=True, importance=8),
    Column("SIZE", is_number=True, importance=4),
    Column("DOWN", is_number=True, importance=6),
    Column("UP", is_number=True, importance=5),
    Column("RATIO", is_number=True, importance=1),
    Column("PEERS", is_number=True, importance=2),
    Column("LEFT", is_number=True, importance=3),
    Column("NAME", importance=10, is_text=True),
)
_FIELDS = ("hash,name,state,held_by,error,size_bytes,wanted_bytes,done_bytes,checked_bytes,down_bytes_per_s,"
           "up_bytes_per_s,ratio,eta_s,peers_connected")


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "list",
        help="list the daemon's torrents",
        description="List the torrents of the daemon.",
        parents=[client_options()],
    )
    parser.add_argument("--state", metavar="STATE", choices=STATES, action="append",
                        help=f"only these: {', '.join(STATES)}; may be repeated")
    parser.add_argument("--label", metavar="TEXT", help="only those with this label")
    parser.add_argument("--group", metavar="NAME", help="only those of this group")
    parser.add_argument("--name", metavar="TEXT", help="only those with this in their name")
    privacy = parser.add_mutually_exclusive_group()
    privacy.add_argument("--private", dest="private", action="store_const", const="true", help="only private ones")
    privacy.add_argument("--public", dest="private", action="store_const", const="false", help="only others")
    parser.add_argument("--held-by", metavar="WHAT", help="only those that this keeps from moving: queue, space, disk, "
                        "pause")
    parser.add_argument("--error", action="store_const", const="true", help="only those with an error")
    parser.add_argument("--sort", metavar="FIELDS",
                        help="by these fields, with commas; - before one turns it round: --sort=-ratio,name")
    parser.add_argument("--limit", metavar="N", help="only the first N")
    parser.add_argument("--fields", metavar="FIELDS", help="show these fields, with commas, as the daemon names them")
    parser.add_argument("--hashes", action="store_true", help="print only info-hashes, for the stdin of other commands")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    fields = "hash" if args.hashes else args.fields or (None if args.json else _FIELDS)
    answer = connect(args).get(
        "/v1/torrents", fields=fields, state=",".join(args.state) if args.state else None, label=args.label,
        group=args.group, name=args.name, private=args.private, held_by=args.held_by, error=args.error, sort=args.sort,
        limit=args.limit,
    )
    torrents = answer["torrents"]
    if args.json:
        print_json(answer)
    elif args.hashes:
        for torrent in torrents:
            print(clean(torrent["hash"]))
    elif args.fields:
        names = [name for name in args.fields.split(",") if not torrents or name in torrents[0]]
        Screen(args).table(
            [column_of(name) for name in names],
            [[shown(name, torrent[name]) for name in names] for torrent in torrents])
    else:
        Screen(args).table(_COLUMNS, map(_row, torrents))
    return EXIT_OK


def _row(torrent: Mapping[str, Any]) -> tuple[Cell | str, ...]:
    eta_s = torrent["eta_s"]
    is_checking = torrent["state"] == "checking"
    return (
        clean(torrent["hash"][:HASH_SHOWN]),
        shown("state", torrent["state"]),
        percent(torrent["checked_bytes"], torrent["size_bytes"]) if is_checking
        else percent(torrent["done_bytes"], torrent["wanted_bytes"]),
        format_size(torrent["size_bytes"]),
        _rate(torrent["down_bytes_per_s"]),
        _rate(torrent["up_bytes_per_s"]),
        f"{torrent['ratio']:.2f}",
        str(torrent["peers_connected"]),
        "" if eta_s is None else format_duration(eta_s),
        _name(torrent),
    )


def _name(torrent: Mapping[str, Any]) -> Cell | str:
    name, error, holder = clean(torrent["name"], MAX_NAME), torrent["error"], torrent["held_by"]
    if error is not None:
        return Cell(f"{name}: {clean(error['message'])}", Style.BAD)
    return f"{name} (held: {clean(holder)})" if holder else name


def _rate(bytes_per_s: int) -> str:
    return format_rate(bytes_per_s) if bytes_per_s else ""
