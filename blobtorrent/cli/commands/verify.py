"""`blobtorrent verify FILE DIR`: does what lies on disk match the torrent?"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from blobtorrent.cli.meter import Meter
from blobtorrent.cli.output import EXIT_BAD_PIECES, EXIT_OK, Subcommands, clean, print_json
from blobtorrent.model.errors import NotFound

if TYPE_CHECKING:
    from blobtorrent.core.session.checks import CheckPlan
    from blobtorrent.model.metainfo import Metainfo

MAX_LISTED = 20                        # damaged files named on the screen


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "verify",
        help="check files against a torrent",
        description="Check the files of a torrent against its hashes. Exit status 4 when pieces are bad or missing.",
    )
    parser.add_argument("torrent", metavar="FILE", help="the .torrent file; - is stdin")
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder that holds the torrent's file or folder")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from blobtorrent.cli.torrentfiles import read_torrent_bytes
    from blobtorrent.core.session.checks import require_piece_hashes
    from blobtorrent.protocol.metafile import parse_torrent

    if not args.folder.is_dir():
        raise NotFound("verify.no-folder", f"{args.folder} is no folder")
    metainfo = parse_torrent(read_torrent_bytes(args.torrent))
    require_piece_hashes(metainfo)
    with Meter(is_wanted=not args.json) as meter:
        check = _check(metainfo, args.folder, meter)
    if check.error is not None:
        raise check.error
    broken = sorted(check.bad + check.missing)
    if args.json:
        print_json({
            "name": metainfo.name,
            "torrent": metainfo.info_hash.hex,
            "good_pieces": len(check.good),
            "bad_pieces": len(check.bad),
            "missing_pieces": len(check.missing),
            "good_bytes": check.good_bytes,
            "size_bytes": metainfo.payload_bytes,
        })
    else:
        print(f"{clean(metainfo.name)}: {len(check.good)} pieces good, {len(check.bad)} bad, "
              f"{len(check.missing)} missing")
        for line in _damage(metainfo, broken):
            print(line)
    return EXIT_BAD_PIECES if broken else EXIT_OK


def _check(metainfo: Metainfo, folder: Path, meter: Meter) -> CheckPlan:
    """Hash everything on all processors, as the engine does when it starts a torrent."""
    from blobtorrent.core.session.checks import CheckPlan
    from blobtorrent.runtime.mailbox import Mailbox
    from blobtorrent.storage.arena import SLOT_SIZE, Arena
    from blobtorrent.storage.disk import DiskPool
    from blobtorrent.storage.filepool import FilePool, descriptor_share
    from blobtorrent.storage.hasher import HasherPool, default_size
    from blobtorrent.storage.jobs import CheckPieces, PiecesChecked
    from blobtorrent.storage.store import Store

    threads = default_size()
    check = CheckPlan(metainfo, parallel=2 * threads)
    store = Store(folder, metainfo, FilePool(descriptor_share()))
    arena = Arena(SLOT_SIZE)           # checking needs none of its memory
    hashers = HasherPool(arena, DiskPool(arena), threads)
    answers: Mailbox[PiecesChecked] = Mailbox("verify")
    hashers.start()
    try:
        while not check.is_done:
            for indices in check.next_jobs():
                hashers.post(CheckPieces(metainfo.info_hash, store, indices, answers))
            check.on_checked(answers.get())
            meter.show(check.checked_bytes, metainfo.payload_bytes)
    finally:
        check.abandon()
        hashers.stop(timeout_s=1.0)
        store.close()
    return check


def _damage(metainfo: Metainfo, broken: list[int]) -> list[str]:
    """The files that the broken pieces touch, a line each."""
    from blobtorrent.storage.layout import PAD, Layout

    layout, geometry = Layout(metainfo.files), metainfo.geometry
    counts: dict[int, int] = {}
    for index in broken:
        for part in layout.parts(geometry.piece_offset(index), geometry.piece_size(index)):
            if part.file != PAD:
                counts[part.file] = counts.get(part.file, 0) + 1
    lines = [
        f"damaged: {clean('/'.join(metainfo.files[number].path))} ({count} piece{'' if count == 1 else 's'})"
        for number, count in counts.items()
    ]
    hidden = len(lines) - MAX_LISTED
    return lines if hidden <= 0 else [*lines[:MAX_LISTED], f"and {hidden} more files"]
