"""Files that somebody cuts short or deletes behind our back, between two lives and in the middle of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.crashes import Lives, memory_folder
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.program import wait_until
from tests.support.tools import require_module

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

PATIENCE_S = 60.0
RATE = 6 * MIB                         # bytes a second
SLOW = 64 * KIB


@pytest.fixture(autouse=True)
def libtorrent() -> None:
    require_module("libtorrent")


@pytest.fixture
def memory() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path, "set", [("first.bin", 36 * MIB + 5), ("last.bin", 12 * MIB)], 256 * KIB)


def damage(path: Path, how: str) -> None:
    if how == "deleted":
        path.unlink()
    else:
        os.truncate(path, MIB)


@pytest.mark.parametrize("done_bytes", [8 * MIB, 42 * MIB], ids=["before the first commit", "after it"])
@pytest.mark.parametrize("how", ["cut short", "deleted"])
def test_a_file_that_is_damaged_between_two_lives_is_fetched_again(
    tmp_path: Path, memory: Path, sample: Sample, how: str, done_bytes: int
) -> None:
    with MeasuredPeer(sample, bytes_per_s=RATE) as peer:
        lives = Lives(tmp_path / "daemon", memory)
        with lives:
            lives.add(sample, peers=[peer.endpoint], sequential=True)
            wait_until(lambda: lives.status(sample)["done_bytes"] >= done_bytes, PATIENCE_S, "some of it")
            lives.kill()
        damage(lives.downloads / "set/first.bin", how)
        peer.limit(0)
        with lives:
            if not any((lives.downloads / "set").iterdir()):           # perhaps a disk is not mounted: nobody knows
                assert lives.wait_state(sample, "error", PATIENCE_S)["error"]["code"] == "storage.files-gone"
                lives.order(sample, "start")
            lives.wait_state(sample, "seeding", PATIENCE_S)
    assert sample.differences(lives.downloads) == []


@pytest.mark.parametrize("done_bytes", [8 * MIB, 34 * MIB], ids=["before the first commit", "after it"])
@pytest.mark.parametrize("how", ["once", "and made long again"])
def test_a_file_that_is_cut_short_while_it_is_written_is_whole_when_its_torrent_says_so(
    tmp_path: Path, memory: Path, sample: Sample, how: str, done_bytes: int
) -> None:
    with MeasuredPeer(sample, bytes_per_s=RATE) as peer:
        lives = Lives(tmp_path / "daemon", memory)
        with lives:
            lives.add(sample, peers=[peer.endpoint])
            wait_until(lambda: lives.status(sample)["done_bytes"] >= done_bytes, PATIENCE_S, "some of it")
            peer.limit(SLOW)           # what is told of it is a second old
            path = lives.downloads / "set/first.bin"
            size = path.stat().st_size
            os.truncate(path, MIB)
            if how == "and made long again":
                os.truncate(path, size)
            peer.limit(0)
            lives.wait_state(sample, "seeding", PATIENCE_S)
            assert sample.differences(lives.downloads) == []
            assert "cut short" in lives.daemon.output()
    assert lives.hashed_pieces == 0


def test_a_file_that_is_deleted_while_it_is_written_is_fetched_again(
    tmp_path: Path, memory: Path, sample: Sample
) -> None:
    with MeasuredPeer(sample, bytes_per_s=RATE) as peer:
        lives = Lives(tmp_path / "daemon", memory)
        with lives:
            lives.add(sample, peers=[peer.endpoint])
            wait_until(lambda: lives.status(sample)["done_bytes"] >= 12 * MIB, PATIENCE_S, "some of it")
            damage(lives.downloads / "set/first.bin", "deleted")
            wait_until(lambda: "could not be made durable" in lives.daemon.output(), PATIENCE_S, "the loss to be seen")
            peer.limit(0)
            try:
                wait_until(lambda: lives.status(sample)["state"] == "seeding"
                           and not sample.differences(lives.downloads), PATIENCE_S, "the whole content", every_s=0.5)
            except TimeoutError:
                raise AssertionError(f"{lives.status(sample)}\n{lives.daemon.output()}") from None
