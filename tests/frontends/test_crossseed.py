"""cross-seed: its batches, an injection with resume data, and what it finds in the session folder."""

from __future__ import annotations

import json
import time
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bencodepy
import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon, digits

pytestmark = pytest.mark.interop

TRACKER = "http://127.0.0.1:9/announce"
AT_ONCE = 500                          # torrents a batch, ...
GETTERS = ("d.name", "d.directory", "d.left_bytes", "d.hashing", "d.complete", "d.is_multi_file", "d.is_active")
MAX_BATCH_S = 20.0                     # on a machine with other things to do


class CrossSeed:
    """Its client of rTorrent: HTTP, and system.multicall by hand."""

    def __init__(self, daemon: RpcDaemon) -> None:
        self._daemon = daemon

    def call(self, method: str, *arguments: Any) -> Any:
        status, body = self._daemon.post(xmlrpc.client.dumps(arguments, method).encode())
        assert status == 200
        (value,), _ = xmlrpc.client.loads(body, use_builtin_types=True)
        return value

    def batch(self, hashes: list[str], getters: tuple[str, ...] = GETTERS) -> list[list[Any]]:
        """For each torrent what the getters say; a fault is a struct."""
        calls = [{"methodName": name, "params": [digits]} for digits in hashes for name in getters]
        answers = self.call("system.multicall", calls)
        assert len(answers) == len(calls)
        values = [answer[0] if isinstance(answer, list) else answer for answer in answers]
        return [values[start:start + len(getters)] for start in range(0, len(values), len(getters))]

    def inject(self, sample: Sample, folder: Path, *, is_checked: bool) -> None:
        """load.raw of the torrent with resume data; what it is not sure of it has checked by one more command."""
        raw = bencodepy.decode(sample.torrent.read_bytes())
        raw[b"libtorrent_resume"] = {b"bitfield": sample.num_pieces, b"files": [
            {b"completed": -(-entry.length // sample.piece_length),
             b"mtime": int((sample.folder / entry.path.decode()).stat().st_mtime), b"priority": 0}
            for entry in sample.files]}
        more = [] if is_checked else [f"d.check_hash={digits(sample)}"]
        answer = self.call("load.raw", "", bencodepy.encode(raw),
                           f'd.directory_base.set="{folder}"', 'd.custom1.set="cross-seed"',
                           f"d.custom.set=addtime,{int(time.time())}", *more)
        assert answer == 0


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RpcDaemon]:
    with RpcDaemon(tmp_path_factory.mktemp("crossseed")) as daemon:
        yield daemon


@pytest.fixture
def sample(daemon: RpcDaemon, tmp_path: Path) -> Iterator[Sample]:
    sample = make_sample(tmp_path, "delta", [("video.mkv", 150_000), ("readme.txt", 100)], 32 * KIB, seed=3,
                         trackers=[TRACKER])
    yield sample
    for name in daemon.ask("download_list"):
        daemon.ask("d.erase", name)
    wait_until(lambda: daemon.ask("download_list") == [], PATIENCE_S, "the end of the torrents")


def checks_of(daemon: RpcDaemon) -> int:
    """So many it made."""
    return daemon.output().count("torrent checked")


@pytest.mark.parametrize("is_checked", [True, False])
def test_an_injected_torrent_seeds_from_the_folder_of_another_name(
    daemon: RpcDaemon, sample: Sample, tmp_path: Path, is_checked: bool
) -> None:
    client, folder = CrossSeed(daemon), tmp_path / "linked" / "other name"
    folder.parent.mkdir()
    (sample.folder / "delta").rename(folder)
    (sample.folder / "delta").symlink_to(folder)
    checks = checks_of(daemon)
    client.inject(sample, folder, is_checked=is_checked)
    daemon.wait_for(sample, "cross-seed", "custom1")
    daemon.wait_for(sample, 0, "hashing")
    if not is_checked:
        daemon.wait_for(sample, 1, "complete")
    client.call("d.start", digits(sample))
    daemon.wait_for(sample, 1, "is_active")
    (row,) = client.batch([digits(sample)])
    assert row == ["delta", str(folder), 0, 0, 1, 1, 1]
    assert checks_of(daemon) - checks == (0 if is_checked else 1)


def test_a_torrent_is_paused_checked_and_resumed(daemon: RpcDaemon, sample: Sample) -> None:
    client, name = CrossSeed(daemon), digits(sample)
    client.inject(sample, sample.folder / "delta", is_checked=True)
    daemon.wait_for(sample, "cross-seed", "custom1")
    client.call("d.start", name)
    daemon.wait_for(sample, 1, "complete")
    for method in ("d.pause", "d.check_hash"):
        assert client.call(method, name) == 0
    daemon.wait_for(sample, 0, "hashing")
    assert client.call("d.resume", name) == 0
    daemon.wait_for(sample, 1, "is_active")


def test_the_hashes_are_upper_case_and_what_is_unknown_says_the_very_words(daemon: RpcDaemon, sample: Sample) -> None:
    client = CrossSeed(daemon)
    client.inject(sample, sample.folder / "delta", is_checked=True)
    wait_until(lambda: client.call("download_list"), PATIENCE_S, "the torrent")
    assert client.call("download_list") == [digits(sample)]
    known, unknown = client.batch([digits(sample).lower(), "0" * 40], ("d.name",))
    assert known == ["delta"] and unknown[0]["faultString"] == "Could not find info-hash."
    for method, arguments in (("d.name", ("0" * 40,)), ("d.check_hash", ("0" * 40,))):
        with pytest.raises(xmlrpc.client.Fault) as caught:
            client.call(method, *arguments)
        assert caught.value.faultString == "Could not find info-hash."


def test_what_is_known_of_a_torrent_is_in_files_of_the_session_folder(daemon: RpcDaemon, sample: Sample) -> None:
    """With torrentDir it reads HASH.torrent and HASH.torrent.libtorrent_resume there, and HASH.torrent.rtorrent."""
    client, name = CrossSeed(daemon), digits(sample)
    client.inject(sample, sample.folder / "delta", is_checked=True)
    daemon.wait_for(sample, "cross-seed", "custom1")
    folder = Path(client.call("session.path"))
    client.call("d.save_full_session", name)
    metainfo = bencodepy.decode((folder / f"{name}.torrent").read_bytes())
    assert metainfo[b"info"][b"name"] == b"delta"


@pytest.mark.usefixtures("sample")
def test_five_hundred_torrents_are_asked_about_in_one_request(daemon: RpcDaemon) -> None:
    client = CrossSeed(daemon)
    made = {}
    for number in range(AT_ONCE):
        info = {b"name": b"made %d" % number, b"length": 1, b"piece length": 16384, b"pieces": bytes(20)}
        raw = bencodepy.encode({b"announce": TRACKER.encode(), b"info": info})
        assert client.call("load.raw", "", raw) == 0
        made[f"made {number}"] = number
    wait_until(lambda: len(client.call("download_list")) == AT_ONCE, PATIENCE_S, "the torrents")
    begin_s = time.monotonic()
    rows = client.batch(client.call("download_list"))
    assert time.monotonic() - begin_s < MAX_BATCH_S
    assert {row[0] for row in rows} == set(made) and all(row[2:] == [1, 0, 0, 0, 0] for row in rows)
    assert json.dumps(rows)            # no value that is none of JSON's
