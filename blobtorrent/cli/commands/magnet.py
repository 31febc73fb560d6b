"""`blobtorrent magnet FILE...`: the magnet links of torrents."""

from __future__ import annotations

from argparse import Namespace

from blobtorrent.cli.output import EXIT_OK, Subcommands, print_json
from blobtorrent.model.address import split_host_port
from blobtorrent.model.errors import FormatError


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "magnet",
        help="print the magnet link of a torrent",
        description="Print the magnet links of .torrent files, a line each. Nothing that they name is contacted.",
    )
    parser.add_argument("torrent", nargs="+", metavar="FILE", help="a .torrent file; - is stdin")
    parser.add_argument("--no-trackers", action="store_true", help="leave the trackers out")
    parser.add_argument("--peer", action="append", default=[], metavar="HOST:PORT",
                        help="a peer that the link names; may be repeated")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from blobtorrent.cli.torrentfiles import read_torrent_bytes
    from blobtorrent.model.magnet import MagnetLink, format_magnet
    from blobtorrent.protocol.metafile import parse_torrent

    peers = tuple(map(_peer, args.peer))
    links = []
    for path in args.torrent:
        metainfo = parse_torrent(read_torrent_bytes(path))
        link = MagnetLink(
            metainfo.info_hash, metainfo.name, metainfo.payload_bytes,
            tiers=() if args.no_trackers else metainfo.tiers, web_seeds=metainfo.web_seeds, peers=peers,
        )
        links.append({"hash": metainfo.info_hash.hex, "name": metainfo.name, "magnet": format_magnet(link)})
    if args.json:
        print_json({"magnets": links})
    else:
        for told in links:
            print(told["magnet"])      # every character beyond plain ASCII is escaped in it
    return EXIT_OK


def _peer(text: str) -> tuple[str, int]:
    host, port = split_host_port(text)
    is_host = host.isascii() and all(character.isalnum() or character in ".-_:" for character in host)
    if not is_host or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise FormatError("address.bad-endpoint", f"{text!r} is no HOST:PORT")
    return host, int(port)
