"""A real daemon is killed in the middle of its work, and goes on where it was."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until

TIMEOUT_S = 120.0
RATE = "[limits]\ndown_bytes_per_s = '12 MiB'\n"           # slow enough to be caught in the act
ENOUGH = 6 * MIB


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample.bin", 64 * MIB + 3)


@pytest.fixture
def seed(sample: Sample) -> Iterator[BlobTorrentGet]:
    with BlobTorrentGet(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash, ())) as seed:
        yield seed


def look(daemon: Daemon, sample: Sample) -> dict[str, Any]:
    answer: dict[str, Any] = daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}")
    return answer


def add(daemon: Daemon, sample: Sample, *peers: str) -> None:
    daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "peers": list(peers), "labels": ["kept"]})


def wait_for(daemon: Daemon, sample: Sample, done_bytes: int) -> dict[str, Any]:
    wait_until(lambda: look(daemon, sample)["done_bytes"] >= done_bytes, TIMEOUT_S, f"{done_bytes} bytes")
    return look(daemon, sample)


def kill(daemon: Daemon) -> None:
    daemon.send_signal(signal.SIGKILL)
    daemon.wait(TIMEOUT_S)


def end(daemon: Daemon) -> None:
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(TIMEOUT_S) == 0
    assert "stopped clean=True" in daemon.output()


def test_a_killed_daemon_fetches_nothing_twice(sample: Sample, seed: BlobTorrentGet, tmp_path: Path) -> None:
    """Every piece and every block that was received counts, and so do all figures."""
    rng, folder = random.Random(1), tmp_path / "daemon"
    with Daemon(folder, settings=RATE) as daemon:
        add(daemon, sample, seed.endpoint)
        before = wait_for(daemon, sample, ENOUGH)
        kill(daemon)
    for _ in range(2):
        with Daemon(folder, settings=RATE) as daemon:
            after = look(daemon, sample)
            assert after["done_bytes"] >= before["done_bytes"]
            assert after["labels"] == ["kept"]
            before = wait_for(daemon, sample, after["done_bytes"] + ENOUGH)
            time.sleep(0.3 * rng.random())
            kill(daemon)
    with Daemon(folder) as daemon:
        wait_for(daemon, sample, sample.size_bytes)
        wait_until(lambda: look(daemon, sample)["state"] == "seeding", TIMEOUT_S, "the end")
        downloaded = look(daemon, sample)["downloaded_bytes"]
        assert "torrent checked" not in daemon.output()    # nothing was hashed again from disk
        end(daemon)
    assert sample.differences(daemon.downloads) == []
    assert sample.size_bytes <= downloaded <= sample.size_bytes + 4 * MIB


def test_after_a_clean_stop_a_torrent_seeds_at_once_and_nothing_is_hashed(
    sample: Sample, seed: BlobTorrentGet, tmp_path: Path
) -> None:
    folder = tmp_path / "daemon"
    with Daemon(folder) as daemon:
        add(daemon, sample, seed.endpoint)
        wait_for(daemon, sample, sample.size_bytes)
        end(daemon)
    with Daemon(folder) as daemon:
        wait_until(lambda: look(daemon, sample)["state"] == "seeding", TIMEOUT_S, "seeding")
        assert look(daemon, sample)["downloaded_bytes"] >= sample.size_bytes
        assert "torrent checked" not in daemon.output()
        end(daemon)


def test_a_file_that_was_changed_behind_our_back_is_checked_and_mended(
    sample: Sample, seed: BlobTorrentGet, tmp_path: Path
) -> None:
    folder = tmp_path / "daemon"
    with Daemon(folder) as daemon:
        add(daemon, sample, seed.endpoint)
        wait_for(daemon, sample, sample.size_bytes)
        end(daemon)
    with (daemon.downloads / "sample.bin").open("r+b") as file:
        file.write(b"not what it was")
    with Daemon(folder) as daemon:
        wait_until(lambda: "torrent checked" in daemon.output(), TIMEOUT_S, "the check")
        wait_until(lambda: look(daemon, sample)["state"] == "seeding", TIMEOUT_S, "the mended file")
        end(daemon)
    assert sample.differences(daemon.downloads) == []


def test_a_torrent_that_was_added_is_there_after_a_kill_and_one_that_was_removed_is_not(
    sample: Sample, tmp_path: Path
) -> None:
    folder = tmp_path / "daemon"
    with Daemon(folder) as daemon:
        add(daemon, sample)
        kill(daemon)
    with Daemon(folder) as daemon:
        assert look(daemon, sample)["name"] == "sample.bin"
        daemon.call("DELETE", f"/v1/torrents/{sample.info_hash.hex()}")
        kill(daemon)
    with Daemon(folder) as daemon:
        wait_until(lambda: look(daemon, sample).get("code") == "torrent.unknown", TIMEOUT_S, "the removal")
