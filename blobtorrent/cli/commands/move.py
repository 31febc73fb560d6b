"""`blobtorrent move TORRENT... DIR`: have torrents lie in another folder."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import Any

from blobtorrent.cli.client import connect
from blobtorrent.cli.output import Subcommands, clean
from blobtorrent.cli.selection import select
from blobtorrent.cli.steering import one_by_one, register_steering, tell
from blobtorrent.cli.waiting import add_wait_options, is_moved, settler


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "move", help_text="move torrents to another folder",
        description="Move the files of torrents to another folder of the daemon's machine. A copy to another "
                    "filesystem is read back before the original goes.",
    )
    parser.add_argument("folder", metavar="DIR", help="the new download folder, on the daemon's machine")
    parser.add_argument("--in-place", action="store_true", help="the files are there already: only look for them there")
    add_wait_options(parser, "the files have arrived")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    body: dict[str, Any] = {"download_dir": os.path.abspath(os.path.expanduser(args.folder))}
    if args.in_place:
        body["move_files"] = False

    def move(digits: str) -> Any:
        return client.request("POST", f"/v1/torrents/{digits}/move", body).value

    outcome = one_by_one(select(client, args.torrent), move)
    return tell(args, outcome, lambda torrent: f"moving {clean(torrent['name'])}",
                settle=settler(client, args, is_moved))
