"""`blobtorrent pause TORRENT...`: have torrents stand still, with their connections."""

from __future__ import annotations

from argparse import Namespace

from blobtorrent.cli.output import Subcommands
from blobtorrent.cli.steering import register_steering, steer


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "pause", help_text="pause torrents of the daemon",
        description="Transfer nothing for these torrents until they are started. They keep their connections and "
                    "their place in the queue.",
    )
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    return steer(args, "pause", "paused")
