"""A session that real rTorrent left, taken over: rTorrent's own clients see the same of every torrent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.fingerprint import fingerprint
from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.blobtorrent import run
from tests.support.peers.program import wait_until
from tests.support.peers.rtorrent import NO_TRACKER, RtorrentSession, scgi_call
from tests.support.peers.seedbox import Seedbox
from tests.support.tools import require_tool

pytestmark = pytest.mark.interop

PIECE = 64 * KIB
TIMEOUT_S = 30.0
HALF = 500_000                         # bytes of the incomplete one that are right
LINK = f"magnet:?xt=urn:btih:{'ab' * 20}&dn=some&tr={NO_TRACKER}"
LINK_NAME = "AB" * 20
GROUPS = ("throttle.up = slow, 10", "view.add = rat_0")
OFF = "".join(f"[{section}]\nenabled = false\n" for section in ("dht", "pex", "lsd"))       # as with rTorrent
RECORDED = Path(__file__).parents[1] / "rtorrent" / "golden" / "getters.jsonl"

NO_GETTERS = {"d.close.directly", "d.custom.set", "d.initialize_logs", "d.resume", "d.start", "d.tracker.insert"}

# Why something is another thing here: always, of torrents that rTorrent has not opened since it was started, and of
# those that it has.
OTHERWISE = {
    "d.free_diskspace": "the disk is used by others, too",
    "d.load_date": "when it was added; rTorrent: when it was started last",
    "d.local_id": "made up by each run",
    "d.local_id_html": "made up by each run",
}
NOT_OPENED = {
    "d.base_path": "rTorrent forgets it when it ends",
    "d.base_filename": "rTorrent forgets it when it ends",
    "d.bitfield": "rTorrent forgets it when it ends, though it knows the number of pieces",
    "d.connection_current": "rTorrent looks whether it is complete when it opens it",
}
STARTED = {
    "d.state_changed": "it was started once more since",
    "d.state_counter": "it was started once more since",
    "d.message": "of a tracker that refuses connections, in other words",
}
OF_FILES = ("f.path=", "f.size_bytes=", "f.size_chunks=", "f.completed_chunks=", "f.priority=", "f.offset=")
OF_TRACKERS = ("t.url=", "t.group=", "t.type=", "t.is_enabled=", "t.is_extra_tracker=")


class Left(NamedTuple):
    """What rTorrent left below `home`, and what it told of each torrent when it ran last."""

    home: Path
    told: Mapping[str, Mapping[str, Any]]

    @property
    def session(self) -> Path:
        return self.home / "session"


def getters() -> Sequence[str]:
    """The getters of a download without parameters, as they were asked when rTorrent was recorded."""
    asked = map(json.loads, RECORDED.read_text().splitlines())
    return sorted({call["name"] for call in asked
                   if call["name"].startswith("d.") and len(call["params"]) == 1} - NO_GETTERS)


def ask(socket: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Everything of these torrents, by their hashes."""
    calls = [{"methodName": getter, "params": [name]} for name in names for getter in getters()]
    answers = iter(scgi_call(socket, "system.multicall", calls))  # type: ignore[arg-type]
    told = {name: {getter: _value(next(answers)) for getter in getters()} for name in names}
    for name, values in told.items():
        values["files"] = scgi_call(socket, "f.multicall", name, "", *OF_FILES)
        values["trackers"] = sorted(scgi_call(socket, "t.multicall", name, "", *OF_TRACKERS))
        values["fields"] = {key: scgi_call(socket, "d.custom", name, key) for key in ("note", "empty", "ключ")}
    return told


