"""Two hundred links at once, in both directions, and every byte is right. Seeds serve when all are linked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.light import LightLeeches, LightSeeds

LINKS = 200
COMPLETE_S = 90.0
ENOUGH = ("--set", f"network.max_peers={LINKS + 50}", "--set", f"network.max_peers_per_torrent={LINKS + 50}",
          "--set", f"network.upload_slots={LINKS + 50}")


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path, "content.bin", 96 * MIB + 11, 128 * KIB)


def test_we_download_from_two_hundred_seeds(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    with LightSeeds(sample, LINKS, together=True) as seeds:
        job = Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers=seeds.endpoints)
        with BlobTorrentGet(job, options=ENOUGH) as leech:
            leech.wait_complete(COMPLETE_S)
            assert sample.differences(folder) == []


def test_we_seed_to_two_hundred_leeches(sample: Sample) -> None:
    job = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)
    with BlobTorrentGet(job, options=ENOUGH) as seed, LightLeeches(sample, LINKS, seed.endpoint, check=True) as leeches:
        leeches.fetch()
        assert leeches.wait_complete(COMPLETE_S)["bad_pieces"] == 0
