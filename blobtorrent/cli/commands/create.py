"""`blobtorrent create PATH -o FILE`: make a torrent of a file or a folder."""

from __future__ import annotations

import os
import time
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from blobtorrent import __version__
from blobtorrent.cli.client import ApiError, client_options, connect
from blobtorrent.cli.meter import Meter
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.model.errors import Invalid
from blobtorrent.model.units import format_size, parse_size

if TYPE_CHECKING:
    from blobtorrent.storage.author import Recipe

JOB_POLL_S = 0.5


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "create",
        help="make a torrent of a file or folder",
        description="Make a torrent. The same content, names and options always give the same info-hash; with "
                    "SOURCE_DATE_EPOCH in the environment, the same file. An older torrent of the same file name is "
                    "replaced, any other file is left alone.",
        parents=[client_options()],
    )
    parser.add_argument("path", metavar="PATH", type=Path, help="the file or folder to share")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True, help="the .torrent file to write")
    parser.add_argument("--tracker", metavar="URL", action="append", default=[],
                        help="announce URL; each option is a tier of its own, a comma joins URLs into one tier")
    parser.add_argument("--web-seed", metavar="URL", action="append", default=[], help="HTTP address of the content")
    parser.add_argument("--piece-size", metavar="SIZE", type=_size, default=0,
                        help='for instance "1 MiB"; chosen by the size of the content when not given')
    parser.add_argument("--format", choices=("v1", "v2", "hybrid"), default="v1",
                        help="v1 is read by every client; default: %(default)s")
    parser.add_argument("--private", action="store_true", help="peers from the trackers only (BEP 27)")
    parser.add_argument("--source", metavar="TEXT", help="mark that makes the info-hash differ, as some trackers ask")
    parser.add_argument("--comment", metavar="TEXT", help="text shown to people")
    parser.add_argument("--remote", action="store_true",
                        help="have the daemon do it, with a PATH of its machine; the result is written here")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from blobtorrent.cli.torrentfiles import check_output, tracker_tiers, web_seed_urls
    from blobtorrent.protocol.metafile import parse_torrent
    from blobtorrent.storage.atomicfile import write_atomically
    from blobtorrent.storage.author import Format, Recipe

    recipe = Recipe(
        format=Format(args.format),
        piece_length=args.piece_size,
        tiers=tracker_tiers(args.tracker),
        web_seeds=web_seed_urls(args.web_seed),
        is_private=args.private,
        source=args.source,
        comment=args.comment,
        created_by=f"BlobTorrent {__version__}",
        creation_date=creation_date(os.environ.get("SOURCE_DATE_EPOCH")),
    )
    check_output(args.output)
    data = _made_by_daemon(args, recipe) if args.remote else _made_here(args, recipe)
    metainfo = parse_torrent(data)     # what we cannot read ourselves is not given out
    write_atomically(args.output, data)
    num_files = sum(not entry.is_pad for entry in metainfo.files)
    if args.json:
        print_json({
            "name": metainfo.name,
            "info_hash_v1": metainfo.info_hash.v1.hex() or None,
            "info_hash_v2": metainfo.info_hash.v2.hex() or None,
            "size": metainfo.payload_bytes,
            "piece_length": metainfo.geometry.piece_length,
            "num_pieces": metainfo.geometry.num_pieces,
            "num_files": num_files,
            "file": str(args.output),
        })
    else:
        print(f"{clean(str(args.output))}: {clean(metainfo.name)}, {format_size(metainfo.payload_bytes)} in "
              f"{num_files} file{'' if num_files == 1 else 's'}, {metainfo.geometry.num_pieces} pieces "
              f"of {format_size(metainfo.geometry.piece_length)}")
        for digest in filter(None, (metainfo.info_hash.v1, metainfo.info_hash.v2)):
            print(f"info hash: {digest.hex()}")
    return EXIT_OK


def _made_here(args: Namespace, recipe: Recipe) -> bytes:
    from blobtorrent.storage.author import make_torrent
    from blobtorrent.storage.source import scan

    source = scan(args.path, exclude=args.output)
    with Meter(is_wanted=not args.json) as meter:
        return make_torrent(source, recipe, progress=meter.show)


def _made_by_daemon(args: Namespace, recipe: Recipe) -> bytes:
    """A job of the daemon, which is ended when we are interrupted."""
    client = connect(args)
    job = client.request("POST", "/v1/jobs", {
        "kind": "create", "path": os.path.abspath(args.path), "trackers": recipe.tiers, "web_seeds": recipe.web_seeds,
        "piece_size": recipe.piece_length or None, "private": recipe.is_private, "source": recipe.source,
        "comment": recipe.comment, "format": recipe.format.value,
    }).value
    path = f"/v1/jobs/{job['id']}"
    try:
        with Meter(is_wanted=not args.json) as meter:
            while job["state"] in ("waiting", "running"):
                meter.show(job["done_bytes"], max(job["total_bytes"], 1), job["state"])
                time.sleep(JOB_POLL_S)
                job = client.get(path)
        if job["problem"] is not None:
            raise ApiError(job["problem"]["code"], job["problem"]["detail"])
        return client.download(f"{path}/result")
    finally:
        client.request("DELETE", path)


def creation_date(epoch: str | None) -> int:
    """Now, or what SOURCE_DATE_EPOCH says (reproducible-builds.org). Raises Invalid ("create.bad-epoch")."""
    if epoch is None:
        return int(time.time())
    if not epoch.isascii() or not epoch.isdigit() or len(epoch) > 12:
        raise Invalid("create.bad-epoch", "SOURCE_DATE_EPOCH must be a number of seconds since 1970")
    return int(epoch)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except Invalid as error:
        raise ArgumentTypeError(error.detail) from None
