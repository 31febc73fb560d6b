"""What rTorrent's commands do to many torrents by themselves: those that gave enough, and those on a full disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon, digits

PIECE = 64 * KIB
TOO_MUCH = str(1 << 60)                # bytes free on no disk


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("upkeep")


@pytest.fixture(scope="module")
def daemon(root: Path) -> Iterator[RpcDaemon]:
    groups, lines = ((50, "d.custom1.set=gave;d.close="), (50, "d.erase="), (5000, "d.close=")), []
    for number, (percent, command) in enumerate(groups):
        group = f"group.rat_{number}.ratio"
        lines += [f"group.insert_persistent_view = rat_{number}", f"{group}.max.set = {percent}",
                  f"{group}.upload.set = 1000G", f'method.set = {group}.command, "{command}"']
    with RpcDaemon(root / "daemon", rc=lines) as running:
        yield running


@pytest.fixture(scope="module")
def taker(root: Path) -> Iterator[RpcDaemon]:
    """Whoever downloads."""
    with RpcDaemon(root / "taker") as running:
        yield running


def load(daemon: RpcDaemon, sample: Sample, folder: Path, *commands: str) -> None:
    daemon.ask("load.start", "", str(sample.torrent), f"d.directory.set={folder}", *commands)
    daemon.wait_for(sample, 1, "is_active")


def test_a_group_does_what_it_is_to_do_when_its_torrents_have_given_enough(
    daemon: RpcDaemon, taker: RpcDaemon, root: Path
) -> None:
    assert daemon.failed_lines() == []
    closed, erased, kept = (
        make_sample(root, name, 300_000, PIECE, seed=len(name)) for name in ("to close", "erase", "go"))
    for number, sample in enumerate((closed, erased, kept)):
        load(daemon, sample, sample.folder, f"view.set_visible=rat_{number}")
        daemon.wait_for(sample, 1, "complete")
        load(taker, sample, root / "taken")
        taker.ask("add_peer", digits(sample), daemon.endpoint)
        taker.wait_for(sample, 1, "complete")
    wait_until(lambda: daemon.ask("d.up.total", digits(kept)) >= 300_000, PATIENCE_S, "what was given")
    for number in range(3):
        daemon.ask("on_ratio", "", f"rat_{number}")
    daemon.wait_for(closed, 0, "is_open")
    assert daemon.facts(closed, "custom1", "state") == ["gave", 1]
    wait_until(lambda: digits(erased) not in daemon.ask("download_list"), PATIENCE_S, "it to be gone")
    assert daemon.facts(kept, "is_active", "ignore_commands") == [1, 0]


def test_what_downloads_is_closed_where_the_disk_is_full(daemon: RpcDaemon, root: Path) -> None:
    usual, high, whole = (
        make_sample(root, name, 300_000, PIECE, seed=len(name)) for name in ("usual one", "high one", "whole one!"))
    load(daemon, usual, root / "empty")
    load(daemon, high, root / "empty", "d.priority.set=3")
    load(daemon, whole, whole.folder)
    daemon.wait_for(whole, 1, "complete")
    daemon.ask("close_low_diskspace", "", "1")
    assert [daemon.facts(sample, "is_open") for sample in (usual, high, whole)] == [[1]] * 3
    daemon.ask("close_low_diskspace.normal", "", TOO_MUCH)
    daemon.wait_for(usual, 0, "is_open")
    assert daemon.facts(usual, "message", "hashing_failed") == ["Low diskspace.", 1]
    assert [daemon.facts(sample, "is_open") for sample in (high, whole)] == [[1]] * 2
    daemon.ask("close_low_diskspace", "", TOO_MUCH)
    daemon.wait_for(high, 0, "is_open")
    assert daemon.facts(whole, "is_open", "message") == [1, ""]
