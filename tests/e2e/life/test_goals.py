"""Torrents that have seeded enough: every kind of goal, every action."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.program import wait_until
from tests.support.peers.seedbox import PATIENCE_S, Seedbox
from tests.support.tools import require_module

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample.bin", 2 * MIB, 256 * KIB)


@pytest.fixture
def seedbox(sample: Sample, tmp_path: Path) -> Seedbox:
    box = Seedbox(tmp_path / "seedbox")
    shutil.copy(sample.folder / "sample.bin", box.downloads)
    return box


def test_a_ratio_stops_the_torrent_when_it_is_reached(sample: Sample, seedbox: Seedbox, tmp_path: Path) -> None:
    require_module("libtorrent")
    (tmp_path / "leech").mkdir()
    with seedbox, MeasuredPeer(sample, folder=tmp_path / "leech") as leech:
        seedbox.add(sample, seeding={"ratio": 1.0})
        seedbox.wait_state(sample, "seeding")
        leech.dial(seedbox.endpoint)
        status = seedbox.wait_state(sample, "stopped")
        assert (status["ratio"], status["error"]) == (1.0, None)
        assert leech.received_bytes == sample.size_bytes
    with seedbox.again() as again:
        assert again.status(sample)["state"] == "stopped"
        assert again.status(sample)["uploaded_bytes"] == sample.size_bytes


def test_a_torrent_that_has_reached_its_goal_is_started_when_that_is_raised(sample: Sample, seedbox: Seedbox) -> None:
    with seedbox:
        seedbox.add(sample, seeding={"time_s": 0.5})
        status = seedbox.wait_until(sample, lambda status: status["state"] == "stopped", "the goal")
        assert status["held_by"] == "goal"
    with seedbox.again() as again:
        assert again.status(sample)["held_by"] == "goal"
        refusal = again.call("POST", f"/v1/torrents/{sample.info_hash.hex()}/start")
        assert (refusal["status"], refusal["code"]) == (409, "torrent.goal-met")
        assert "goal of its own" in refusal["detail"]
        again.change(sample, seeding={"time_s": 600})
        again.order(sample, "start")
        again.wait_state(sample, "seeding")


def test_a_torrent_that_is_started_now_seeds_whatever_its_goal_until_it_is_stopped(
    sample: Sample, seedbox: Seedbox
) -> None:
    with seedbox:
        seedbox.add(sample, seeding={"time_s": 0.1})
        seedbox.wait_until(sample, lambda status: status["held_by"] == "goal", "the goal")
        seedbox.order(sample, "start", now=True)
        seedbox.wait_state(sample, "seeding")
        given_s = seedbox.status(sample)["seeding_s"]
        status = seedbox.wait_until(sample, lambda status: status["seeding_s"] > given_s + 0.5, "more seeding")
        assert (status["state"], status["held_by"]) == ("seeding", None)
    with seedbox.again() as again:
        again.wait_state(sample, "seeding")
        again.order(sample, "stop")
        again.wait_state(sample, "stopped")
        assert again.call("POST", f"/v1/torrents/{sample.info_hash.hex()}/start")["code"] == "torrent.goal-met"


def test_a_time_removes_the_torrent_with_its_files(sample: Sample, seedbox: Seedbox) -> None:
    with seedbox:
        seedbox.add(sample, seeding={"time_s": 1, "action": "remove-with-data"})
        seedbox.wait_state(sample, "seeding")
        seedbox.wait_gone(sample)
        wait_until(lambda: not list(seedbox.downloads.iterdir()), PATIENCE_S, "the files to go")
    with seedbox.again() as again:
        assert again.call("GET", "/v1/torrents")["torrents"] == []


def test_a_quiet_time_removes_the_torrent_and_keeps_its_files(sample: Sample, seedbox: Seedbox) -> None:
    with seedbox:
        seedbox.add(sample, seeding={"idle_s": 1, "action": "remove"})
        seedbox.wait_state(sample, "seeding")
        seedbox.wait_gone(sample)
    assert sample.differences(seedbox.downloads) == []


def test_a_goal_that_is_given_later_holds_at_once(sample: Sample, seedbox: Seedbox) -> None:
    with seedbox:
        seedbox.add(sample, seeding={"ratio": 5})
        seedbox.wait_state(sample, "seeding")
        seedbox.change(sample, seeding={"time_s": 0.5})
        seedbox.wait_state(sample, "stopped")


def test_a_goal_of_the_settings_is_for_those_that_have_none_of_their_own(
    sample: Sample, seedbox: Seedbox, tmp_path: Path
) -> None:
    other = make_sample(tmp_path / "other", "other.bin", MIB, 256 * KIB, seed=2)
    with seedbox:
        seedbox.add(sample)
        seedbox.add(other, download_dir=str(other.folder), seeding={"ratio": 3})
        seedbox.wait_state(sample, "seeding")
        seedbox.wait_state(other, "seeding")
        seedbox.reload("[seeding]\nidle_s = 1\n")
        seedbox.wait_state(sample, "stopped")
        assert seedbox.status(other)["state"] == "seeding"
