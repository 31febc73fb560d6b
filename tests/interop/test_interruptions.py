"""What lies on disk is kept across interruptions: Ctrl-C, kill -9, and files that somebody touched meanwhile."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.mini import MiniSeed
from tests.support.peers.program import wait_until

COMPLETE_S = 60.0
BLOCK_BYTES = 16 * KIB


class StoppingSeed(MiniSeed):
    """Serves so many blocks, then none until it is `released`."""

    def __init__(self, sample: Sample, blocks: int) -> None:
        super().__init__(sample)
        self._blocks = blocks
        self.released = threading.Event()

    def answer(self, link: object, index: int, begin: int, block: bytes) -> bool:
        if self.blocks_served >= self._blocks:
            self.released.wait(COMPLETE_S)
        return super().answer(link, index, begin, block)  # type: ignore[arg-type]

    def leave(self) -> None:
        self.released.set()
        super().leave()


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path, "set", [("a.bin", 5 * MIB + 3), ("b/c.bin", 3 * MIB)], 256 * KIB)


@pytest.fixture
def single(tmp_path: Path) -> Sample:
    return make_sample(tmp_path, "single.bin", 8 * MIB + 3, 256 * KIB)


def test_what_lies_on_disk_is_checked_and_only_the_rest_is_fetched(single: Sample, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    content = (single.folder / "single.bin").read_bytes()
    (folder / "single.bin").write_bytes(content[: 6 * MIB])
    with MiniSeed(single) as seed, BlobTorrentGet(_job(single, folder, seed)) as leech:
        leech.wait_complete(COMPLETE_S)
        assert single.differences(folder) == []
        assert seed.blocks_served == -(-(len(content) - 6 * MIB) // BLOCK_BYTES)


def test_a_complete_download_needs_no_peer(sample: Sample) -> None:
    job = Job(Role.LEECH, sample.torrent, sample.folder, sample.info_hash)
    with BlobTorrentGet(job, seed_for_s=0) as leech:
        assert leech.wait(COMPLETE_S) == 0


def test_a_piece_that_somebody_spoiled_on_disk_is_fetched_again(single: Sample, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    content = bytearray((single.folder / "single.bin").read_bytes())
    content[3 * MIB] ^= 1
    (folder / "single.bin").write_bytes(content)
    with MiniSeed(single) as seed, BlobTorrentGet(_job(single, folder, seed)) as leech:
        leech.wait_complete(COMPLETE_S)
        assert single.differences(folder) == []
        assert seed.blocks_served == 256 * KIB // BLOCK_BYTES


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_an_unfinished_download_cleanly(single: Sample, tmp_path: Path, number: int) -> None:
    folder = _folder(tmp_path)
    with StoppingSeed(single, 100) as seed, BlobTorrentGet(_job(single, folder, seed)) as leech:
        wait_until(lambda: seed.blocks_served >= 100, COMPLETE_S, "half of the content")
        leech.send_signal(number)
        assert leech.wait(COMPLETE_S) == 1
        assert "Traceback" not in leech.output()
        assert len(leech.output().splitlines()) == 1
    _completes_with_less(single, folder, tmp_path)


def test_an_interrupt_while_seeding_ends_with_success(sample: Sample) -> None:
    with BlobTorrentGet(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)) as seed:
        seed.send_signal(signal.SIGINT)
        assert seed.wait(COMPLETE_S) == 0
        assert seed.output() == ""


def test_after_kill_9_the_next_start_checks_and_completes(single: Sample, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with StoppingSeed(single, 300) as seed, BlobTorrentGet(_job(single, folder, seed)) as leech:
        wait_until(lambda: seed.blocks_served >= 300, COMPLETE_S, "a part of the content")
        wait_until(lambda: _allocated(folder / "single.bin") >= 2 * MIB, COMPLETE_S, "verified pieces on disk")
        os.kill(leech.pid, signal.SIGKILL)
        assert leech.wait(COMPLETE_S) == -signal.SIGKILL
    _completes_with_less(single, folder, tmp_path)


def test_the_timeout_has_an_exit_status_of_its_own(single: Sample, tmp_path: Path) -> None:
    with BlobTorrentGet(Job(Role.LEECH, single.torrent, _folder(tmp_path), single.info_hash), timeout_s=0.5) as leech:
        assert leech.wait(COMPLETE_S) == 3


def _completes_with_less(sample: Sample, folder: Path, tmp_path: Path) -> None:
    """A second `get` ends well, and fetches less than everything."""
    with MiniSeed(sample) as seed, BlobTorrentGet(_job(sample, folder, seed), seed_for_s=0) as leech:
        assert leech.wait(COMPLETE_S) == 0
        assert seed.blocks_served < sample.size_bytes // BLOCK_BYTES
    assert sample.differences(folder) == []


def _job(sample: Sample, folder: Path, seed: MiniSeed) -> Job:
    return Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers=(seed.endpoint,))


def _allocated(path: Path) -> int:
    return path.stat().st_blocks * 512 if path.exists() else 0


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder
