"""Sonarr and Radarr: XML-RPC over HTTP, as their rTorrent proxy sends it, and their whole way of a download."""

from __future__ import annotations

import base64
import json
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon, digits

pytestmark = pytest.mark.interop

TRACKER = "http://127.0.0.1:9/announce"
COLUMNS = ("d.name=", "d.hash=", "d.base_path=", "d.custom1=", "d.size_bytes=", "d.left_bytes=", "d.down.rate=",
           "d.ratio=", "d.is_open=", "d.is_active=", "d.complete=", "d.timestamp.finished=")
OLDEST = (0, 9, 0)


def password(user: str, word: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{word}'.encode()).decode()}"}


class Sonarr:
    """The download client "rTorrent" of Sonarr: URL base RPC2, no TLS."""

    def __init__(self, daemon: RpcDaemon, headers: dict[str, str] | None = None) -> None:
        self._daemon = daemon
        self._headers = headers or {}

    def call(self, method: str, *arguments: Any) -> Any:
        status, body = self._daemon.post(xmlrpc.client.dumps(arguments, method).encode(), self._headers)
        assert status == 200, f"{status} {body!r}"
        (value,), _ = xmlrpc.client.loads(body, use_builtin_types=True)
        return value

    def test(self) -> None:
        """What its button "Test" does."""
        version = self.call("system.client_version")
        assert tuple(map(int, version.split("."))) >= OLDEST
        self.torrents()

    def torrents(self) -> list[dict[str, Any]]:
        """Of the view with no name."""
        return [dict(zip(COLUMNS, row)) for row in self.call("d.multicall2", "", "", *COLUMNS)]

    def add_file(self, name: str, content: bytes, label: str, directory: str, *, starts: bool = True) -> None:
        method = "load.raw_start" if starts else "load.raw"
        assert self.call(method, "", xmlrpc.client.Binary(content), *self._commands(label, directory)) == 0, name

    def add_magnet(self, url: str, label: str, directory: str) -> None:
        assert self.call("load.start", "", url, *self._commands(label, directory)) == 0

    def has(self, hash_: str) -> bool:
        """It asks up to ten times, half a second apart; a magnet link's name says that it is one."""
        try:
            name = self.call("d.name", hash_)
        except xmlrpc.client.Fault:
            return False
        return bool(name) and name != f"{hash_}.meta"

    def set_label(self, hash_: str, label: str) -> None:
        assert self.call("d.custom1.set", hash_, label) == label

    def mark_imported(self, hash_: str) -> None:
        assert self.call("d.views.push_back_unique", hash_, "sonarr_imported") == 0

    def remove(self, hash_: str) -> None:
        assert self.call("d.erase", hash_) == 0

    def _commands(self, label: str, directory: str) -> list[str]:
        return [f"d.custom1.set={label}", "d.priority.set=3", f"d.directory.set={directory}"]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RpcDaemon]:
    with RpcDaemon(tmp_path_factory.mktemp("sonarr")) as daemon:
        yield daemon


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path, "A.Show.S01E01", [("episode.mkv", 200_000), ("episode.nfo", 100)], 32 * KIB,
                       trackers=[TRACKER])


def test_an_episode_is_added_watched_imported_and_removed(daemon: RpcDaemon, sample: Sample) -> None:
    sonarr = Sonarr(daemon)
    sonarr.test()
    sonarr.add_file("A.Show.S01E01.torrent", sample.torrent.read_bytes(), "tv-sonarr", str(sample.folder))
    wait_until(lambda: sonarr.has(digits(sample)), 5.0, "the torrent, in the time that it is given")
    wait_until(lambda: sonarr.torrents()[0]["d.complete="] == 1, PATIENCE_S, "the check of its files")
    (row,) = sonarr.torrents()
    assert (row["d.name="], row["d.hash="], row["d.custom1="]) == ("A.Show.S01E01", digits(sample), "tv-sonarr")
    assert (row["d.base_path="], row["d.size_bytes="], row["d.left_bytes="]) == (
        f"{sample.folder}/A.Show.S01E01", 200_100, 0)
    assert row["d.is_active="] == 1 and row["d.timestamp.finished="] > 0
    sonarr.set_label(digits(sample), "tv-imported")
    sonarr.mark_imported(digits(sample))
    assert daemon.facts(sample, "custom1", "views", "priority") == ["tv-imported", ["sonarr_imported"], 3]
    sonarr.remove(digits(sample))
    wait_until(lambda: sonarr.torrents() == [], PATIENCE_S, "the removal")
    assert sample.differences(sample.folder) == []


