"""`blobtorrent filters [ADDRESS...]`: the filter lists of the daemon, or whether they refuse some addresses."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.fields import shown
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.paint import Cell, Style
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.table import Column

MAX_PATH = 4096                        # characters of a path, where no terminal sets a limit

_LISTS = (
    Column("LIST", importance=9, is_text=True),
    Column("RANGES", is_number=True, importance=8),
    Column("REFUSED", is_number=True, importance=7),
    Column("BAD LINES", is_number=True, importance=4),
    Column("ERROR", importance=6, is_text=True),
)
_ADDRESSES = (Column("ADDRESS", importance=1), Column("REFUSED BY", is_text=True))


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "filters",
        help="show the filter lists",
        description="Show the lists of addresses that the daemon has nothing to do with, and how often they refused a "
                    "peer; or, with addresses, which list refuses each.",
        parents=[client_options()],
    )
    parser.add_argument("address", metavar="ADDRESS", nargs="*", help="tell whether a list refuses this one")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    if args.address:
        told = [client.get(f"/v1/filters/{quote(address, safe='')}") for address in args.address]
        if args.json:
            print_json({"addresses": told})
        else:
            Screen(args).table(_ADDRESSES, (
                (clean(one["address"]), clean(one["refused_by"] or "nobody", MAX_PATH)) for one in told))
        return EXIT_OK
    answer = client.get("/v1/filters")
    if args.json:
        print_json(answer)
    else:
        Screen(args).table(_LISTS, map(_row, answer["lists"]))
    return EXIT_OK


def _row(one: Mapping[str, Any]) -> tuple[str | Cell, ...]:
    bad = str(one["malformed"])
    return (
        clean(one["path"], MAX_PATH),
        str(one["ranges_v4"] + one["ranges_v6"]),
        str(one["refused"]),
        Cell(bad, Style.BAD) if one["malformed"] else bad,
        shown("error", one["error"]),
    )
