"""A disk that is full or closed to us ends a download with one clear line; room made later lets it complete."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.mounts import tmpfs
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.mini import MiniSeed
from tests.support.tools import require_tool

COMPLETE_S = 60.0


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path, "content.bin", 6 * MIB, 256 * KIB)


def test_a_full_disk_is_told_as_such(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    prefix = tuple(tmpfs(folder, 3))
    with MiniSeed(sample) as seed:
        job = Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers=(seed.endpoint,), prefix=prefix)
        with BlobTorrentGet(job) as leech:
            assert leech.wait(COMPLETE_S) == 1
            assert len(leech.output().splitlines()) == 1
            assert _error_code(leech) == "storage.disk-full"


def test_a_folder_that_may_not_be_written_is_told_as_such(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:              # root may write everywhere, unless it gives that right away
        require_tool("setpriv")
        prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
    with MiniSeed(sample) as seed:
        job = Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers=(seed.endpoint,), prefix=prefix)
        with BlobTorrentGet(job) as leech:
            assert leech.wait(COMPLETE_S) == 1
            assert len(leech.output().splitlines()) == 1
            assert _error_code(leech) == "storage.denied"


def test_a_folder_where_the_file_must_be_is_told_and_left_alone(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    (folder / "content.bin" / "kept").mkdir(parents=True)
    with MiniSeed(sample) as seed:
        job = Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers=(seed.endpoint,))
        with BlobTorrentGet(job) as leech:
            assert leech.wait(COMPLETE_S) == 1
            assert _error_code(leech).startswith("storage.")
    assert (folder / "content.bin" / "kept").is_dir()


def _error_code(leech: BlobTorrentGet) -> str:
    """The code in the last object on stdout, the one that tells the error (`get --json`)."""
    leech.drain()
    last = leech.events[-1][1]
    assert "error" in last, json.dumps(last)
    return str(last["error"]["code"])
