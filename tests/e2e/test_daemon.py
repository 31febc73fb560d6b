"""`blobtorrentd` as a process: it serves what it is given until it is told to end."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest

from tests.support.payload import MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet, environment
from tests.support.peers.client import Job, Role
from tests.support.peers.program import Program, wait_until

TIMEOUT_S = 60.0


class Daemon(Program):
    """`blobtorrentd` with the sample's folder as its download folder."""

    def __init__(self, folder: Path, *words: str) -> None:
        super().__init__(
            [sys.executable, "-m", "blobtorrent.daemon.main", "--set", f"storage.download_dir='{folder}'",
             "--set", "network.listen=['127.0.0.1:0']", *words],
            environment=environment(),
        )

    def wait_ready(self) -> None:
        wait_until(lambda: " ready " in self.output() or self.poll() is not None, TIMEOUT_S, "the daemon")

    @property
    def endpoint(self) -> str:
        found = re.search(r" listening host=(\S+) port=(\d+)", self.output())
        assert found is not None
        return f"{found[1]}:{found[2]}"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample.bin", 4 * MIB + 3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_seeds_until_a_signal_and_ends_in_order(sample: Sample, tmp_path: Path, number: int) -> None:
    with Daemon(sample.folder, str(sample.torrent)) as daemon:
        job = Job(Role.LEECH, sample.torrent, tmp_path, sample.info_hash, (daemon.endpoint,))
        with BlobTorrentGet(job, seed_for_s=0.0) as leech:
            leech.wait_complete(TIMEOUT_S)
        daemon.send_signal(number)
        assert daemon.wait(TIMEOUT_S) == 0
        assert "stopped clean=True" in daemon.output()
    assert sample.differences(tmp_path) == []


def test_a_torrent_that_cannot_be_added_does_not_keep_the_others_from_running(sample: Sample) -> None:
    with Daemon(sample.folder, "/nonexistent.torrent", str(sample.torrent)) as daemon:
        wait_until(lambda: "torrent checked" in daemon.output(), TIMEOUT_S, "the check")
        assert "source.no-file" in daemon.output()


def test_bad_settings_refuse_the_start_with_their_own_status(tmp_path: Path) -> None:
    with Daemon(tmp_path, "--set", "no.such=1") as daemon:
        assert daemon.wait(TIMEOUT_S) == 78
        assert daemon.output().count("\n") == 1
