"""`blobtorrent completion SHELL`: a script that completes the words of this command."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.shellscripts import SHELLS, script_for
from blobtorrent.cli.wordtree import commands_of

TORRENTS = "torrents"                  # what the scripts ask for
MIN_BEGINNING = 8                      # digits of a hash


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "completion",
        help="print a script that completes words in a shell",
        description="Print a script for a shell that completes commands, options and the daemon's torrents. The "
                    "scripts themselves ask for the torrents.",
        parents=[client_options()],
    )
    parser.add_argument("shell", choices=(*SHELLS, TORRENTS), metavar="|".join((*SHELLS, TORRENTS)),
                        help="the shell; torrents: the beginnings of info-hashes and the names, a line for each")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    if args.shell == TORRENTS:
        torrents = connect(args).get("/v1/torrents", fields="hash,name")["torrents"]
        lines = [f"{beginning}\t{name}" for beginning, name in beginnings(torrents)]
    else:
        from blobtorrent.cli.main import build_parser

        lines = [script_for(args.shell, list(commands_of(build_parser()))).rstrip("\n")]
    if args.json:
        print_json({"lines": lines})
    else:
        for line in lines:
            print(line)
    return EXIT_OK


def beginnings(torrents: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """For each torrent the shortest beginning of its hash that no other has, at least eight digits, and its name."""
    hashes = sorted(torrent["hash"] for torrent in torrents)
    shared = {
        digits: max(_shared(digits, before), _shared(digits, after))
        for before, digits, after in zip(["", *hashes], hashes, [*hashes[1:], ""])
    }
    for torrent in torrents:
        digits = torrent["hash"]
        yield digits[: max(MIN_BEGINNING, shared[digits] + 1)], clean(torrent["name"])


def _shared(one: str, other: str) -> int:
    """How many digits two hashes begin with alike."""
    return next((place for place, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
