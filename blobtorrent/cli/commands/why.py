"""`blobtorrent why TORRENT...`: why a torrent does what it does, and what to do about it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from blobtorrent.cli.client import connect
from blobtorrent.cli.fields import flat, shown
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.paint import Cell, Style
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.selection import select
from blobtorrent.cli.steering import register_steering
from blobtorrent.model.units import format_duration

MAX_TEXT = 2000


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "why", help_text="explain why a torrent does what it does",
        description="Explain why torrents do what they do, or do not move, and what can be done about it.",
    )
    parser.add_argument("--facts", action="store_true", help="also show the figures behind it")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    screen = Screen(args)
    for digits in select(client, args.torrent):
        explanation = client.get(f"/v1/torrents/{digits}/why")
        if args.json:
            print_json(explanation)
            continue
        for line in explanation_lines(explanation):
            print("".join(screen.paint(cell.text, cell.style) for cell in line))
        if args.facts:
            screen.facts(fact for name, value in explanation["facts"].items() for fact in flat(clean(str(name)), value))
    return EXIT_OK


def explanation_lines(explanation: Mapping[str, Any]) -> Iterator[tuple[Cell, ...]]:
    """What the daemon explains, for people."""
    yield (Cell(clean(explanation["summary"], MAX_TEXT), shown("state", explanation["state"]).style),)
    for cause in explanation["causes"]:
        since_s = cause["since_s"]
        duration = "" if since_s is None else f", for {format_duration(since_s)}"
        yield (
            Cell(f"  {clean(cause['text'], MAX_TEXT)} "), Cell(f"({clean(cause['code'])}{duration})", Style.FAINT),
        )
        if cause["advice"]:
            yield (Cell(f"    -> {clean(cause['advice'], MAX_TEXT)}"),)