def _value(answer: Any) -> Any:
    return answer[0] if isinstance(answer, list) else answer["faultString"]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    require_tool("rtorrent")
    home = tmp_path_factory.mktemp("rtorrent")
    several: list[tuple[bytes | str, int]] = [("a.bin", 300_000), ("sub/b.bin", 500_000), ("c", 10), ("empty", 0)]

    def sample(name: str, files: Any, seed: int) -> Sample:
        return make_sample(home, name, files, PIECE, seed=seed, trackers=[NO_TRACKER])

    many, single, renamed, half = (
        sample("Füße 日本", several, 1), sample("single.bin", 1_000_000, 2), sample("renamed", several, 3),
        sample("half", several, 4))
    content, watched = home / "content", home / "watched"
    (content / "renamed").rename(content / "other name")
    damaged = content / "half" / "sub" / "b.bin"
    damaged.write_bytes(bytes(damaged.stat().st_size))
    watched.mkdir()
    (watched / "it's.torrent").write_bytes(single.torrent.read_bytes())
    folder = f'd.directory.set="{content}"'
    with RtorrentSession(home, *GROUPS) as rtorrent:
        wait_until(lambda: rtorrent.knows(0), TIMEOUT_S, "rTorrent")
        call = rtorrent.call
        call("load.start", "", str(many.torrent), folder, 'd.custom1.set="tag%20one,b%2Cc"', "d.priority.set=3",
             "d.throttle_name.set=slow", "d.views.push_back_unique=rat_0", "d.custom.set=addtime,1600000000")
        call("load.normal", "", str(watched / "it's.torrent"), folder, "d.connection_seed.set=initial_seed")
        call("load.start", "", str(renamed.torrent), f'd.directory_base.set="{content / "other name"}"')
        call("load.start", "", str(half.torrent), folder)
        call("load.normal", "", LINK, f'd.directory.set="{content}"', "d.custom1.set=link")
        wait_until(lambda: rtorrent.knows(5), TIMEOUT_S, "the torrents")
        for one in (many, renamed, half):
            wait_until(partial(_is_active, home, _upper(one)), TIMEOUT_S, f"{one.name!r}")
        call("d.check_hash", _upper(single))
        wait_until(lambda: call("d.complete", _upper(single)), TIMEOUT_S, "its check")
        call("d.custom.set", _upper(many), "note", 'a "quoted", \\ back; 日本 ü')
        call("d.custom.set", _upper(many), "ключ", "{braces}")
        call("d.custom2.set", _upper(many), "VRS24mrker%20a")
        call("d.ignore_commands.set", _upper(single), "1")
        call("f.priority.set", f"{_upper(renamed)}:f1", "2")
        call("f.priority.set", f"{_upper(half)}:f0", "0")
        for one in (renamed, half):
            call("d.update_priorities", _upper(one))
        call("d.stop", _upper(half))
        call("d.close", _upper(half))
    with RtorrentSession(home, *GROUPS) as rtorrent:       # what it tells when it starts on that
        wait_until(lambda: rtorrent.knows(5), TIMEOUT_S, "rTorrent")
        for one in (many, renamed):
            wait_until(partial(_is_active, home, _upper(one)), TIMEOUT_S, f"{one.name!r}")
        rtorrent.call("d.tracker.insert", _upper(single), "2", "http://127.0.0.1:9/added")
        rtorrent.call("t.is_enabled.set", f"{_upper(single)}:t0", "0")
        return Left(home, ask(home / "rpc.sock", rtorrent.call("download_list")))


def _is_active(home: Path, name: str) -> bool:
    return bool(scgi_call(home / "rpc.sock", "d.is_active", name)) and not scgi_call(
        home / "rpc.sock", "d.hashing", name)


def _upper(sample: Sample) -> str:
    return sample.info_hash.hex().upper()


def test_clients_of_rtorrent_see_the_same(left: Left, tmp_path: Path) -> None:
    before = fingerprint(left.session), fingerprint(left.home / "content")
    box = Seedbox(tmp_path / "box", settings=OFF)
    done = run("import", "rtorrent", left.session, "--state-dir", box.state, "--json")
    assert done.returncode == 0, done.stderr
    with box:
        socket = box.runtime / "rpc.sock"
        active = [name for name, values in left.told.items() if values["d.is_active"]]
        assert len(active) == 2
        wait_until(lambda: all(scgi_call(socket, "d.is_active", name) for name in active), TIMEOUT_S, "the torrents")
        assert sorted(scgi_call(socket, "download_list")) == sorted(left.told)
        told = ask(socket, list(left.told))
        differences = [
            (values["d.name"], getter, values[getter], told[name][getter])
            for name, values in left.told.items() for getter in values
            if getter not in {**OTHERWISE, **(STARTED if name in active else NOT_OPENED)}
            and values[getter] != told[name][getter]]
        assert differences == []
        assert {told[name]["d.state_counter"] - left.told[name]["d.state_counter"] for name in active} == {1}
        assert "torrent checked" not in box.output()
    assert (fingerprint(left.session), fingerprint(left.home / "content")) == before
