"""`blobtorrent show FILE|MAGNET|TORRENT`: what a torrent or a magnet link says, or what the daemon knows of a torrent.

A file or a link is shown without a daemon, and nothing that it names is contacted.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.fields import shown, title_of
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.paint import Cell
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.selection import select_one
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.magnet import MagnetLink, is_magnet, parse_magnet
from blobtorrent.model.metainfo import FileEntry, Metainfo
from blobtorrent.model.units import format_size

_ONLY_WHILE = {"checked_bytes": "checking", "moved_bytes": "moving"}

MAX_PATH = 4096                        # characters of a path on the screen


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "show",
        help="show what a torrent contains, or how it goes",
        description="Show what a .torrent file or a magnet link says; nothing that it names is contacted. Of a torrent "
                    "of the daemon, show how it goes.",
        parents=[client_options()],
    )
    parser.add_argument("source", metavar="FILE|MAGNET|TORRENT",
                        help="a .torrent file, - for stdin, a link that begins with magnet:?; or the info-hash, its "
                             "first digits or the name of a torrent of the daemon")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    if is_magnet(args.source):
        link = parse_magnet(args.source)
        return _print(args, magnet_fields(link), magnet_lines(link))
    if _is_of_daemon(args.source):
        return _show_running(args)
    from blobtorrent.cli.torrentfiles import read_torrent_bytes
    from blobtorrent.protocol.metafile import parse_torrent

    metainfo = parse_torrent(read_torrent_bytes(args.source))
    return _print(args, torrent_fields(metainfo), torrent_lines(metainfo))


def _is_of_daemon(source: str) -> bool:
    """A file that is there comes first; what looks like the path of one is not looked for elsewhere."""
    return source != "-" and not os.path.lexists(source) and "/" not in source and not source.endswith(".torrent")


def _show_running(args: Namespace) -> int:
    client = connect(args)
    torrent = client.get(f"/v1/torrents/{select_one(client, args.source)}")
    if args.json:
        print_json(torrent)
    else:
        Screen(args).facts(torrent_facts(torrent))
    return EXIT_OK


def torrent_facts(torrent: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    """All that the daemon tells; how far a check or a move is only while there is one."""
    for name, value in torrent.items():
        if _ONLY_WHILE.get(name, torrent["state"]) == torrent["state"]:
            yield title_of(name).lower(), shown(name, value)


def _print(args: Namespace, fields: dict[str, Any], lines: Iterable[str]) -> int:
    if args.json:
        print_json(fields)
    else:
        print("\n".join(lines))
    return EXIT_OK


def torrent_fields(metainfo: Metainfo) -> dict[str, Any]:
    """The JSON object of a torrent. What is absent is null; lists are empty."""
    return {
        "name": metainfo.name,
        **_hash_fields(metainfo.info_hash),
        "size": metainfo.geometry.size,
        "payload": metainfo.payload_bytes,
        "piece_length": metainfo.geometry.piece_length,
        "num_pieces": metainfo.geometry.num_pieces,
        "private": metainfo.is_private,
        "files": [_file_fields(entry) for entry in metainfo.files],
        "trackers": metainfo.tiers,
        "web_seeds": metainfo.web_seeds,
        "comment": metainfo.comment,
        "created_by": metainfo.created_by,
        "creation_date": metainfo.creation_date,
        "source": metainfo.source,
    }


def magnet_fields(link: MagnetLink) -> dict[str, Any]:
    """The JSON object of a magnet link: the same names, null for all that only the metadata tells."""
    return {
        "name": link.name,
        **_hash_fields(link.info_hash),
        "size": link.size,
        "payload": None,
        "piece_length": None,
        "num_pieces": None,
        "private": None,
        "files": None,
        "trackers": link.tiers,
        "web_seeds": link.web_seeds,
        "comment": None,
        "created_by": None,
        "creation_date": None,
        "source": None,
        "peers": [{"host": host, "port": port} for host, port in link.peers],
    }


def torrent_lines(metainfo: Metainfo) -> Iterator[str]:
    """The torrent for people; every foreign text is made harmless."""
    geometry = metainfo.geometry
    yield f"name:         {clean(metainfo.name)}"
    yield from _hash_lines(metainfo.info_hash)
    yield f"size:         {format_size(metainfo.payload_bytes)} ({metainfo.payload_bytes} bytes)"
    yield f"pieces:       {geometry.num_pieces} of {format_size(geometry.piece_length)}"
    yield f"private:      {'yes' if metainfo.is_private else 'no'}"
    yield from _text_lines("comment", metainfo.comment)
    yield from _text_lines("created by", metainfo.created_by)
    if metainfo.creation_date is not None:
        yield f"created:      {_date(metainfo.creation_date)}"
    yield from _text_lines("source", metainfo.source)
    yield from _address_lines(metainfo.tiers, metainfo.web_seeds)
    files = [entry for entry in metainfo.files if not entry.is_pad]
    yield f"files:        {len(files)}"
    width = max((len(format_size(entry.length)) for entry in files), default=0)
    for entry in files:
        yield f"  {format_size(entry.length):>{width}}  {_path(entry)}"


def magnet_lines(link: MagnetLink) -> Iterator[str]:
    """The link for people."""
    if link.name is not None:
        yield f"name:         {clean(link.name)}"
    yield from _hash_lines(link.info_hash)
    if link.size is not None:
        yield f"size:         {format_size(link.size)} ({link.size} bytes), says the link"
    yield from _address_lines(link.tiers, link.web_seeds)
    for host, port in link.peers:
        yield f"peer:         {clean(host)} port {port}"


def _file_fields(entry: FileEntry) -> dict[str, Any]:
    return {"path": entry.path, "length": entry.length, "pad": entry.is_pad}


def _hash_fields(info_hash: InfoHash) -> dict[str, str | None]:
    return {"info_hash_v1": info_hash.v1.hex() or None, "info_hash_v2": info_hash.v2.hex() or None}


def _hash_lines(info_hash: InfoHash) -> Iterator[str]:
    if info_hash.v1:
        yield f"info hash v1: {info_hash.v1.hex()}"
    if info_hash.v2:
        yield f"info hash v2: {info_hash.v2.hex()}"


def _text_lines(label: str, text: str | None) -> Iterator[str]:
    if text:
        yield f"{label + ':':13} {clean(text)}"


def _address_lines(tiers: Iterable[Iterable[str]], web_seeds: Iterable[str]) -> Iterator[str]:
    for number, tier in enumerate(tiers, start=1):
        for url in tier:
            yield f"tracker:      {clean(url)} (tier {number})"
    for url in web_seeds:
        yield f"web seed:     {clean(url)}"


def _date(timestamp: int) -> str:
    try:
        return datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{timestamp} seconds after 1970"


def _path(entry: FileEntry) -> str:
    path = clean("/".join(entry.path), MAX_PATH)
    return path if entry.symlink_target is None else f"{path} -> {clean('/'.join(entry.symlink_target), MAX_PATH)}"
