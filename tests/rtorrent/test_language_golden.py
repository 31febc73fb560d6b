"""What rTorrent 0.9.8 answered to texts and definitions, asked of ours. Time, files and the one download are played."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.interface.rtorrent.faults import Fault
from tests.support.rtorrentlanguage import LanguageStage, on_the_wire, recorded, sent

GOLDEN = Path(__file__).parent / "golden"
ROOT = "/srv/bt"
SCENARIOS = {"expressions": 64, "method_multi": 19, "import_config": 30}      # and how many answers are compared
NOT_OF_THE_LANGUAGE = ("load.raw", "d.erase", "d.custom.items", "schedule2", "throttle.global_up.max_rate.set_kb")
VOLATILE = ("system.time_seconds=",)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as file:
        yield from map(json.loads, file)


def answer(stage: LanguageStage, name: str, params: list[Any]) -> dict[str, Any]:
    try:
        return {"value": on_the_wire(stage.call(name, *params))}
    except Fault as fault:
        return {"fault": [fault.code, fault.text]}


def test_texts_and_definitions_are_answered_as_rtorrent_does():
    stage = LanguageStage()
    wrong = []
    for line in lines(GOLDEN / "language.jsonl"):
        if "name" not in line:
            continue
        assert "ours" not in line or line["why"]
        expected = line.get("ours") or {key: line[key] for key in ("value", "fault") if key in line}
        if "value" in expected:
            expected = {"value": on_the_wire(expected["value"])}
        got = answer(stage, line["name"], [sent(param) for param in line["params"]])
        if got != expected:
            wrong.append((line["name"], line["params"], expected, got))
    assert wrong == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_is_answered_as_rtorrent_does(scenario, tmp_path):
    stage = LanguageStage()
    wrong, compared = [], 0
    for step in lines(GOLDEN / "scenarios" / f"{scenario}.jsonl"):
        step = json.loads(json.dumps(step).replace(ROOT, str(tmp_path)))
        if step.get("op") == "write":
            path = Path(step["path"])
            path.parent.mkdir(exist_ok=True)
            path.write_text(step["text"])
        elif step.get("op") == "file":
            assert stage.files[step["path"]] == step["lines"]
        elif step.get("op") == "call" and not is_beyond(step):
            compared += 1
            result = step["result"]
            expected = ({"fault": [result["code"], result["string"]]} if result["t"] == "fault"
                        else {"value": recorded(result)})
            got = answer(stage, step["name"], [sent(param) for param in step["params"]])
            if got != expected:
                wrong.append((step["name"], step["params"], expected, got))
    assert wrong == []
    assert compared >= SCENARIOS[scenario]


def is_beyond(step: dict[str, Any]) -> bool:
    """Whether a step needs an engine, or its answer changes with time."""
    text = json.dumps([step["name"], step["params"], step.get("note", "")])
    return any(word in text for word in (*NOT_OF_THE_LANGUAGE, *VOLATILE)) or "bad5.rc" in text or "bad6.rc" in text
