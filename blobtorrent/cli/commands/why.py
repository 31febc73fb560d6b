"""`blobtorrent why TORRENT...`: why a torrent does what it does, and what to do about it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from blobtorrent.cli.client import connect
from blobtorrent.cli.fields import flat, shown
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.paint import Painter, Style
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
        _print(explanation, screen.paint)
        if args.facts:
            screen.facts(fact for name, value in explanation["facts"].items() for fact in flat(clean(str(name)), value))
    return EXIT_OK


def _print(explanation: Mapping[str, Any], paint: Painter) -> None:
    print(paint(clean(explanation["summary"], MAX_TEXT), shown("state", explanation["state"]).style))
    for cause in explanation["causes"]:
        since_s = cause["since_s"]
        duration = "" if since_s is None else f", for {format_duration(since_s)}"
        print(f"  {clean(cause['text'], MAX_TEXT)} " + paint(f"({clean(cause['code'])}{duration})", Style.FAINT))
        if cause["advice"]:
            print(f"    -> {clean(cause['advice'], MAX_TEXT)}")
