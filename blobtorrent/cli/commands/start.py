"""`blobtorrent start TORRENT...`: have the daemon start torrents."""

from __future__ import annotations

from argparse import Namespace

from blobtorrent.cli.output import Subcommands
from blobtorrent.cli.steering import register_steering, steer


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "start", help_text="start torrents of the daemon",
        description="Start torrents that are stopped; the queue decides when they run.",
    )
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    return steer(args, "start", "started")
