"""`blobtorrent export DIR`: the daemon's torrents as .torrent files, with a file that `apply` reads."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.meter import Meter
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.selection import TORRENT_HELP, read_torrents, select
from blobtorrent.model.errors import Invalid
from blobtorrent.model.paths import safe_part

APPLY_FILE = "torrents.toml"
MAX_NAME_BYTES = 200                   # of a file's name before the part with the hash

_MODE = 0o600                          # URLs of trackers may hold the passkey of their user
_HEADER = "# What `blobtorrent apply` makes of a daemon: these torrents, with these options.\n"


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "export",
        help="save torrents and their options, for apply",
        description="Write the .torrent files of the daemon to a folder, and their options to torrents.toml there, "
                    "which apply reads.",
        parents=[client_options()],
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder to write to; made when it is not there")
    parser.add_argument("torrent", nargs="*", metavar="TORRENT", help=f"{TORRENT_HELP}; all without one")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from blobtorrent.cli.desired import file_priorities, tracker_tiers, write_entry
    from blobtorrent.protocol.metafile import parse_torrent
    from blobtorrent.storage.atomicfile import write_atomically

    client = connect(args)
    torrents = (
        read_torrents(client, select(client, args.torrent)) if args.torrent else client.get("/v1/torrents")["torrents"])
    folder: Path = args.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid("export.no-folder", f"{folder}: {error.strerror}") from None
    entries = [_HEADER]
    names = []
    with Meter(is_wanted=not args.json) as meter:
        for number, torrent in enumerate(torrents):
            meter.show_count(number, len(torrents))
            path = f"/v1/torrents/{torrent['hash']}"
            name = file_name(torrent)
            raw = client.download(f"{path}/metainfo")
            write_atomically(folder / name, raw, mode=_MODE)
            tiers = tracker_tiers(client.get(f"{path}/trackers")["trackers"])
            is_as_in_file = tiers == [list(tier) for tier in parse_torrent(raw).tiers]
            entries.append(write_entry(
                {"torrent": name, "hash": torrent["hash"]}, torrent,
                file_priorities(client.get(f"{path}/files")["files"]), None if is_as_in_file else tiers))
            names.append(name)
    write_atomically(folder / APPLY_FILE, "\n".join(entries).encode(), mode=_MODE)
    if args.json:
        print_json({"file": str(folder / APPLY_FILE), "torrents": names})
    else:
        print(f"{clean(str(folder / APPLY_FILE))}: {len(names)} torrents")
    return EXIT_OK


def file_name(torrent: Mapping[str, Any]) -> str:
    """A name for its .torrent file: no two torrents have the same, and it is one part of a path."""
    name = safe_part(torrent["name"].encode("utf-8", "replace")[:MAX_NAME_BYTES])
    return f"{name}.{torrent['hash'][:16]}.torrent"
