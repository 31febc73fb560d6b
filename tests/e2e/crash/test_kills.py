"""kill -9 at random moments of real transfers: not a byte, not a piece and not a figure is lost.

The live file lies in memory here, so what the next life knows is exact. What a kill costs is what was in the sockets'
buffers, and blocks that were half received.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.crashes import Lives, memory_folder
from tests.support.payload import KIB, MIB, make_sample
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.program import free_port, wait_until
from tests.support.tools import require_module

pytestmark = pytest.mark.interop

PATIENCE_S = 60.0
RATE = 25 * MIB                        # bytes a second
IN_FLIGHT = 4 * MIB                    # what kills cost: what sockets hold, and blocks being received
SOCKET_BYTES = 12 * MIB                # what the system takes from a sender before the receiver has it
MEMORY = 2 * 68 * MIB + 32 * MIB        # two live files, and what earlier kills left that is not safe yet
REDIAL_S = 2.0


@pytest.fixture(autouse=True)
def libtorrent() -> None:
    require_module("libtorrent")


@pytest.fixture
def memory() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1])
def test_a_download_that_is_killed_again_and_again_loses_nothing(
    tmp_path: Path, memory: Path, is_full_run: bool, seed: int
) -> None:
    kills, size = (500, 2048 * MIB) if is_full_run else (20, 256 * MIB)
    rng = random.Random(seed)
    sample = make_sample(tmp_path, "sample.bin", size + 3, 256 * KIB)
    moments = sorted(rng.sample(range(size), kills))       # in bytes that the seed has sent
    downloaded = sent = 0
    with MeasuredPeer(sample, bytes_per_s=RATE) as peer:
        lives = Lives(tmp_path / "daemon", memory)
        for number, moment in enumerate(moments):
            with lives:
                if not number:
                    lives.add(sample, peers=[peer.endpoint])
                before = lives.status(sample)["downloaded_bytes"]
                assert before >= downloaded, "a figure went back"
                assert before >= sent - IN_FLIGHT * number - SOCKET_BYTES
                wait_until(lambda moment=moment: peer.sent_bytes >= moment, PATIENCE_S, f"kill {number}", every_s=0.002)
                time.sleep(rng.random() * 0.2)
                downloaded = lives.status(sample)["downloaded_bytes"]
                lives.kill()
                sent = peer.sent_bytes         # now: the next life is sent more before anybody can ask it
            assert sum(file.stat().st_blocks * 512 for file in (memory / "run").glob("live-*")) <= MEMORY
        with lives:
            status = lives.wait_state(sample, "seeding", PATIENCE_S)
            assert status["downloaded_bytes"] - status["wasted_bytes"] == sample.size_bytes
            assert status["wasted_bytes"] == 0
            assert sample.size_bytes <= peer.sent_bytes <= sample.size_bytes + IN_FLIGHT * kills // 2
    assert sample.differences(lives.downloads) == []
    assert lives.hashed_pieces <= sample.num_pieces // 100


def test_a_daemon_that_is_killed_while_it_starts_loses_nothing(
    tmp_path: Path, memory: Path, is_full_run: bool
) -> None:
    rng = random.Random(2)
    sample = make_sample(tmp_path, "sample.bin", 24 * MIB, 256 * KIB)
    with MeasuredPeer(sample, bytes_per_s=16 * MIB) as peer:
        lives = Lives(tmp_path / "daemon", memory)
        with lives:
            lives.add(sample, peers=[peer.endpoint])
            wait_until(lambda: peer.sent_bytes >= 8 * MIB, PATIENCE_S, "half of it")
            before = lives.status(sample)["downloaded_bytes"]
            lives.kill()
        for _ in range(200 if is_full_run else 8):
            lives.start()
            time.sleep(rng.random() * 0.7)
            lives.kill()
        with lives:
            status = lives.status(sample)
            assert status["downloaded_bytes"] >= before
            assert status["done_bytes"] >= before - IN_FLIGHT
            status = lives.wait_state(sample, "seeding", PATIENCE_S)
            assert status["wasted_bytes"] == 0
            assert status["downloaded_bytes"] == sample.size_bytes
    assert sample.differences(lives.downloads) == []
    assert lives.hashed_pieces == 0
    assert [line for log in lives.logs for line in log.splitlines() if "damage" in line] == []


def test_what_was_uploaded_is_counted_across_kills(tmp_path: Path, memory: Path) -> None:
    rng = random.Random(3)
    sample = make_sample(tmp_path, "sample.bin", 64 * MIB, 256 * KIB)
    listen = f"network.listen=['127.0.0.1:{free_port()}']"
    (tmp_path / "leech").mkdir()
    with MeasuredPeer(sample, folder=tmp_path / "leech", bytes_per_s=20 * MIB) as leech:
        lives = Lives(tmp_path / "daemon", memory, "--set", listen)
        uploaded = kills = 0
        for number in range(5):
            with lives:
                if not number:
                    lives.add(sample, download_dir=str(sample.folder))
                lives.wait_state(sample, "seeding", PATIENCE_S)
                # It may have all already: a daemon that lives again dials the peers that it knew at once. What the
                # leech takes for a link may be that to the life before, which it has not missed yet.
                wait_until(lambda: leech.dial(lives.daemon.endpoint) or lives.status(sample)["peers_connected"]
                           or leech.is_seeding, PATIENCE_S, "a link", every_s=0.5)
                goal = sample.size_bytes * (number + 1) // 5
                wait_until(lambda goal=goal: leech.received_bytes >= goal, PATIENCE_S, f"kill {number}", every_s=0.002)
                time.sleep(rng.random() * 0.1)
                lives.kill()
                kills += 1
                received = leech.received_bytes        # now: the next life sends more before anybody can ask it
            with lives:
                status = lives.status(sample)
                assert status["uploaded_bytes"] >= uploaded, "a figure went back"
                uploaded = status["uploaded_bytes"]
                assert received - IN_FLIGHT * kills <= uploaded <= leech.received_bytes + SOCKET_BYTES * kills
                lives.kill()
                kills += 1
        assert leech.is_seeding
    assert lives.hashed_pieces == sample.num_pieces, "only when it was added"


@pytest.mark.parametrize("how", ["named", "dialled us"])
def test_peers_are_dialled_again_at_once_without_any_tracker(tmp_path: Path, memory: Path, how: str) -> None:
    sample = make_sample(tmp_path, "sample.bin", 32 * MIB, 256 * KIB)
    with MeasuredPeer(sample, bytes_per_s=2 * MIB) as peer:
        lives = Lives(tmp_path / "daemon", memory)
        with lives:
            lives.add(sample, peers=[peer.endpoint] if how == "named" else [])
            if how == "dialled us":
                lives.wait_state(sample, "downloading", PATIENCE_S)
                peer.dial(lives.daemon.endpoint)
            wait_until(lambda: peer.num_links and peer.sent_bytes >= 2 * MIB, PATIENCE_S, "some of it")
            time.sleep(6.0)            # longer than the interval between two commits
            lives.kill()
        wait_until(lambda: not peer.num_links, PATIENCE_S, "the end of the link")
        with lives:
            wait_until(lambda: peer.num_links, REDIAL_S, "the peer to be dialled")


