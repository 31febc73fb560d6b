"""The machinery behind the interface is made for the first who needs it, once, and given the engine before it answers.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest

from blobtorrent.interface.rtorrent.standby import Standby
from blobtorrent.interface.rtorrent.trust import Trust
from blobtorrent.model.errors import BugError

TIMEOUT_S = 5.0


class PlayedMachinery:
    def __init__(self) -> None:
        self.told: queue.Queue[Any] = queue.Queue()
        self.ended = False

    def perform(self, exchange: Any, trust: Trust) -> None:
        self.told.put((exchange, trust))

    def end(self, timeout_s: float) -> bool:
        self.ended = True
        return True


class Stage:
    def __init__(self) -> None:
        self.machinery = PlayedMachinery()
        self.num_made = 0
        self.standby = Standby(self._build)  # type: ignore[arg-type]
        self.standby.begin = lambda machinery: self.machinery.told.put("begun")

    def _build(self, _turns: object) -> PlayedMachinery:
        self.num_made += 1
        return self.machinery

    def ask(self, what: str) -> None:
        self.standby.turns.post(lambda: self.standby.perform(what, Trust.FULL))  # type: ignore[arg-type]

    def heard(self) -> Any:
        return self.machinery.told.get(timeout=TIMEOUT_S)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    assert made.standby.stop(TIMEOUT_S)


def test_nothing_is_made_until_somebody_asks_and_then_once(stage: Stage) -> None:
    stage.standby.start()
    stage.standby.turns.post(lambda: stage.machinery.told.put("idle"))
    assert (stage.heard(), stage.num_made) == ("idle", 0)
    for what in ("one", "two"):
        stage.ask(what)
    assert [stage.heard() for _ in range(3)] == ["begun", ("one", Trust.FULL), ("two", Trust.FULL)]
    assert stage.num_made == 1


def test_what_a_configuration_needs_is_made_before_there_is_an_engine_and_begins_with_it(stage: Stage) -> None:
    done = stage.standby.run_first(lambda machinery: "configured")
    assert (done.wait(TIMEOUT_S), stage.num_made) == ("configured", 1)
    assert stage.machinery.told.empty()
    stage.standby.start()
    assert stage.heard() == "begun"    # nobody asked: schedules and events are followed all the same
    stage.ask("one")
    assert stage.heard() == ("one", Trust.FULL)
    assert stage.num_made == 1


def test_who_waits_for_a_configuration_hears_of_a_bug(stage: Stage) -> None:
    with pytest.raises(BugError):
        stage.standby.run_first(lambda machinery: 1 / 0).wait(TIMEOUT_S)
    stage.standby._build = lambda turns: 1 / 0  # type: ignore[assignment,return-value]
    stage.standby._machinery = None
    with pytest.raises(BugError):
        stage.standby.run_first(lambda machinery: 1).wait(TIMEOUT_S)


def test_at_the_end_only_what_was_made_is_ended() -> None:
    idle, busy = Stage(), Stage()
    idle.standby.start()
    assert idle.standby.stop(TIMEOUT_S) and not idle.machinery.ended
    busy.standby.start()
    busy.ask("one")
    assert busy.standby.stop(TIMEOUT_S) and busy.machinery.ended
    assert busy.heard() == "begun"


def test_one_that_never_started_ends_at_once() -> None:
    assert Stage().standby.stop(TIMEOUT_S)
