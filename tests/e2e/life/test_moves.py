"""Torrents that change their place: within a filesystem, to another one, when they are complete, in vain."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.filesystems import another_filesystem
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.program import wait_until
from tests.support.peers.seedbox import PATIENCE_S, Seedbox
from tests.support.tools import require_module

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    files = [(f"in/file-{number}.bin", 100 * KIB + number) for number in range(40)]
    return make_sample(tmp_path_factory.mktemp("sample"), "set", files, 64 * KIB)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    files = [("first.bin", 48 * MIB), ("second.bin", 48 * MIB), ("third.bin", 48 * MIB)]
    return make_sample(tmp_path_factory.mktemp("large"), "large", files, MIB)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    with another_filesystem(tmp_path) as folder:
        yield folder


def have_it(seedbox: Seedbox, sample: Sample) -> None:
    """The content lies in the download folder, with inodes of its own, and is seeded."""
    subprocess.run(["cp", "-a", "--", *sample.folder.iterdir(), seedbox.downloads], check=True)
    seedbox.add(sample)
    seedbox.wait_state(sample, "seeding")


def names_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_seed_is_moved_within_its_filesystem_and_seeds_on(sample: Sample, tmp_path: Path) -> None:
    require_module("libtorrent")
    with Seedbox(tmp_path / "seedbox") as seedbox:
        have_it(seedbox, sample)
        inode = (seedbox.downloads / "set" / "in" / "file-0.bin").stat().st_ino
        target = tmp_path / "new" / "place"
        seedbox.order(sample, "move", download_dir=str(target))
        status = seedbox.wait_until(
            sample, lambda status: (status["state"], status["download_dir"]) == ("seeding", str(target)), "the move")
        assert (target / "set" / "in" / "file-0.bin").stat().st_ino == inode
        assert names_of(seedbox.downloads) == []
        assert seedbox.output().count("torrent checked") == 1
        assert status["downloaded_bytes"] == 0
        (tmp_path / "leech").mkdir()
        with MeasuredPeer(sample, folder=tmp_path / "leech") as leech:
            leech.dial(seedbox.endpoint)
            wait_until(lambda: leech.is_seeding, PATIENCE_S, "the leech")


def test_a_download_is_moved_to_another_filesystem_and_goes_on_there(
    large: Sample, tmp_path: Path, elsewhere: Path
) -> None:
    require_module("libtorrent")
    with Seedbox(tmp_path) as seedbox, MeasuredPeer(large, bytes_per_s=40 * MIB) as peer:
        seedbox.add(large, peers=[peer.endpoint])
        seedbox.wait_until(large, lambda status: status["done_bytes"] > 20 * MIB, "some of it")
        seedbox.order(large, "move", download_dir=str(elsewhere))
        peer.limit(0)
        status = seedbox.wait_state(large, "seeding")
        assert (status["wasted_bytes"], status["downloaded_bytes"]) == (0, large.size_bytes)
        seedbox.end()
    assert large.differences(elsewhere) == []
    assert names_of(seedbox.downloads) == []
    assert names_of(elsewhere) == ["large"]


def test_a_kill_in_the_middle_of_a_move_costs_nothing(large: Sample, tmp_path: Path, elsewhere: Path) -> None:
    seedbox = Seedbox(tmp_path)
    with seedbox:
        have_it(seedbox, large)
        seedbox.order(large, "stop")
        seedbox.wait_state(large, "stopped")
        seedbox.order(large, "move", download_dir=str(elsewhere))
        wait_until(lambda: bytes_in(elsewhere), PATIENCE_S, "the first bytes", every_s=0.001)
        seedbox.kill()
    assert 0 < bytes_in(elsewhere) < large.size_bytes
    with seedbox.again() as again:
        status = again.wait_state(large, "stopped")
        assert (status["download_dir"], status["done_bytes"]) == (str(elsewhere), large.size_bytes)
        again.order(large, "start")
        again.wait_state(large, "seeding")
        assert "torrent checked" not in again.output()
        again.end()
    assert large.differences(elsewhere) == []
    assert names_of(seedbox.downloads) == []
    assert names_of(elsewhere) == ["large"]


def bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:      # it got its name meanwhile
            continue
    return total


def test_what_lies_in_the_way_at_the_target_is_not_touched(sample: Sample, tmp_path: Path) -> None:
    target = tmp_path / "target"
    foreign = target / "set" / "in" / "file-7.bin"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("precious")
    with Seedbox(tmp_path / "seedbox") as seedbox:
        have_it(seedbox, sample)
        seedbox.order(sample, "move", download_dir=str(target))
        status = seedbox.wait_state(sample, "error")
        assert (status["error"]["code"], status["download_dir"]) == ("storage.in-the-way", str(seedbox.downloads))
        assert str(foreign) in status["error"]["message"]
        seedbox.order(sample, "start")
        seedbox.wait_state(sample, "seeding")
        assert sample.differences(seedbox.downloads) == []
        seedbox.end()
    assert foreign.read_text() == "precious"
    assert [path for path in target.rglob("*") if path.is_file()] == [foreign]


def test_a_torrent_lies_in_the_incomplete_folder_until_it_is_complete(sample: Sample, tmp_path: Path) -> None:
    require_module("libtorrent")
    incomplete = tmp_path / "incomplete"
    settings = f"[storage]\nincomplete_dir = '{incomplete}'\n"
    with Seedbox(tmp_path / "seedbox", settings=settings) as seedbox, \
            MeasuredPeer(sample, bytes_per_s=2 * MIB) as peer:
        seedbox.add(sample, peers=[peer.endpoint])
        seedbox.wait_until(sample, lambda status: status["done_bytes"], "the first piece")
        assert names_of(incomplete) == ["set"]
        assert names_of(seedbox.downloads) == []
        seedbox.end()
    with seedbox.again() as again, MeasuredPeer(sample) as peer:
        again.wait_state(sample, "downloading")
        peer.dial(again.endpoint)
        again.wait_until(sample, lambda status: status["state"] == "seeding" and os.listdir(again.downloads), "the end")
        assert names_of(incomplete) == []
        assert sample.differences(again.downloads) == []
        assert "torrent checked" not in again.output()
        again.end()


def test_a_torrent_that_was_killed_when_its_last_piece_came_is_moved_all_the_same(
    sample: Sample, tmp_path: Path
) -> None:
    incomplete = tmp_path / "incomplete"
    incomplete.mkdir()
    settings = f"[storage]\nincomplete_dir = '{incomplete}'\n"
    with Seedbox(tmp_path / "seedbox", settings=settings) as seedbox:
        seedbox.add(sample, start=False)
        subprocess.run(["cp", "-a", "--", *sample.folder.iterdir(), incomplete], check=True)
        seedbox.order(sample, "start")
        seedbox.wait_until(
            sample, lambda status: status["state"] == "seeding" and os.listdir(seedbox.downloads), "the end")
        assert names_of(incomplete) == []
    assert sample.differences(seedbox.downloads) == []


def test_what_lies_complete_in_the_download_folder_is_not_fetched_into_the_incomplete_one(
    sample: Sample, tmp_path: Path
) -> None:
    settings = f"[storage]\nincomplete_dir = '{tmp_path}/incomplete'\n"
    with Seedbox(tmp_path / "seedbox", settings=settings) as seedbox:
        have_it(seedbox, sample)
        assert not (tmp_path / "incomplete").exists()
