"""The whole engine on its threads: how it ends when something of it is broken."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from blobtorrent.config.load import load
from blobtorrent.daemon.assemble import Engine, build_engine
from blobtorrent.runtime.loop import SelectorLoop

SOON_S = 5.0                           # far below the time that the session gets to end by itself


@pytest.fixture
def engine(tmp_path: Path):
    before = sys.getswitchinterval()
    yield build_engine(load(assignments=[f"storage.download_dir='{tmp_path}'"]))
    sys.setswitchinterval(before)


def kill_core(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread dies of a bug in the loop itself."""
    def fail(*_: object) -> None:
        raise RuntimeError("played")

    core: SelectorLoop = engine._core
    monkeypatch.setattr(core, "run_pass", fail)
    core.ask_beat()                    # the pass that is under way ends
    while core.is_alive:
        time.sleep(0.01)


def test_an_engine_that_was_started_ends_cleanly(engine: Engine) -> None:
    engine.start()
    assert engine.stop()


def test_a_dead_core_is_not_waited_for_at_the_end(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.start()
    kill_core(engine, monkeypatch)
    assert engine.dead_threads() == ["core"]
    begun_s = time.monotonic()
    assert not engine.stop()
    assert time.monotonic() - begun_s < SOON_S


def test_an_engine_whose_start_failed_ends_at_once(engine: Engine) -> None:
    begun_s = time.monotonic()
    assert not engine.stop()
    assert time.monotonic() - begun_s < SOON_S
