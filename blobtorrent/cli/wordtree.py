"""What can be typed: the commands, their options and what these take, read from the parser. Pure.

The name that a help page gives to an argument tells what completes it: a TORRENT, a FILE, a DIR.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What an argument is."""

    WORDS = "words"                    # one of some words
    TORRENT = "torrent"                # one of the daemon's torrents
    FILE = "file"
    FOLDER = "folder"
    TEXT = "text"                      # nobody can guess


class Argument(NamedTuple):
    kind: Kind
    words: tuple[str, ...] = ()


class Option(NamedTuple):
    """`argument` is None for one that takes none. `flags` are its names: --output, -o."""

    flags: tuple[str, ...]
    help: str
    argument: Argument | None


class Command(NamedTuple):
    """`arguments` are its words that are no options, in their order."""

    name: str
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]


_KINDS = {
    "TORRENT": Kind.TORRENT, "FILE|MAGNET|TORRENT": Kind.TORRENT, "FILE": Kind.FILE, "PATH": Kind.FILE,
    "SOURCE": Kind.FILE, "DIR": Kind.FOLDER, "STATE_DIR": Kind.FOLDER, "SESSION_DIR": Kind.FOLDER,
}


def commands_of(parser: argparse.ArgumentParser) -> Iterator[Command]:
    """All subcommands of a parser, in their order."""
    subcommands = subcommands_of(parser)
    helps = {str(entry.metavar or entry.dest): entry.help or "" for entry in subcommands._choices_actions}
    for name, subparser in subcommands.choices.items():
        options, arguments = [], []
        for action in subparser._actions:
            if action.option_strings:
                takes = None if action.nargs == 0 else _argument(action)
                options.append(Option(tuple(action.option_strings), _first_words(action.help or ""), takes))
            else:
                arguments.append(_argument(action))
        yield Command(name, helps.get(name, ""), tuple(options), tuple(arguments))


def subcommands_of(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """What a parser with subcommands knows of them."""
    return next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))


def _argument(action: argparse.Action) -> Argument:
    if action.choices is not None:
        return Argument(Kind.WORDS, tuple(map(str, action.choices)))
    return Argument(_KINDS.get(str(action.metavar), Kind.TEXT))


def _first_words(text: str) -> str:
    """Enough for a list of choices."""
    return text.replace("%%", "%").partition(";")[0].partition(" (")[0]
