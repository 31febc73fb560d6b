"""`blobtorrent recheck TORRENT...`: have everything on disk checked against the hashes."""

from __future__ import annotations

from argparse import Namespace

from blobtorrent.cli.client import connect
from blobtorrent.cli.output import Subcommands
from blobtorrent.cli.steering import register_steering, steer_by
from blobtorrent.cli.waiting import add_wait_options, is_checked, settler


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "recheck", help_text="check the files of torrents again",
        description="Check everything that torrents have on disk against their hashes.",
    )
    add_wait_options(parser, "the check is done")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    return steer_by(client, args, "recheck", "checking", settle=settler(client, args, is_checked))
