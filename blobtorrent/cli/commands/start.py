"""`blobtorrent start TORRENT...`: have the daemon start torrents."""

from __future__ import annotations

from argparse import Namespace

from blobtorrent.cli.client import connect
from blobtorrent.cli.output import Subcommands, clean
from blobtorrent.cli.selection import select
from blobtorrent.cli.steering import one_by_one, register_steering, steer, tell


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "start", help_text="start torrents of the daemon",
        description="Start torrents that are stopped or paused; the queue decides when they run.",
    )
    parser.add_argument("--now", action="store_true", help="at once, whatever the queue and the seeding goal say")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    if not args.now:
        return steer(args, "start", "started")
    client = connect(args)
    outcome = one_by_one(
        select(client, args.torrent),
        lambda digits: client.request("POST", f"/v1/torrents/{digits}/start", {"now": True}).value)
    return tell(args, outcome, lambda torrent: f"started {clean(torrent['name'])}")
