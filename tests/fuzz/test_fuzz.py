"""Every target with its seeds, all that was ever found, and some hundred cases that are the same on every run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from blobtorrent.model.errors import BugError, FormatError
from tests.fuzz import registry
from tests.fuzz.cases import keep, minimised, run_case, watched
from tests.fuzz.mutator import Mutator
from tests.fuzz.registry import Shape, Target, load_all
from tests.fuzz.shapes import read_bencode, read_events, read_json, write_bencode, write_events, write_json

TARGETS = {target.name: target for target in load_all()}
CASES = 300
BUDGET_S = 0.5                         # of the processor, for one target: slow ones get fewer cases
AT_LEAST = 40


@pytest.fixture(autouse=True)
def within_limits() -> Iterator[None]:
    with watched():
        yield


def check(target: Target, data: bytes) -> None:
    outcome = run_case(target, data)
    assert not outcome.find, f"{target.name} {data!r:.500}\n{outcome.trace}"


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_its_seeds_and_what_was_found_before(name: str) -> None:
    target = TARGETS[name]
    for data in (*target.seeds(), *target.found_before(), b""):
        check(target, data)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_whatever_comes(name: str) -> None:
    target = TARGETS[name]
    mutator = Mutator(Random(name), [*target.seeds()], tokens=target.tokens, shape=target.shape,
                      max_bytes=min(target.max_bytes, 8000))
    begun_s = time.thread_time()
    for number in range(CASES):
        if number >= AT_LEAST and time.thread_time() - begun_s > BUDGET_S:
            break
        check(target, mutator.make())


def test_there_are_targets_for_all_ways_in() -> None:
    assert len(TARGETS) >= 30
    assert {path.name for path in registry.CORPUS.iterdir()} <= TARGETS.keys()


# ---- the tools: what they should find, they find


def _target(name: str, run: object, errors: tuple[type[Exception], ...] = ()) -> Target:
    return Target(name, run, errors, lambda: [b""], (), Shape.BYTES, 1000)  # type: ignore[arg-type]


def _raise(error: BaseException) -> object:
    raise error


def test_only_errors_that_are_declared_are_none() -> None:
    declared = _target("x", lambda data: _raise(FormatError("a.b", "5 bytes")), (FormatError,))
    assert run_case(declared, b"").find == "" and run_case(declared, b"").word == "a.b # bytes"
    assert run_case(_target("x", lambda data: data[5]), b"").find.startswith("IndexError in test_fuzz.")
    assert run_case(_target("x", lambda data: _raise(BugError("a", "b")), (BugError,)), b"").find.startswith("BugError")


def test_what_is_slow_or_does_not_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.cases.SLOWEST_S", 0.01)
    monkeypatch.setattr("tests.fuzz.cases.HANGS_S", 0.2)
    assert run_case(_target("x", lambda data: sum(range(2_000_000))), b"").find == "slow"

    def hang(data: bytes) -> None:
        while True:
            pass

    assert run_case(_target("x", hang), b"").find.startswith("hangs")


def test_what_takes_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.cases.SLOWEST_S", 10.0)
    assert run_case(_target("x", lambda data: len(bytearray(b"x") * (512 << 20))), b"").find == "memory"


def test_a_find_is_made_shorter_and_kept_by_what_it_is(tmp_path: Path) -> None:
    target = _target("x", lambda data: _raise(KeyError(1)) if b"bad" in data else None)
    find = run_case(target, b"it is bad").find
    short = minimised(target, b"some text that is bad, and more of it" * 5, find)
    assert short == b"bad"
    path = keep(target, short, find, tmp_path)
    assert path.read_bytes() == b"bad" and re.fullmatch(r"keyerror-in-test-fuzz-raise-\d+-[0-9a-f]{8}\.bin", path.name)


def test_cases_follow_from_the_seed_and_are_of_all_kinds() -> None:
    def cases(seed: int) -> list[bytes]:
        mutator = Mutator(Random(seed), [b"d1:ai5e1:bl1:ceee", b"d1:xi1ee"], tokens=(b"token",), shape=Shape.BENCODE)
        return [mutator.make() for _ in range(500)]

    assert cases(1) == cases(1) != cases(2)
    assert len(set(cases(1))) > 300
    assert any(b"token" in case for case in cases(1)) and any(read_bencode(case) is not None for case in cases(1))


def test_shapes_are_read_and_written_as_they_were() -> None:
    document = b"d1:ai-5e1:bl1:cdeee"
    assert write_bencode(read_bencode(document)) == document
    assert read_bencode(b"5:ab") is None and read_bencode(b"l" * 5000) is None and read_bencode(b"l-5:e") is None
    assert write_json(read_json(b'{"a":[1,null,"x"],"a":{}}')) == b'{"a":[1,null,"x"],"a":{}}'
    assert read_json(b"[") is None
    assert read_events(write_events([b"a", b"", b"c" * 300])) == [b"a", b"", b"c" * 300]
    assert read_events(b"\0\5ab") == [b"ab"]


def test_a_long_run_is_one_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "wire.bitfield", "--seconds", "0.5", "--seed", "1", "--pool",
               str(tmp_path)]
    told = subprocess.run(command, cwd=registry.HERE.parents[1], capture_output=True, text=True, timeout=100)
    assert told.returncode == 0, told.stderr
    name, _, _, cases, finds, *_ = told.stdout.splitlines()[1].split()
    assert (name, int(cases) > 0, finds) == ("wire.bitfield", True, "0")


def test_a_run_may_be_of_so_many_cases_and_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    counted = tmp_path / "counted.json"
    command = [sys.executable, "-m", "tests.fuzz", "wire.bitfield", "--seconds", "60", "--counted", str(counted),
               "--pool", str(tmp_path / "pool")]
    for cases, told_now in ((300, 300), (1000, 700), (1000, 0)):
        told = subprocess.run([*command, "--cases", str(cases)], cwd=registry.HERE.parents[1], capture_output=True,
                              text=True, timeout=100)
        assert told.returncode == 0, told.stderr
        assert told.stdout.splitlines()[1].split()[3] == str(told_now)
        assert json.loads(counted.read_text()) == {"wire.bitfield": cases}


def test_a_release_has_ten_million_cases_of_what_everybody_can_send(tmp_path: Path) -> None:
    counted = tmp_path / "counted.json"
    counted.write_text(json.dumps({"wire.bitfield": 9_999_900, "rest.http": 1_000_000}))
    command = [sys.executable, "-m", "tests.fuzz", "wire.bitfield", "rest.http", "--release", "--counted", str(counted),
               "--pool", str(tmp_path / "pool")]
    told = subprocess.run(command, cwd=registry.HERE.parents[1], capture_output=True, text=True, timeout=100)
    assert told.returncode == 0, told.stderr
    assert json.loads(counted.read_text()) == {"wire.bitfield": 10_000_000, "rest.http": 1_000_000}


def test_an_engine_that_is_not_there_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-S", "-m", "tests.fuzz", "wire.bitfield", "--engine", "atheris"]
    told = subprocess.run(command, cwd=registry.HERE.parents[1], capture_output=True, text=True, timeout=100)
    assert told.returncode == 2 and "pip install atheris" in told.stderr
