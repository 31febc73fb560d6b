"""`blobtorrent announce TORRENT...`: have the trackers asked for peers now."""

from __future__ import annotations

from argparse import Namespace

from blobtorrent.cli.output import Subcommands
from blobtorrent.cli.steering import register_steering, steer


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "announce", help_text="ask the trackers of torrents for peers now",
        description="Ask the trackers of torrents for peers now, as far as they let themselves be asked.",
    )
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    return steer(args, "announce", "announced")
