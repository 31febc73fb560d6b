"""`blobtorrent remove TORRENT...`: have the daemon forget torrents."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from blobtorrent.cli.client import Client, connect
from blobtorrent.cli.output import Subcommands, clean
from blobtorrent.cli.selection import read_torrents, select
from blobtorrent.cli.steering import register_steering, tell, together

_DIGESTS = ("info_hash_v1", "info_hash_v2")


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
    names = {} if args.json else _names_of(client, hashes)         # when they are gone nobody knows these
    outcome = together(client, hashes, {"action": "remove", "with_data": args.with_data})
    return tell(args, outcome, lambda digits: f"removed {names.get(digits, digits)}", key="removed")


def _names_of(client: Client, hashes: Sequence[str]) -> dict[str, str]:
    torrents = read_torrents(client, hashes, ",".join((*_DIGESTS, "name")))
    return {torrent[digest]: clean(torrent["name"]) for torrent in torrents for digest in _DIGESTS if torrent[digest]}
