"""`blobtorrent why TORRENT...`: why a torrent does what it does, and what to do about it."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
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
MAX_DIGITS = 9                         # no torrent has so many pieces


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "why", help_text="explain why a torrent does what it does",
        description="Explain why torrents do what they do, or do not move, and what can be done about it.",
    )
    parser.add_argument("--piece", type=_piece, metavar="N",
                        help="explain this piece of it instead; the first one is 0")
    parser.add_argument("--facts", action="store_true", help="also show the figures behind it")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    screen = Screen(args)
    for digits in select(client, args.torrent):
        if args.piece is not None:
            story = client.get(f"/v1/torrents/{digits}/pieces/{args.piece}")
            if args.json:
                print_json(story)
                continue
            for line in story_lines(story):
                print("".join(screen.paint(cell.text, cell.style) for cell in line))
            if args.facts:
                screen.facts(fact for giver in story["givers"]
                             for fact in flat(clean(giver["peer"]), giver["worth"]))
            continue
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


def story_lines(story: Mapping[str, Any]) -> Iterator[tuple[Cell, ...]]:
    """What the daemon tells of a piece, for people."""
    lasts = "" if story["since_s"] is None else f", for {format_duration(story['since_s'])}"
    yield (Cell(f"piece {story['piece']} is {clean(story['state'])}{lasts}: {clean(story['text'], MAX_TEXT)}"),)
    yield (Cell(f"  {story['blocks_here']} of {story['blocks']} blocks are here; connected peers that have it: "
                f"{story['seeds']} seeds, {story['leeches']} others; {story['web_seeds']} web seeds", Style.FAINT),)
    for giver in story["givers"]:
        yield (Cell(f"  {clean(giver['peer'])} ({clean(giver['standing'])})"),)
    for step in story["history"]:
        came = f"{format_duration(step['ago_s'])} ago {clean(step['state'])}"
        yield (Cell(f"  {came}: {clean(step['cause'], MAX_TEXT)}"),)


def _piece(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise ArgumentTypeError(f"not the number of a piece: {text!r}")
    return int(text)
