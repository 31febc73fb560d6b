"""Peers that only a tracker knows are found, and the tracker is told what BEP 3 wants told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample, with_tracker
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.program import wait_until
from tests.support.peers.tracker import ListTracker, Opentracker
from tests.support.tools import require_tool

COMPLETE_S = 60.0


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path, "content.bin", 3 * MIB + 3, 256 * KIB)


@pytest.mark.parametrize("is_udp", [False, True], ids=["http", "udp"])
def test_two_of_us_find_each_other_by_opentracker(sample: Sample, tmp_path: Path, *, is_udp: bool) -> None:
    require_tool("opentracker")
    folder = _folder(tmp_path)
    with Opentracker([sample.info_hash]) as tracker:
        torrent = with_tracker(sample.torrent, tracker.udp_url if is_udp else tracker.url, tmp_path)
        with BlobTorrentGet(Job(Role.SEED, torrent, sample.folder, sample.info_hash)) as seed:
            wait_until(lambda: tracker.count(sample.info_hash) == (1, 0), COMPLETE_S, "the announce of the seed")
            with BlobTorrentGet(Job(Role.LEECH, torrent, folder, sample.info_hash)) as leech:
                leech.wait_complete(COMPLETE_S)
                assert sample.differences(folder) == []
                wait_until(lambda: tracker.count(sample.info_hash) == (2, 0), COMPLETE_S, "the announce of completion")
            wait_until(lambda: tracker.count(sample.info_hash) == (1, 0), COMPLETE_S, "the goodbye of the leech")
            assert seed.poll() is None


def test_started_completed_and_stopped_are_announced_once_each(sample: Sample, tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with BlobTorrentGet(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)) as seed, \
            ListTracker([seed.endpoint]) as tracker:
        torrent = with_tracker(sample.torrent, tracker.url, tmp_path)
        with BlobTorrentGet(Job(Role.LEECH, torrent, folder, sample.info_hash), seed_for_s=0) as leech:
            assert leech.wait(COMPLETE_S) == 0
        assert sample.differences(folder) == []
        assert tracker.events == ["started", "completed", "stopped"]


def test_completed_is_not_announced_by_who_had_everything_at_the_start(sample: Sample, tmp_path: Path) -> None:
    with ListTracker() as tracker:
        torrent = with_tracker(sample.torrent, tracker.url, tmp_path)
        with BlobTorrentGet(Job(Role.SEED, torrent, sample.folder, sample.info_hash)):
            wait_until(lambda: tracker.events, COMPLETE_S, "the announce")
        assert tracker.events == ["started", "stopped"]


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder
