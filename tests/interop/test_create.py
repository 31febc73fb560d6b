"""Torrents of ours in libtorrent's eyes, and its own beside them."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.storage.author import Format, Recipe, make_torrent
from blobtorrent.storage.source import scan
from tests.support.oddtorrents import OddTorrent, odd_torrents
from tests.support.tools import require_module

PIECE = 32768
SIZES = (0, 1, 16384, 16385, 32768, 32769, 65536, 100_000)
DIFFERENT_ON_PURPOSE = {
    "private b'1'": "a string says: stay with the trackers",
    "private []": "any other form says so too",
    "v2 with v1 hashes alone": "the v1 side is not whole",
    "hybrid without v1 hashes": "the v1 side is not whole",
    "1,000 equal names": "it gives up after 500",
    "path too long": "no system opens more than 4096 bytes at once",
}


@pytest.fixture
def lt() -> ModuleType:
    return require_module("libtorrent")


def folder_of_files(root: Path, seed: int) -> Path:
    rng = random.Random(seed)
    for number in range(rng.randint(1, 8)):
        path = root / rng.choice(("", "a", "a/b", "z z")) / f"file{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(rng.choice(SIZES)))
    (root / "last").write_bytes(b"x")
    return root


def theirs(lt: ModuleType, source: Path, flags: Any) -> Metainfo:
    storage = lt.file_storage()
    lt.add_files(storage, str(source))
    made = lt.create_torrent(storage, PIECE, flags)
    lt.set_piece_hashes(made, str(source.parent))
    return parse_torrent(lt.bencode(made.generate()))


def figures(lt: ModuleType, data: bytes) -> tuple[object, ...]:
    """What libtorrent reads in a torrent."""
    info = lt.torrent_info(data)
    hashes = info.info_hashes()
    return (
        hashes.v1.to_bytes() if hashes.has_v1() else b"", hashes.v2.to_bytes() if hashes.has_v2() else b"",
        info.total_size(), info.num_pieces(), info.num_files(), info.priv(),
    )


def our_figures(metainfo: Metainfo) -> tuple[object, ...]:
    return (metainfo.info_hash.v1, metainfo.info_hash.v2, metainfo.geometry.size, metainfo.geometry.num_pieces,
            len(metainfo.files), metainfo.is_private)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("format", [Format.V2, Format.HYBRID])
@pytest.mark.parametrize("seed", range(6))
def test_libtorrent_makes_the_same_torrent_of_a_folder(
    lt: ModuleType, tmp_path: Path, format: Format, seed: int,
) -> None:
    source = folder_of_files(tmp_path / "t", seed)
    ours = parse_torrent(make_torrent(scan(source), Recipe(format=format, piece_length=PIECE)))
    flags = lt.create_torrent.v2_only if format is Format.V2 else 0
    assert theirs(lt, source, flags).info_hash == ours.info_hash


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("size", [1, 16385, 100_000])
def test_libtorrent_makes_the_same_torrent_of_a_file(lt: ModuleType, tmp_path: Path, format: Format, size: int) -> None:
    source = tmp_path / "f.bin"
    source.write_bytes(random.Random(size).randbytes(size))
    ours = parse_torrent(make_torrent(scan(source), Recipe(format=format, piece_length=PIECE)))
    flags = {Format.V1: lt.create_torrent.v1_only, Format.V2: lt.create_torrent.v2_only, Format.HYBRID: 0}[format]
    assert theirs(lt, source, flags).info_hash == ours.info_hash


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("format", Format)
def test_libtorrent_reads_our_torrents_as_we_do(lt: ModuleType, tmp_path: Path, format: Format) -> None:
    data = make_torrent(scan(folder_of_files(tmp_path / "t", 9)), Recipe(format=format, piece_length=PIECE))
    assert figures(lt, data) == our_figures(parse_torrent(data))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("odd", [odd for odd in odd_torrents() if odd.name not in DIFFERENT_ON_PURPOSE],
                         ids=lambda odd: odd.name)
def test_libtorrent_has_the_same_verdict_of_odd_torrents(lt: ModuleType, odd: OddTorrent) -> None:
    if odd.code:
        with pytest.raises(RuntimeError):
            lt.torrent_info(odd.data)
    else:
        assert figures(lt, odd.data) == our_figures(parse_torrent(odd.data))
