"""`blobtorrent stop TORRENT...`: have the daemon stop torrents."""

from __future__ import annotations

from argparse import Namespace

from blobtorrent.cli.output import Subcommands
from blobtorrent.cli.steering import register_steering, steer


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "stop", help_text="stop torrents of the daemon",
        description="Stop torrents. They stay in the daemon and keep their files.",
    )
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    return steer(args, "stop", "stopped")