def test_a_torrent_may_wait_to_be_started(daemon: RpcDaemon, sample: Sample) -> None:
    sonarr = Sonarr(daemon)
    sonarr.add_file("A.Show.torrent", sample.torrent.read_bytes(), "tv", str(sample.folder), starts=False)
    wait_until(lambda: sonarr.has(digits(sample)), 5.0, "the torrent")
    assert daemon.facts(sample, "state", "is_open") == [0, 0]
    sonarr.remove(digits(sample))


def test_a_folder_with_a_blank_leaves_the_torrent_there_with_the_reason(daemon: RpcDaemon, sample: Sample) -> None:
    """It does not quote it: rTorrent adds the torrent, and runs nothing from there on."""
    sonarr = Sonarr(daemon)
    sonarr.add_file("A.Show.torrent", sample.torrent.read_bytes(), "tv", "/srv/a folder")
    wait_until(lambda: sonarr.has(digits(sample)), 5.0, "the torrent")
    assert daemon.facts(sample, "is_open", "is_active", "state") == [0, 0, 1]
    assert "Junk at end of input." in daemon.facts(sample, "message")[0]
    sonarr.remove(digits(sample))


def test_a_magnet_link_without_its_metadata_is_told_from_others_by_its_name(daemon: RpcDaemon) -> None:
    sonarr, hash_ = Sonarr(daemon), "CD" * 20
    sonarr.add_magnet(f"magnet:?xt=urn:btih:{hash_}&tr={TRACKER}", "tv", str(daemon.downloads))
    wait_until(lambda: any(row["d.hash="] == hash_ for row in sonarr.torrents()), PATIENCE_S, "the magnet link")
    assert sonarr.call("d.name", hash_) == f"{hash_}.meta" and not sonarr.has(hash_)
    sonarr.remove(hash_)


@pytest.mark.parametrize("place", ["its own", "that of REST"])
def test_a_server_takes_its_requests_with_a_token_as_the_password(tmp_path: Path, sample: Sample, place: str) -> None:
    with RpcDaemon(tmp_path / "daemon", rpc="http_tokens = true") as daemon:
        if place == "that of REST":
            daemon.http_port = daemon.rest_port
        body = xmlrpc.client.dumps((), "system.client_version").encode()
        assert daemon.post(body)[0] == 401
        made = daemon.call("POST", "/v1/tokens", {"name": "sonarr", "scopes": ["admin"]})
        sonarr = Sonarr(daemon, password("anybody", made["token"]))
        sonarr.test()
        sonarr.add_file("A.Show.torrent", sample.torrent.read_bytes(), "tv", str(sample.folder))
        wait_until(lambda: sonarr.has(digits(sample)), 5.0, "the torrent")
        assert daemon.post(body, password("anybody", "wrong"))[0] == 401


def test_what_it_may_send_never_runs_a_program(daemon: RpcDaemon, sample: Sample, tmp_path: Path) -> None:
    """Its listener is not one that is trusted, whatever the label is made of."""
    sonarr, mark = Sonarr(daemon), tmp_path / "mark"
    sonarr.add_file("A.Show.torrent", sample.torrent.read_bytes(), f"$execute.capture=touch,{mark}", str(sample.folder))
    wait_until(lambda: sonarr.has(digits(sample)), 5.0, "the torrent")
    assert "rtorrent.trusted" in daemon.facts(sample, "message")[0]
    assert not mark.exists()
    sonarr.remove(digits(sample))


def test_its_columns_come_as_json_too(daemon: RpcDaemon, sample: Sample) -> None:
    sonarr = Sonarr(daemon)
    sonarr.add_file("A.Show.torrent", sample.torrent.read_bytes(), "tv", str(sample.folder))
    wait_until(lambda: sonarr.has(digits(sample)), 5.0, "the torrent")
    status, body = daemon.post(
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "d.multicall2", "params": ["", "", *COLUMNS[:3]]}).encode(),
        {"Content-Type": "application/json"})
    assert status == 200 and json.loads(body)["result"][0][:2] == ["A.Show.S01E01", digits(sample)]
    sonarr.remove(digits(sample))
