"""`blobtorrent stats`: what the daemon did in this run and in all runs, and where disks and memory stand."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.fields import shown, title_of
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.paint import Cell, Style
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.table import Column
from blobtorrent.model.units import format_size

MAX_PATH = 4096                        # characters of a path on the screen


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "stats",
        help="show what the daemon has done",
        description="Show what the daemon did in this run and in all runs, and where its disks and memory stand.",
        parents=[client_options()],
    )
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    stats = connect(args).get("/v1/stats")
    if args.json:
        print_json(stats)
        return EXIT_OK
    screen = Screen(args)
    screen.table(
        (Column(""), Column("THIS RUN", is_number=True), Column("ALL TIME", is_number=True)),
        ([title_of(name).lower(), shown(name, stats["this_run"][name]), shown(name, stats["all_time"].get(name))]
         for name in stats["this_run"]))
    print()
    if stats["filesystems"]:
        screen.table(
            (Column("FILESYSTEM", is_text=True, importance=1), Column("FREE", is_number=True, importance=1),
             Column("RESERVE", is_number=True)),
            map(_filesystem, stats["filesystems"]))
        print()
    memory = stats["memory"]
    print(f"memory for pieces: {format_size(memory['used_bytes'])} of {format_size(memory['budget_bytes'])} used")
    return EXIT_OK


def _filesystem(filesystem: Mapping[str, Any]) -> tuple[str | Cell, ...]:
    free = format_size(filesystem["free_bytes"])
    return (
        clean(filesystem["path"], MAX_PATH),
        Cell(free, Style.BAD if filesystem["short"] else Style.PLAIN),
        format_size(filesystem["reserve_bytes"]),
    )
