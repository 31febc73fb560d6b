"""Order of start and stop, and threads that die."""

from __future__ import annotations

import threading

import pytest

from blobtorrent.daemon.supervisor import Part, Supervisor
from blobtorrent.runtime.lasting import LastingThread


class PlayedPart:
    """A part with one thread, which ends when it is stopped or when the test lets it die."""

    def __init__(self, name: str, calls: list[str], *, hangs: bool = False) -> None:
        self.name = name
        self.ended = threading.Event()
        self._calls = calls
        self._hangs = hangs
        self.thread = LastingThread(self.ended.wait, name)

    def start(self) -> None:
        self._calls.append(f"start {self.name}")
        self.thread.start()

    def stop(self, timeout_s: float) -> bool:
        self._calls.append(f"stop {self.name}")
        self.thread.dismiss()
        self.die()
        return not self._hangs

    def die(self) -> None:
        self.ended.set()
        self.thread.join()

    def as_part(self) -> Part:
        return Part(self.name, self.start, self.stop)


def test_parts_stop_in_the_reverse_order_of_their_start() -> None:
    calls: list[str] = []
    supervisor = Supervisor([PlayedPart(name, calls).as_part() for name in "abc"])
    supervisor.start()
    assert supervisor.stop(1.0)
    assert calls == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]


def test_a_part_that_hangs_does_not_keep_the_others_from_stopping() -> None:
    calls: list[str] = []
    supervisor = Supervisor([PlayedPart("a", calls).as_part(), PlayedPart("b", calls, hangs=True).as_part()])
    supervisor.start()
    assert not supervisor.stop(0.0)
    assert calls[-2:] == ["stop b", "stop a"]


def test_a_thread_that_ends_unasked_is_noticed() -> None:
    parts = [PlayedPart(name, []) for name in ("net", "disk")]
    supervisor = Supervisor([part.as_part() for part in parts])
    supervisor.start()
    assert supervisor.dead_threads() == []
    parts[1].die()
    assert supervisor.dead_threads() == ["disk"]
    supervisor.stop(1.0)


def test_threads_of_others_may_come_and_go() -> None:
    other = PlayedPart("other", [])
    other.start()
    supervisor = Supervisor([])
    supervisor.start()
    other.die()
    assert supervisor.dead_threads() == []


def test_a_thread_that_died_before_the_first_look_is_noticed() -> None:
    part = PlayedPart("net", [])
    supervisor = Supervisor([part.as_part()])
    supervisor.start()
    part.die()
    assert supervisor.dead_threads() == ["net"]


def test_a_reload_reaches_the_parts_that_read_files() -> None:
    calls: list[str] = []
    quiet = PlayedPart("a", calls).as_part()
    Supervisor([quiet, quiet._replace(reload=lambda: calls.append("reload b"))]).reload()
    assert calls == ["reload b"]


def test_a_thread_that_was_told_to_end_is_not_missed() -> None:
    part = PlayedPart("disk", [])
    supervisor = Supervisor([part.as_part()])
    supervisor.start()
    part.thread.dismiss()
    part.die()
    assert supervisor.dead_threads() == []


def test_the_helpers_of_a_job_come_and_go() -> None:
    part, helper = PlayedPart("disk", []), threading.Event()
    supervisor = Supervisor([part.as_part()])
    supervisor.start()
    thread = threading.Thread(target=helper.wait, name="author_0", daemon=True)
    thread.start()
    assert supervisor.dead_threads() == []
    helper.set()
    thread.join()
    assert supervisor.dead_threads() == []
    supervisor.stop(1.0)


def test_a_thread_that_a_part_had_before_the_start_is_looked_after_and_those_of_others_are_not() -> None:
    ours, other = PlayedPart("early", []), PlayedPart("other", [])
    supervisor = Supervisor([ours.as_part()._replace(start=lambda: None, threads=lambda: [ours.thread])])
    for part in (ours, other):
        part.start()
    supervisor.start()
    for part in (ours, other):
        part.die()
    assert supervisor.dead_threads() == ["early"]


def test_a_thread_that_just_begins_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    part, supervisor = PlayedPart("disk", []), Supervisor([])
    supervisor.start()
    seen: list[list[str]] = []
    begun = part.thread._started       # type: ignore[attr-defined]

    def begin() -> None:               # it has its number, and is not "alive" yet
        seen.append(supervisor.dead_threads())
        threading.Event.set(begun)

    monkeypatch.setattr(begun, "set", begin)
    part.start()
    part.die()
    assert seen == [[]]
