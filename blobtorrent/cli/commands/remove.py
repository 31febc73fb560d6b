"""`blobtorrent remove TORRENT...`: have the daemon forget torrents."""

from __future__ import annotations

from argparse import Namespace

from blobtorrent.cli.client import connect
from blobtorrent.cli.output import Subcommands
from blobtorrent.cli.selection import select
from blobtorrent.cli.steering import register_steering, tell, together


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "remove", help_text="remove torrents from the daemon",
        description="Stop and forget torrents. Their files stay, unless --with-data is given.",
    )
    parser.add_argument("--with-data", action="store_true", help="also delete the files that belong to the torrent")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    hashes = select(client, args.torrent)
    outcome = together(client, hashes, {"action": "remove", "with_data": args.with_data})
    return tell(args, outcome, lambda digits: f"removed {digits}", key="removed")
