"""What owners say about torrents, in files beside them and over the wire, is done and remembered."""

from __future__ import annotations

import json
import shutil
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
    files = [("first.bin", 3 * MIB), ("second.bin", 3 * MIB + 1)]
    return make_sample(tmp_path_factory.mktemp("sample"), "set", files, 256 * KIB)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    with another_filesystem(tmp_path) as folder:
        yield folder


def left_of(seedbox: Seedbox) -> list[Path]:
    """What is kept of torrents outside of rows."""
    return [path for folder in ("parts", "torrents") for path in (seedbox.state / folder).iterdir()]


def have_it(seedbox: Seedbox, sample: Sample) -> None:
    shutil.copytree(sample.folder / "set", seedbox.downloads / "set")


def test_all_that_was_wished_for_is_there_after_a_kill(sample: Sample, tmp_path: Path) -> None:
    wishes = {
        "labels": ["film", "né"], "group": "slow", "priority": -7, "sequential": True,
        "file_priorities": {"1": "skip"}, "seeding": {"ratio": 2.5, "action": "remove"},
        "down_limit_bytes_per_s": "1 MiB/s", "up_limit_bytes_per_s": 5000,
    }
    shown = ("labels", "group", "priority", "sequential", "state", "wanted_bytes", "added_at")
    with Seedbox(tmp_path) as seedbox:
        before = seedbox.add(sample, start=False)
        seedbox.change(sample, **wishes)
        before = seedbox.status(sample)
        assert [before[name] for name in shown[:4]] == [["film", "né"], "slow", -7, True]
        seedbox.kill()
    with seedbox.again() as again:
        after = again.status(sample)
        assert {name: after[name] for name in shown} == {name: before[name] for name in shown}
        assert [file["priority"] for file in again.files(sample)] == [1, 0]


def test_a_file_of_options_beside_a_watched_torrent_is_obeyed(sample: Sample, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    options = {"download_dir": str(tmp_path / "there"), "group": "slow", "priority": 3, "start": False,
               "labels": ["beside"], "file_priorities": {"0": "skip"}}
    (watched / "set.json").write_text(json.dumps(options))
    (watched / "bad.toml").write_text("priority = 'high'")
    with Seedbox(tmp_path, settings=f"[[watch]]\npath = '{watched}'\nlabel = 'watched'\n") as seedbox:
        for name in ("set.torrent", "bad.torrent"):
            shutil.copy(sample.torrent, watched / name)
        wait_until((watched / "failed" / "bad.torrent").exists, PATIENCE_S, "the bad one")
        wait_until((watched / "done" / "set.torrent").exists, PATIENCE_S, "the good one")
        status = seedbox.status(sample)
        assert (status["state"], status["labels"], status["group"], status["priority"]) == (
            "stopped", ["watched", "beside"], "slow", 3)
        assert status["download_dir"] == str(tmp_path / "there")
        assert [file["priority"] for file in seedbox.files(sample)] == [0, 1]
        reason = (watched / "failed" / "bad.torrent.error").read_text()
        assert "bad.toml: priority must be" in reason
        assert [path.name for path in watched.iterdir() if path.is_file()] == []


def test_a_torrent_that_is_removed_while_it_moves_leaves_its_files_at_one_place(
    tmp_path: Path, elsewhere: Path
) -> None:
    large = make_sample(tmp_path / "large", "large.bin", 256 * MIB, MIB)
    with Seedbox(tmp_path / "seedbox") as seedbox:
        shutil.copy(large.folder / "large.bin", seedbox.downloads)
        seedbox.add(large, skip_check=True)
        seedbox.wait_state(large, "seeding")
        seedbox.order(large, "move", download_dir=str(elsewhere / "target"))
        wait_until(lambda: (elsewhere / "target").exists(), PATIENCE_S, "the move")
        seedbox.remove(large)
        seedbox.end()
    if (elsewhere / "target" / "large.bin").exists():      # the move was over before it was removed
        assert large.differences(elsewhere / "target") == []
        assert not (seedbox.downloads / "large.bin").exists()
    else:
        assert large.differences(seedbox.downloads) == []
        assert list(elsewhere.iterdir()) == []


def test_what_is_removed_with_its_data_leaves_nothing_wherever_it_lay(sample: Sample, tmp_path: Path) -> None:
    require_module("libtorrent")
    incomplete = tmp_path / "incomplete"
    settings = f"[storage]\nincomplete_dir = '{incomplete}'\n"
    with Seedbox(tmp_path / "seedbox", settings=settings) as seedbox, \
            MeasuredPeer(sample, bytes_per_s=2 * MIB) as peer:
        seedbox.add(sample, peers=[peer.endpoint], file_priorities={"0": "skip"})
        seedbox.order(sample, "rename", old="set", new="other")
        seedbox.wait_until(sample, lambda status: status["done_bytes"], "the first piece")
        (incomplete / "other" / "foreign").write_text("precious")
        seedbox.call("DELETE", f"/v1/torrents/{sample.info_hash.hex()}?with_data=true")
        seedbox.wait_gone(sample)
        wait_until(lambda: len(list(incomplete.rglob("*"))) == 2, PATIENCE_S, "the files to go")
        assert (incomplete / "other" / "foreign").read_text() == "precious"
        wait_until(lambda: not left_of(seedbox), PATIENCE_S, "all that was kept of it to go")
        seedbox.end()


def test_a_stopped_torrent_that_is_rechecked_stays_stopped(sample: Sample, tmp_path: Path) -> None:
    with Seedbox(tmp_path) as seedbox:
        seedbox.add(sample, start=False)
        have_it(seedbox, sample)
        seedbox.order(sample, "recheck")
        status = seedbox.wait_until(
            sample, lambda status: status["state"] == "stopped" and status["done_bytes"] == sample.size_bytes, "all")
        assert status["finished_at"] is None
        (seedbox.downloads / "set" / "second.bin").unlink()
        seedbox.order(sample, "start")
        status = seedbox.wait_state(sample, "downloading")
        assert 3 * MIB - 256 * KIB <= status["done_bytes"] <= 3 * MIB
        seedbox.end()
