"""What the commands share that have the daemon do something with some of its torrents."""

from __future__ import annotations

import argparse
from argparse import Namespace

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.selection import select


def register_steering(
    commands: Subcommands, name: str, *, help_text: str, description: str
) -> argparse.ArgumentParser:
    """A command on torrents that are named on its line."""
    parser = commands.add_parser(name, help=help_text, description=description, parents=[client_options()])
    parser.add_argument("torrent", nargs="+", metavar="TORRENT",
                        help="its info-hash, the first digits of that, or its name")
    return parser


def steer(args: Namespace, action: str, done: str) -> int:
    """POST the action for each torrent. The first that cannot be done ends it."""
    client = connect(args)
    answers = []
    for digits in select(client, args.torrent):
        torrent = client.request("POST", f"/v1/torrents/{digits}/{action}").value
        answers.append(torrent)
        if not args.json:
            print(f"{done} {clean(torrent['name'])}")
    if args.json:
        print_json({"torrents": answers})
    return EXIT_OK
