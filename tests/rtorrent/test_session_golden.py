"""What rTorrent 0.9.8 answered to commands of the session, asked of ours. Commands of downloads and views are left out.

Time is the test's. What differs is listed with its reason.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.interface.rtorrent.calls import Calls
from blobtorrent.interface.rtorrent.context import NOTHING, Aim, Trust
from blobtorrent.interface.rtorrent.faults import Fault, unsupported_target
from blobtorrent.interface.rtorrent.values import Value
from tests.support.rtorrentsession import SessionStage

SCENARIOS = Path(__file__).parent / "golden" / "scenarios"
ROOT = "/srv/bt"
PARTS = ("settings", "throttles", "setter_results", "ip_filter", "logs", "schedule", "ratio_groups")

# As the recorded daemon was set up.
DOCUMENT = {
    "storage": {"download_dir": f"{ROOT}/a/dl", "open_files": 256,
                "sync_after_s": 600, "sync_always_after_s": 900},
    "network": {"listen": ["127.0.0.1:51401"], "interface": "127.0.0.1", "upload_slots": 50,
                "download_slots": 50},
    "dht": {"enabled": False},
    "pex": {"enabled": False},
}
FIRST_CALLS: tuple[tuple[str, Value], ...] = (
    ("trackers.use_udp.set", 0), ("network.xmlrpc.size_limit.set", 8 << 20), ("network.local_address.set", "127.0.0.1"),
)

TICKS_PER_S = 4
FEWEST = 9                              # of a scenario that are asked here
SLOTLESS = "both forms are understood: with an empty target, as 0.16 has it, and without"
KNOWN_HASHES = {"1DE49452D03B14E46250ADD77D84282CE455519A"}
# What they answer is a matter of the machine, of the moment, or of what the engine does.
VOLATILE = {
    "network.max_open_sockets", "network.open_sockets", "pieces.memory.block_count", "pieces.memory.current",
    "pieces.memory.max", "pieces.stats.total_size", "pieces.stats_not_preloaded", "pieces.sync.safe_free_diskspace",
    "session.name", "session.path", "system.cwd", "system.files.closed_counter", "system.files.failed_counter",
    "system.files.opened_counter", "system.hostname", "system.pid", "system.time", "system.time_seconds",
    "system.time_usec", "throttle.global_down.rate", "throttle.global_down.total", "throttle.global_up.rate",
    "throttle.global_up.total", "throttle.unchoked_uploads",
}
# By scenario and line: why ours answers something else.
DIFFERENCES = {
    ("getters", "execute", '["", "true"]'): SLOTLESS,
    ("getters", "throttle.up.max", '["", "slowup"]'): "it was made before the recording began",
    ("throttles", "upload_rate", '["", 8]'): SLOTLESS,
    ("throttles", "throttle.global_up.max_rate", '[""]'): SLOTLESS,
    ("settings", "directory", f'["", "{ROOT}/a/dl"]'): SLOTLESS,
}


def steps(name: str) -> Iterator[dict[str, Any]]:
    with open(SCENARIOS / f"{name}.jsonl", encoding="utf-8") as lines:
        next(lines)
        yield from map(json.loads, lines)


def getters() -> Iterator[dict[str, Any]]:
    """What was asked of commands that are made here."""
    stage = SessionStage()
    names = {command.name for command in stage.commands.commands()}
    names.update(alias for alias, name in stage.registry.redirects() if name in names)
    with open(SCENARIOS.parent / "getters.jsonl", encoding="utf-8") as lines:
        for step in map(json.loads, lines):
            if step["name"] in names and step["result"]["t"] != "closed":
                yield step


def param_of(written: Any, root: str) -> Any:
    if isinstance(written, dict):
        if "$i8" in written:
            return written["$i8"]
        return base64.b64decode(written["$b64"]).decode("utf-8", "surrogateescape")
    return written.replace(ROOT, root) if isinstance(written, str) else written


def shape_of(value: Value) -> tuple[str, Any]:
    """As the recordings have it."""
    if value is None:
        return "i4", 0
    if isinstance(value, list):
        return "array", [shape_of(item) for item in value]
    if isinstance(value, dict):
        return "struct", {name: shape_of(item) for name, item in value.items()}
    return ("i8", value) if isinstance(value, int) else ("string", value)


def recorded(result: dict[str, Any], root: str) -> tuple[str, Any]:
    if result["t"] == "fault":
        return "fault", (result["code"], result["string"].replace(ROOT, root))
    if result["t"] == "array":
        return "array", [recorded(item, root) for item in result["v"]]
    if result["t"] == "struct":
        return "struct", {name: recorded(item, root) for name, item in result["v"].items()}
    value = result["v"]
    return result["t"], value.replace(ROOT, root) if isinstance(value, str) else value


@pytest.mark.parametrize("scenario", PARTS)
def test_the_session_answers_as_rtorrent_did(scenario: str, tmp_path: Path) -> None:
    root = str(tmp_path)
    for folder in ("out", "a/dl"):
        (tmp_path / folder).mkdir(parents=True)
    stage = SessionStage(json.loads(json.dumps(DOCUMENT).replace(ROOT, root)))
    for name, value in FIRST_CALLS:
        stage.call(name, value)
    calls = Calls(stage.interpreter, lambda _text: NOTHING)
    differences, asked = [], 0
    for step in steps(scenario):
        if step["op"] == "file":
            assert Path(step["path"].replace(ROOT, root)).read_text().splitlines() == step["lines"]
        if step["op"] == "write":
            Path(step["path"].replace(ROOT, root)).write_text(step["text"])
        for _ in range(int(step.get("secs", 0) * TICKS_PER_S)):
            stage.move(1 / TICKS_PER_S)
        if step["op"] != "call" or not is_asked(stage, step):
            continue
        asked += 1
        try:
            params = [param_of(param, root) for param in step["params"]]
            answer = shape_of(calls.answer(step["name"], params, Trust.FULL))
        except Fault as fault:
            answer = "fault", (fault.code, fault.text)
        wanted = recorded(step["result"], root)
        if step.get("volatile"):
            answer, wanted = (answer[0], None), (wanted[0], None)
        line = scenario, step["name"], json.dumps(step["params"])
        if answer != wanted and line not in DIFFERENCES:
            differences.append((line, answer, wanted))
    assert differences == []
    assert asked >= FEWEST
    stage.commands.close()


@pytest.mark.parametrize("step", [
    pytest.param(step, id=f"{step['name']}{json.dumps(step['params'])}") for step in getters()])
def test_a_command_answers_as_that_of_rtorrent_did(step: dict[str, Any], asked: Calls) -> None:
    try:
        answer = shape_of(asked.answer(step["name"], [param_of(param, ROOT) for param in step["params"]], Trust.FULL))
    except Fault as fault:
        answer = "fault", (fault.code, fault.text)
    wanted = recorded(step["result"], ROOT)
    if step["name"] in VOLATILE:
        answer, wanted = (answer[0], None), (wanted[0], None)
    if ("getters", step["name"], json.dumps(step["params"])) not in DIFFERENCES:
        assert answer == wanted


@pytest.fixture(scope="module")
def asked() -> Iterator[Calls]:
    """Set up as the daemon was whose answers were recorded. The file has them in the order they were given in."""
    stage = SessionStage(DOCUMENT)
    for name, value in FIRST_CALLS:
        stage.call(name, value)
    yield Calls(stage.interpreter, aim_of)
    stage.commands.close()


def aim_of(text: str) -> Aim:
    if text in KNOWN_HASHES:
        return NOTHING
    raise unsupported_target()


def is_asked(stage: SessionStage, step: dict[str, Any]) -> bool:
    """Whether there is such a command here: those of downloads and views are made elsewhere."""
    name: str = step["name"]
    if name.split(".")[0] in ("d", "view", "load"):
        return False
    return name in stage.registry or step["result"]["t"] == "fault"
