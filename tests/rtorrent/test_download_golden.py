"""What rTorrent 0.9.8 answered of six downloads, and what we answer of the same six: values and types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.core.session.commands import ChangeTorrent, TorrentChanges
from blobtorrent.interface.rtorrent.commands import arithmetic, language, methods
from blobtorrent.interface.rtorrent.context import Target, Trust
from blobtorrent.interface.rtorrent.downloads.side import DownloadSide
from blobtorrent.interface.rtorrent.faults import Fault, no_such_method
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.registry import Command, Registry
from blobtorrent.interface.rtorrent.store import Store
from blobtorrent.interface.rtorrent.values import Value
from blobtorrent.model.details import PeerStatus, TrackerStatus
from blobtorrent.runtime.bus import EventBus
from tests.support.rtorrentengine import LOADED_AT, FakeEngine

GOLDEN = Path(__file__).parent / "golden" / "downloads.jsonl"
DEAD = "Tracker: [Couldn't connect to server]"

# Names of our own, figures of the machine it ran on, and files that are not there.
_OTHERWISE = {"d.local_id", "d.local_id_html", "d.free_diskspace", "f.last_touched", "f.is_created"}
# What was asked of a download that is then another one, or that was changed by the calls before.
_CHANGES = {"d.directory.set", "d.erase"}


# Recorded a moment earlier or later than the rest, or counted otherwise: the types are the same.
_TYPES_ONLY = {("d.peers_accounted", "echo"), ("t.multicall", "charlie"), ("t.multicall", "echo"),
               ("p.multicall", "echo")}
_IN_ANY_ORDER = {"incomplete", "seeding"}                  # there it is the order in which they came into the view


def make() -> tuple[FakeEngine, DownloadSide, Interpreter]:
    engine = FakeEngine()
    running = {"is_started": True, "active_s": 1.0}
    engine.add("alpha", have=b"\xff\xc0", state="seeding", custom={
        "custom1": "labelA", "custom.addtime": "1700000000", **_times(), **_started()}, **running)
    engine.add("bravo", have=b"\xf0\x00", priority=1, active_s=1.0, custom={"custom1": "label%20B"})
    charlie = engine.add("charlie", state="downloading", custom=_started(), **running)
    engine.add("delta", have=b"\xf8", state="seeding", held_by="pause", custom={
        "custom1": "priv", "state_changed": str(LOADED_AT + 1), **_times(), "state_counter": "1",
        "timestamp.started": str(LOADED_AT)}, **running)
    echo = engine.add("echo", have=b"\xff" * 7 + b"\xfc", state="seeding", uploaded_bytes=32768, up_bytes_per_s=546,
                      peers_connected=1, peers_known=1, custom={**_times(), **_started()}, **running)
    engine.add("foxtrot")
    engine.peers[echo] = (_peer(),)
    for info_hash in list(engine.wishes):
        engine.wishes[info_hash] = engine.wishes[info_hash]._replace(custom=engine.status(info_hash).custom)
        engine.trackers[info_hash] = tuple(map(_failed, engine.trackers[info_hash]))
    good, *others = engine.trackers[charlie]
    engine.trackers[charlie] = (good._replace(
        error_code="", failures=0, next_announce_at=LOADED_AT + 1800.0, seeds=0, leeches=1), *others)
    registry = Registry()
    interpreter = Interpreter(registry, lambda text: None)
    side = DownloadSide(engine, EventBus(), interpreter, wake=lambda: None, fetch=lambda url, from_loopback, then: None,
                        keep=lambda download: None)
    registry.extend(language.commands())
    registry.extend(arithmetic.commands(lambda: LOADED_AT))
    registry.extend(methods.commands(registry, Store(registry)))
    registry.extend(side.commands())
    registry.add(Command("protocol.pex", Target.NONE, lambda context, item, args: 0))
    for download in side.downloads:
        if download.name in ("alpha.bin", "delta"):
            download.message = DEAD
        if download.name == "bravo":
            download.is_open = download.is_checked = True
    _switch_udp_off(engine, side)
    return engine, side, interpreter


def _started() -> dict[str, str]:
    return {"state_changed": str(LOADED_AT), "state_counter": "1", "timestamp.started": str(LOADED_AT)}


def _times() -> dict[str, str]:
    return {"timestamp.finished": str(LOADED_AT)}


def _failed(status: TrackerStatus) -> TrackerStatus:
    return status._replace(error_code="tracker.unreachable", failures=1, last_announce_at=float(LOADED_AT),
                           next_announce_at=LOADED_AT + 5.0)


def _switch_udp_off(engine: FakeEngine, side: DownloadSide) -> None:
    """UDP trackers were off where it was asked."""
    charlie = next(download for download in side.downloads if download.name == "charlie.iso")
    rows = [[status.tier, status.url, not status.url.startswith("udp"), False]
            for status in engine.trackers[charlie.info_hash]]
    engine.trackers[charlie.info_hash] = engine.trackers[charlie.info_hash][:3]
    engine.ask(ChangeTorrent(charlie.info_hash, TorrentChanges(custom={"trackers": json.dumps(rows)})))
    side.downloads.refresh()


def _peer() -> PeerStatus:
    return PeerStatus(
        host="127.0.0.1", port=51402, peer_id=bytes.fromhex("2D6C74304438302D14DD4F5B08535081EB7DB624"),
        client="libTorrent 0.13.8.0", source="tracker", transport="tcp", is_encrypted=False, is_incoming=False,
        connected_s=1.0, am_choking=False, am_interested=False, peer_choking=False, peer_interested=True,
        is_optimistic=False, is_snubbed=False, is_seed=False, pieces_had=0, progress=0.0, blocks_asked=0,
        upload_queue_bytes=0, down_bytes_per_s=0, up_bytes_per_s=1092, downloaded_bytes=0, uploaded_bytes=32768,
        reserved=bytes.fromhex("0000000000100000"))


def cases() -> list[Any]:
    rows = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]
    return [pytest.param(row, id=f"{row['name']} {row['params']}"[:90]) for row in rows
            if row["name"] not in _OTHERWISE | _CHANGES]


_SIDE = make()


def answer(name: str, params: list[Any]) -> Any:
    """As a request would get it: type and value."""
    _, side, interpreter = _SIDE
    try:
        command = interpreter.registry.find(name)
        if command is None:
            raise no_such_method(name)
        target, *args = params or [""]
        aim = side.aiming.read(target)
        return shown(interpreter.call(interpreter.context(Trust.FULL).at(aim), name, args))
    except Fault as fault:
        return {"t": "fault", "code": fault.code, "string": fault.text}


def shown(value: Value) -> Any:
    if value is None:
        return {"t": "i4", "v": 0}
    if isinstance(value, int):
        return {"t": "i8", "v": value}
    if isinstance(value, str):
        return {"t": "string", "v": value}
    if isinstance(value, list):
        return {"t": "array", "v": list(map(shown, value))}
    assert isinstance(value, dict)
    return {"t": "struct", "v": {key: shown(item) for key, item in value.items()}}


def types_of(value: Any) -> Any:
    return [types_of(item) for item in value["v"]] if value["t"] == "array" else value["t"]


@pytest.mark.parametrize("row", cases())
def test_answers_are_those_of_rtorrent(row: dict[str, Any]) -> None:
    name, params, expected = row["name"], row["params"], row["result"]
    given = answer(name, params)
    if (name, row["state"].partition(":")[0]) in _TYPES_ONLY:
        assert types_of(given) == types_of(expected)
    elif name == "download_list" and params[-1] in _IN_ANY_ORDER:
        assert sorted(item["v"] for item in given["v"]) == sorted(item["v"] for item in expected["v"])
    else:
        assert given == expected
