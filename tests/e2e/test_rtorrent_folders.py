"""Folders that are watched as people who come from rTorrent have it: schedules that load what lies there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon, digits

PIECE = 64 * KIB
LABELS = ("film", "a song")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("watched")
    for folder in ("now", "later", *(f"tree/{label}" for label in LABELS)):
        (root / folder).mkdir(parents=True)
    return root


@pytest.fixture(scope="module")
def daemon(root: Path) -> Iterator[RpcDaemon]:
    trees = [
        f'schedule2 = tree_{number}, 0, 1, "load.normal=\\"{root}/tree/{label}/*.torrent\\",'
        f'\\"d.custom1.set=\\\\\\"{label}\\\\\\"\\",d.directory.set={root}/done_{number}"'
        for number, label in enumerate(LABELS)]
    with RpcDaemon(root / "daemon", rc=(
            f"directory.default.set = {root / 'content'}",
            f"schedule2 = watch_now, 0, 1, load.start={root}/now/*.torrent",
            f"schedule2 = watch_later, 0, 1, load.normal={root}/later/*.torrent", *trees)) as running:
        yield running


def sample_of(root: Path, name: str) -> Sample:
    return make_sample(root, name, 100_000, PIECE, seed=len(name))


def drop_into(folder: Path, sample: Sample) -> Path:
    return Path(shutil.copy(sample.torrent, folder / f"{sample.torrent.stem}.torrent"))


def wait_loaded(daemon: RpcDaemon, sample: Sample) -> None:
    wait_until(lambda: digits(sample) in daemon.ask("download_list"), PATIENCE_S, "it to be loaded")


def test_a_file_that_is_put_there_is_loaded_and_tied_to_its_torrent(daemon: RpcDaemon, root: Path) -> None:
    assert daemon.failed_lines() == []
    sample = sample_of(root, "started")
    file = drop_into(root / "now", sample)
    wait_loaded(daemon, sample)
    daemon.wait_for(sample, 1, "complete")
    daemon.wait_for(sample, 1, "is_active")
    assert daemon.facts(sample, "tied_to_file", "loaded_file", "state") == [str(file), str(file), 1]


def test_each_folder_of_a_tree_has_its_label_and_its_place(daemon: RpcDaemon, root: Path) -> None:
    for number, label in enumerate(LABELS):
        sample = sample_of(root, f"of the tree {label}")
        drop_into(root / "tree" / label, sample)
        wait_loaded(daemon, sample)
        daemon.wait_for(sample, label, "custom1")
        daemon.wait_for(sample, str(root / f"done_{number}"), "directory")
        assert daemon.facts(sample, "state", "message") == [0, ""]


def test_when_the_file_is_gone_its_torrent_is_stopped_closed_and_removed_as_that_is_asked_for(
    daemon: RpcDaemon, root: Path
) -> None:
    sample, other = sample_of(root, "tied once"), sample_of(root, "tied for ever")
    file = drop_into(root / "now", sample)
    drop_into(root / "now", other)
    for one in (sample, other):
        wait_loaded(daemon, one)
        daemon.wait_for(one, 1, "is_active")
    file.unlink()
    daemon.ask("stop_untied")
    daemon.wait_for(sample, 0, "is_active")
    assert daemon.facts(sample, "state", "is_open") == [0, 1]
    daemon.ask("close_untied")
    daemon.wait_for(sample, 0, "is_open")
    daemon.ask("remove_untied")
    wait_until(lambda: digits(sample) not in daemon.ask("download_list"), PATIENCE_S, "it to be gone")
    assert daemon.facts(other, "is_active") == [1]
    assert (sample.folder / "tied once").stat().st_size == 100_000


def test_with_the_torrent_its_file_goes_so_that_it_does_not_come_again(daemon: RpcDaemon, root: Path) -> None:
    sample = sample_of(root, "erased by somebody")
    file = drop_into(root / "later", sample)
    wait_loaded(daemon, sample)
    daemon.ask("d.erase", digits(sample))
    wait_until(lambda: not file.exists(), PATIENCE_S, "its file to be gone")
    assert digits(sample) not in daemon.ask("download_list")


def test_a_stopped_one_is_started_while_its_file_is_there(daemon: RpcDaemon, root: Path) -> None:
    sample = sample_of(root, "started by its file")
    drop_into(root / "later", sample)
    wait_loaded(daemon, sample)
    assert daemon.facts(sample, "state") == [0]
    daemon.ask("start_tied")
    daemon.wait_for(sample, 1, "is_active")


def test_what_is_saved_lies_in_the_session_folder(daemon: RpcDaemon, root: Path) -> None:
    sample = sample_of(root, "saved in full")
    drop_into(root / "later", sample)
    wait_loaded(daemon, sample)
    assert daemon.ask("session.save") == 0
    folder = Path(daemon.ask("session.path"))
    assert (folder / f"{digits(sample)}.torrent").read_bytes() == sample.torrent.read_bytes()
