"""A peer that spoils, vanishes or raves does not keep a download from completing with the honest one.

The honest seed waits until the hostile one has struck, so that the order of events is no matter of luck.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.mini import (
    BITFIELD,
    PIECE,
    UNCHOKE,
    CorruptingSeed,
    MiniSeed,
    RavingSeed,
    VanishingSeed,
    message,
)

COMPLETE_S = 60.0

RUBBISH: dict[str, tuple[bytes, bool]] = {      # what is sent, and whether after a handshake
    "text instead of a handshake": (b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100, False),
    "a message without an end": (b"\xff\xff\xff\xff" + b"\0" * 1000, True),
    "zeros": (b"\0" * 100_000, True),
    "a second bitfield": (message(BITFIELD, b"\xff" * 3), True),
    "a message of no known kind": (message(99, b"?" * 50), True),
    "a request of 13 bytes too many": (message(6, b"\0" * 25), True),
    "a have of a piece out of range": (message(4, struct.pack(">I", 0xFFFFFFFF)), True),
    "a block that nobody asked for": (message(PIECE, struct.pack(">II", 0, 0) + b"!" * 16 * KIB), True),
    "a block out of range": (message(PIECE, struct.pack(">II", 1 << 31, 1 << 31) + b"!" * 16 * KIB), True),
    "an extended message without its handshake": (message(20, b"\x05d1:a"), True),
    "an unchoke and an empty block": (message(UNCHOKE) + message(PIECE, struct.pack(">II", 0, 0)), True),
}


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path, "content.bin", 6 * MIB + 3, 256 * KIB)


def test_blocks_that_a_peer_corrupts_never_reach_the_file(sample: Sample, tmp_path: Path) -> None:
    _completes_beside(CorruptingSeed(sample), sample, tmp_path)


@pytest.mark.parametrize("after_blocks", [0, 1, 40])
def test_a_peer_that_vanishes_in_a_block_is_replaced(sample: Sample, tmp_path: Path, after_blocks: int) -> None:
    _completes_beside(VanishingSeed(sample, after_blocks), sample, tmp_path)


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_peer_that_sends_rubbish_is_survived(sample: Sample, tmp_path: Path, rubbish: str) -> None:
    sent, after_handshake = RUBBISH[rubbish]
    _completes_beside(RavingSeed(sample, sent, after_handshake=after_handshake), sample, tmp_path)


@pytest.mark.parametrize("hostile", [CorruptingSeed, lambda sample: VanishingSeed(sample, 3)])
def test_alone_with_a_hostile_peer_nothing_wrong_is_written(
        sample: Sample, tmp_path: Path, hostile: Callable[[Sample], CorruptingSeed | VanishingSeed]) -> None:
    """The download does not complete, and what the file holds of it is right."""
    folder = _folder(tmp_path)
    content = (sample.folder / "content.bin").read_bytes()
    with hostile(sample) as peer:
        job = Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers=(peer.endpoint,))
        with BlobTorrentGet(job, timeout_s=3.0) as leech:
            assert peer.struck.wait(COMPLETE_S)
            assert leech.wait(COMPLETE_S) == 3
    written = folder / "content.bin"
    if written.exists():
        for at, byte in enumerate(written.read_bytes()):
            assert byte in (0, content[at]), f"a wrong byte at {at}"


def _completes_beside(hostile: CorruptingSeed | VanishingSeed | RavingSeed, sample: Sample, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with hostile, MiniSeed(sample, gate=hostile.struck) as honest:
        job = Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers=(hostile.endpoint, honest.endpoint))
        with BlobTorrentGet(job) as leech:
            leech.wait_complete(COMPLETE_S)
        assert hostile.struck.is_set()
        assert sample.differences(folder) == []


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder
