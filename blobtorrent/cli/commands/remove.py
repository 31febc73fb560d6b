"""`blobtorrent remove TORRENT...`: have the daemon forget torrents."""

from __future__ import annotations

from argparse import Namespace

from blobtorrent.cli.client import connect
from blobtorrent.cli.output import EXIT_OK, Subcommands, print_json
from blobtorrent.cli.selection import select
from blobtorrent.cli.steering import register_steering


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "remove", help_text="remove torrents from the daemon",
        description="Stop and forget torrents. Their files stay, unless --with-data is given.",
    )
    parser.add_argument("--with-data", action="store_true", help="also delete the files that belong to the torrent")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    removed = select(client, args.torrent)
    for digits in removed:
        query = {"with_data": "true" if args.with_data else None}
        client.request("DELETE", f"/v1/torrents/{digits}", query=query)
        if not args.json:
            print(f"removed {digits}")
    if args.json:
        print_json({"removed": removed})
    return EXIT_OK
