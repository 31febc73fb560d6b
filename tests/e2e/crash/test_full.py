"""kill -9 where there is no room: on the disk that is downloaded to, or in memory for the live file."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.crashes import Lives, memory_folder
from tests.support.mounts import held_tmpfs
from tests.support.payload import KIB, MIB, make_sample
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.program import wait_until
from tests.support.powercuts import examine_claims
from tests.support.tools import require_module

pytestmark = [pytest.mark.interop, pytest.mark.timeout(3600)]

PATIENCE_S = 60.0
RATE = 25 * MIB                        # bytes a second
GENTLE_RATE = 8 * MIB                  # the same where all that is not verified is lost: a busy machine keeps up
IN_FLIGHT = 4 * MIB                    # what a kill costs at most: what sockets hold, and blocks being received
UNSAVED = 64 * MIB                     # written since the last commit, at most


@pytest.fixture(autouse=True)
def libtorrent() -> None:
    require_module("libtorrent")


@pytest.fixture
def memory() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


@pytest.mark.parametrize("seed", [1])
def test_a_download_that_is_killed_on_a_full_disk_goes_on_by_itself_when_there_is_room(
    tmp_path: Path, memory: Path, is_full_run: bool, seed: int
) -> None:
    rounds = 30 if is_full_run else 4
    rng = random.Random(seed)
    step = 16 * MIB                    # comes free in each round
    sample = make_sample(tmp_path, "sample.bin", (rounds + 1) * step - 5, 256 * KIB)
    disk = tmp_path / "disk"
    disk.mkdir()
    with held_tmpfs(disk, (rounds + 1) * step / MIB) as mount, MeasuredPeer(sample, bytes_per_s=RATE) as peer:
        ballast = mount.folder / "ballast"
        ballast.write_bytes(bytes(rounds * step))
        lives = Lives(tmp_path / "daemon", memory, "--set", "storage.reserve=0", downloads=disk, prefix=mount.prefix)
        lives.downloads = mount.folder
        for number in range(rounds):
            with lives:                # killed somewhere between the first byte and the last that has room
                if not number:
                    lives.add(sample, peers=[peer.endpoint])
                time.sleep(rng.random())
                lives.kill()
            with lives:                # killed while it waits for room, or soon after there is some
                status = lives.wait_state(sample, "error", PATIENCE_S)
                assert status["error"]["code"] == "storage.disk-full"
                before = status["done_bytes"]
                time.sleep(rng.random())
                if number % 2:
                    lives.kill()
                    lives.begin()
                    assert lives.wait_state(sample, "error", PATIENCE_S)["done_bytes"] >= before
                with ballast.open("r+b") as file:
                    file.truncate((rounds - number - 1) * step)
                wait_until(lambda before=before: lives.status(sample)["done_bytes"] > before, PATIENCE_S, "more of it")
                lives.kill()
            _, false = examine_claims(lives, sample)
            assert not false
        kills = sum("stopped" not in log for log in lives.logs)
        with lives:
            status = lives.wait_state(sample, "seeding", PATIENCE_S)
            assert status["wasted_bytes"] == 0
            assert status["downloaded_bytes"] == sample.size_bytes
            assert sample.size_bytes <= peer.sent_bytes <= sample.size_bytes + IN_FLIGHT * kills // 2
        assert sample.differences(mount.folder) == []
    assert lives.hashed_pieces <= sample.num_pieces // 100


def fill(path: Path) -> None:
    """Write a file until there is no room left."""
    with open(path, "wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(bytes(4096)):
            pass


@pytest.mark.parametrize("room_mib", [0.02, 100], ids=["from the beginning", "after the first start"])
def test_a_daemon_without_room_for_a_live_file_says_so_and_ends_right_after_kills(
    tmp_path: Path, memory: Path, is_full_run: bool, room_mib: float
) -> None:
    kills = 50 if is_full_run else 5
    rng = random.Random(room_mib)
    sample = make_sample(tmp_path, "sample.bin", (kills + 1) * 16 * MIB - 5, 256 * KIB)
    with held_tmpfs(memory, room_mib) as mount, MeasuredPeer(sample, bytes_per_s=GENTLE_RATE) as peer:
        if room_mib < 1:
            fill(mount.folder / "ballast")
        lives = Lives(tmp_path / "daemon", memory, prefix=mount.prefix)
        lives.runtime = mount.folder / "run"
        for number in range(kills):
            with lives:
                if not number:
                    lives.add(sample, peers=[peer.endpoint])
                    fill(mount.folder / "more")
                sent = peer.sent_bytes
                wait_until(lambda sent=sent: peer.sent_bytes >= sent + 8 * MIB, PATIENCE_S, "some of it")
                time.sleep(rng.random() * 0.3)
                lives.kill()
            _, false = examine_claims(lives, sample)
            assert not false
        with lives:
            lives.wait_state(sample, "seeding", PATIENCE_S)
            assert lives.status(sample)["wasted_bytes"] == 0
            assert peer.sent_bytes <= sample.size_bytes + IN_FLIGHT * kills // 2
    assert sample.differences(lives.downloads) == []
    # Without the log that a kill spares, what no row claims is looked at: it is hashed, but not fetched again.
    assert lives.hashed_pieces <= kills * (UNSAVED + RATE) // sample.piece_length
    unprotected = ["no memory that outlives us" in log for log in lives.logs]
    assert all(unprotected) if room_mib < 1 else not unprotected[0] and any(unprotected)

