"""Options that say how a torrent shall be treated: its limits, its place in the queue and when it has seeded enough.

They are what the daemon takes for a torrent, when it is added and at any time after.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from typing import Any

from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.units import parse_duration, parse_rate

DEFAULT = "default"                    # the word for "as the settings say"
GOAL_ACTIONS = ("stop", "remove", "remove-with-data")


def add_torrent_options(parser: ArgumentParser) -> None:
    parser.add_argument("--down", type=_rate, metavar="RATE",
                        help='receive at most so much, such as "2 MiB/s"; 0: no limit')
    parser.add_argument("--up", type=_rate, metavar="RATE", help="send at most so much; 0: no limit")
    parser.add_argument("--slots", type=_number, metavar="N", help="send to at most N peers at the same time")
    parser.add_argument("--max-peers", type=_number, metavar="N", help="have at most N peers")
    parser.add_argument("--priority", type=_number, metavar="N", help="among torrents that wait: higher ones go first")
    parser.add_argument("--ratio", type=_ratio, metavar="R", help="seed until R times the size was uploaded")
    parser.add_argument("--seed-for", type=_duration, metavar="S", help="seed for S seconds")
    parser.add_argument("--idle", type=_duration, metavar="S", help="seed until nobody took a byte for S seconds")
    parser.add_argument("--then", choices=GOAL_ACTIONS, metavar="ACTION",
                        help=f"what to do when it has seeded enough: {', '.join(GOAL_ACTIONS)}")


def options_given(args: Namespace) -> dict[str, Any]:
    """What was said, by the names of the daemon; null is "as the settings say", and what was not said is absent."""
    said = {
        "down_limit_bytes_per_s": args.down, "up_limit_bytes_per_s": args.up, "upload_slots": args.slots,
        "max_peers": args.max_peers, "priority": args.priority,
    }
    goal = {"ratio": args.ratio, "time_s": args.seed_for, "idle_s": args.idle, "action": args.then}
    given = {name: value for name, value in said.items() if value is not None}
    goal = {name: value for name, value in goal.items() if value is not None}
    if goal:
        given["seeding"] = _unset(goal)
    return _unset(given)


def _unset(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value == DEFAULT else value for name, value in values.items()}


def _or_default(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def read_option(text: str) -> Any:
        if text == DEFAULT:
            return DEFAULT
        try:
            return read(text)
        except BlobTorrentError as error:
            raise ArgumentTypeError(error.detail) from None
        except ValueError:
            raise ArgumentTypeError(f"not a number: {text!r}") from None

    return read_option


def _positive(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError
    return number


_rate = _or_default(parse_rate)
_duration = _or_default(parse_duration)
_number = _or_default(int)
_ratio = _or_default(_positive)
