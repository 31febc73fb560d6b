"""FlexGet, from its package, with its plugins for rTorrent: torrents are added, listed, changed, moved and purged."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.flexget import FlexGet
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon, digits

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

TRACKER = "http://127.0.0.1:9/announce"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RpcDaemon]:
    with RpcDaemon(tmp_path_factory.mktemp("flexget")) as daemon:
        yield daemon


@pytest.fixture
def flexget(tmp_path: Path) -> FlexGet:
    return FlexGet(tmp_path / "flexget")


@pytest.fixture
def sample(daemon: RpcDaemon, tmp_path: Path) -> Iterator[Sample]:
    """In a folder with all that FlexGet puts a backslash before."""
    work = tmp_path / "a-folder (of) [some].things"
    sample = make_sample(work, "Some.Show-GRP", [("a.mkv", 200_000), ("b.nfo", 1_000)], 32 * KIB, trackers=[TRACKER])
    yield sample
    for name in daemon.ask("download_list"):
        daemon.ask("d.erase", name)
    wait_until(lambda: daemon.ask("download_list") == [], PATIENCE_S, "the end of the torrents")


def adding(sample: Sample, uri: str, **options: Any) -> dict[str, Any]:
    """A task that adds what lies in a folder."""
    return {"filesystem": {"path": str(sample.torrent.parent), "mask": "*.torrent", "recursive": False},
            "accept_all": True, "rtorrent": {"uri": uri, **options}}


@pytest.mark.parametrize("place", ["path", "port"])
def test_a_torrent_is_added_with_all_that_is_wished_and_believed(
    daemon: RpcDaemon, flexget: FlexGet, sample: Sample, place: str
) -> None:
    uri = {"path": str(daemon.socket), "port": f"scgi://127.0.0.1:{daemon.scgi_port}"}[place]
    checks = daemon.output().count("torrent checked")
    flexget.run(adding(
        sample, uri, path=str(sample.folder), custom1="a label: 100 %", priority="high", message="by FlexGet",
        fast_resume=True, custom_fields={"quoted": 'say "yes", please; ok', "plain": "x"}))
    daemon.wait_for(sample, 1, "is_active")
    assert daemon.facts(sample, "directory", "custom1", "priority", "complete", "left_bytes") == [
        f"{sample.folder}/Some.Show-GRP", "a label: 100 %", 3, 1, 0]
    assert daemon.ask("d.custom", digits(sample), "quoted") == 'say "yes", please; ok'
    assert daemon.output().count("torrent checked") == checks


def test_a_folder_that_is_not_there_is_made_by_a_program_of_the_daemon(
    daemon: RpcDaemon, flexget: FlexGet, sample: Sample, tmp_path: Path
) -> None:
    target = tmp_path / "not there" / "yet"
    flexget.run(adding(sample, str(daemon.socket), path=str(target), start=False))
    daemon.wait_for(sample, f"{target}/Some.Show-GRP", "directory")
    assert target.is_dir() and daemon.facts(sample, "state") == [0]


def test_over_http_a_torrent_is_added_and_no_program_is_run(
    daemon: RpcDaemon, flexget: FlexGet, sample: Sample
) -> None:
    uri = f"http://127.0.0.1:{daemon.http_port}/RPC2"
    said = flexget.run(adding(sample, uri, path=str(sample.folder)), fails=True)
    assert "rtorrent.trusted" in said and digits(sample) not in daemon.ask("download_list")
    flexget.run(adding(sample, uri, path=str(sample.folder), mkdir=False, custom1="http"))
    daemon.wait_for(sample, "http", "custom1")
    daemon.wait_for(sample, 1, "is_active")


def test_torrents_are_listed_changed_moved_and_purged(
    daemon: RpcDaemon, flexget: FlexGet, sample: Sample, tmp_path: Path
) -> None:
    uri = str(daemon.socket)
    listing = {"from_rtorrent": {"uri": uri, "view": "main", "custom_fields": ["word"]}, "accept_all": True}
    daemon.ask("load.raw_start", "", xmlrpc.client.Binary(sample.torrent.read_bytes()),
               f'd.directory.set="{sample.folder}"', "d.custom.set=word,known")
    daemon.wait_for(sample, 1, "complete")
    said = flexget.run(listing)
    assert "Some.Show-GRP" in said and digits(sample) in said and "known" in said
    flexget.run({**listing, "rtorrent": {"uri": uri, "action": "update", "custom1": "changed", "priority": "low",
                                         "custom_fields": {"word": "other"}}})
    assert daemon.facts(sample, "custom1", "priority") == ["changed", 1]
    assert daemon.ask("d.custom", digits(sample), "word") == "other"
    target = tmp_path / "target"
    flexget.run({**listing, "rtorrent": {"uri": uri, "action": "update", "path": str(target)}})
    daemon.wait_for(sample, f"{target}/Some.Show-GRP", "directory")
    assert sample.differences(target) == []
    daemon.wait_for(sample, 1, "complete")
    flexget.run({**listing, "rtorrent": {"uri": uri, "action": "purge"}})
    wait_until(lambda: daemon.ask("download_list") == [], PATIENCE_S, "the end of the torrent")
    wait_until(lambda: not (target / "Some.Show-GRP").exists(), PATIENCE_S, "the files to go")
