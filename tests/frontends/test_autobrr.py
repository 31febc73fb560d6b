"""autobrr: what its Go client sends, with arrays in arrays and numbers as numbers, and types as it reads them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rtorrent.recorded import Answer, read_answer, render_call
from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon, digits

pytestmark = pytest.mark.interop

TRACKER = "http://127.0.0.1:9/announce"
COLUMNS = ("d.name=", "d.size_bytes=", "d.hash=", "d.custom1=", "d.base_path=", "d.is_active=", "d.complete=",
           "d.ratio=", "d.creation_date=", "d.timestamp.finished=", "d.timestamp.started=")
FILE_COLUMNS = ("f.path=", "f.size_bytes=")


class Autobrr:
    """Its types are strict: what an answer is written as counts."""

    def __init__(self, daemon: RpcDaemon) -> None:
        self._daemon = daemon

    def call(self, method: str, *params: Any) -> Answer:
        status, body = self._daemon.post(render_call(method, list(params)))
        assert status == 200
        return read_answer(body)

    def add(self, content: bytes, *commands: str, starts: bool = True) -> Answer:
        """One list has the file and the commands."""
        wanted = [{"$b64": base64.b64encode(content).decode()}, *commands]
        return self.call("load.raw_start" if starts else "load.raw", "", wanted)

    def add_link(self, url: str, *commands: str) -> Answer:
        """Addresses come as base64, too."""
        return self.call("load.start", "", [{"$b64": base64.b64encode(url.encode()).decode()}, *commands])


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RpcDaemon]:
    with RpcDaemon(tmp_path_factory.mktemp("autobrr")) as daemon:
        yield daemon


@pytest.fixture
def sample(daemon: RpcDaemon, tmp_path: Path) -> Iterator[Sample]:
    sample = make_sample(tmp_path, "Some.Release-GRP", [("some.mkv", 200_000), ("Proof/proof.jpg", 5_000)], 32 * KIB,
                         trackers=[TRACKER])
    yield sample
    if digits(sample) in daemon.ask("download_list"):
        daemon.ask("d.erase", digits(sample))
        wait_until(lambda: digits(sample) not in daemon.ask("download_list"), PATIENCE_S, "the end of the torrent")


def test_a_release_is_pushed_with_label_and_folder(daemon: RpcDaemon, sample: Sample) -> None:
    autobrr = Autobrr(daemon)
    assert autobrr.call("system.client_version") == {"t": "string", "v": "0.9.8"}
    answer = autobrr.add(sample.torrent.read_bytes(), "d.custom1.set=race",
                         f'd.directory.set="{sample.folder}"')
    assert answer == {"t": "i4", "v": 0}
    daemon.wait_for(sample, 1, "complete")
    assert daemon.facts(sample, "custom1", "directory", "is_active") == ["race", f"{sample.folder}/Some.Release-GRP", 1]


def test_a_list_in_a_list_is_the_same_as_the_parameters_in_a_row(daemon: RpcDaemon, sample: Sample) -> None:
    autobrr = Autobrr(daemon)
    content = {"$b64": base64.b64encode(sample.torrent.read_bytes()).decode()}
    assert autobrr.call("load.raw", "", content, "d.custom1.set=row", "d.custom2.set=second") == {"t": "i4", "v": 0}
    daemon.wait_for(sample, "row", "custom1")
    assert daemon.facts(sample, "custom2", "state") == ["second", 0]


def test_its_list_has_numbers_where_it_wants_numbers(daemon: RpcDaemon, sample: Sample) -> None:
    autobrr = Autobrr(daemon)
    autobrr.add(sample.torrent.read_bytes(), f'd.directory.set="{sample.folder}"')
    daemon.wait_for(sample, 1, "complete")
    listed = autobrr.call("d.multicall2", "", "main", *COLUMNS)
    (row,) = listed["v"]
    assert [value["t"] for value in row["v"]] == ["string", "i8", "string", "string", "string", *["i8"] * 6]
    assert [value["v"] for value in row["v"]][:5] == [
        "Some.Release-GRP", 205_000, digits(sample), "", f"{sample.folder}/Some.Release-GRP"]
    assert row["v"][9]["v"] > 1_700_000_000 and row["v"][8]["v"] == 0


def test_files_are_asked_about_with_a_number_in_the_place_of_a_pattern(daemon: RpcDaemon, sample: Sample) -> None:
    autobrr = Autobrr(daemon)
    autobrr.add(sample.torrent.read_bytes(), starts=False)
    daemon.wait_for(sample, "Some.Release-GRP", "name")
    listed = autobrr.call("f.multicall", digits(sample), 0, *FILE_COLUMNS)
    assert [[value["v"] for value in row["v"]] for row in listed["v"]] == [
        ["some.mkv", 200_000], ["Proof/proof.jpg", 5_000]]


def test_it_labels_starts_stops_and_deletes(daemon: RpcDaemon, sample: Sample) -> None:
    autobrr, name = Autobrr(daemon), digits(sample)
    autobrr.add(sample.torrent.read_bytes(), f'd.directory.set="{sample.folder}"', starts=False)
    daemon.wait_for(sample, 0, "state")
    assert autobrr.call("d.custom1.set", name, "label") == {"t": "string", "v": "label"}
    for method in ("d.open", "d.start", "d.stop", "d.close", "d.pause", "d.erase"):
        assert autobrr.call(method, name) == {"t": "i4", "v": 0}, method
    wait_until(lambda: autobrr.call("d.name", name)["t"] == "fault", PATIENCE_S, "the end of the torrent")
    assert autobrr.call("d.name", name) == {"t": "fault", "code": -501, "string": "Could not find info-hash."}


def test_a_magnet_link_may_come_as_base64(daemon: RpcDaemon) -> None:
    autobrr, name = Autobrr(daemon), "EF" * 20
    link = f"magnet:?xt=urn:btih:{name}&dn=linked&tr={TRACKER}"
    assert autobrr.add_link(link, "d.custom1.set=linked") == {"t": "i4", "v": 0}
    wait_until(lambda: name in daemon.ask("download_list"), PATIENCE_S, "the magnet link")
    assert daemon.ask("d.custom1", name) == "linked"
    daemon.ask("d.erase", name)
