"""`blobtorrent rename TORRENT OLD NEW`: give a file or folder of a torrent another name."""

from __future__ import annotations

from argparse import Namespace

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.selection import TORRENT_HELP, select_one

MAX_PATH = 4096                        # characters of a path on the screen


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "rename",
        help="rename a file or folder of a torrent",
        description="Give a file or folder of a torrent another path. Both paths are relative to the download folder, "
                    "as `blobtorrent files` shows them.",
        parents=[client_options()],
    )
    parser.add_argument("torrent", metavar="TORRENT", help=TORRENT_HELP)
    parser.add_argument("old", metavar="OLD", help="the path as it is")
    parser.add_argument("new", metavar="NEW", help="the path as it shall be")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    digits = select_one(client, args.torrent)
    torrent = client.request("POST", f"/v1/torrents/{digits}/rename", {"old": args.old, "new": args.new}).value
    if args.json:
        print_json({"torrents": [torrent]})
    else:
        print(f"{clean(args.old, MAX_PATH)} -> {clean(args.new, MAX_PATH)}")
    return EXIT_OK
