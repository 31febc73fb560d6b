"""What a line is told, and in which order."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from blobtorrent.core.session.announceledger import AnnounceLedger, Share
from blobtorrent.core.session.announcequeue import Line
from blobtorrent.discovery.messages import ANYWHERE
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.protocol.tracker.announce import AnnounceEvent, AnnounceQuery

STARTED, NONE, COMPLETED, STOPPED = (
    AnnounceEvent.STARTED, AnnounceEvent.NONE, AnnounceEvent.COMPLETED, AnnounceEvent.STOPPED)
TORRENT = InfoHash(v1=bytes(20))
LINE = Line("http://a.test/announce", bytes(20), ANYWHERE)


def figures(uploaded: int) -> AnnounceQuery:
    return AnnounceQuery(bytes(20), PeerId(bytes(20)), 1, uploaded, 0, 0, STOPPED)


class Life:
    """One line and its ledger."""

    def __init__(self) -> None:
        self.ledger = AnnounceLedger()

    def ask(self, *, has_completed: bool = False) -> None:
        self.ledger.ask(LINE, TORRENT, has_completed=has_completed)

    def leave(self, uploaded: int = 0, *, is_awaited: bool = True) -> None:
        self.ledger.leave(LINE, figures(uploaded), is_awaited=is_awaited)

    def take(self) -> AnnounceEvent | None:
        tell = self.ledger.take(LINE)
        return None if tell is None else tell.event

    def answer(self, *, is_taken: bool = True) -> Share:
        return self.ledger.answered(LINE, is_taken=is_taken)

    def told(self) -> list[AnnounceEvent]:
        """All that is owed, to a tracker that takes it."""
        events = []
        while (event := self.take()) is not None:
            events.append(event)
            self.answer()
        return events


@pytest.fixture
def line() -> Life:
    return Life()


@pytest.fixture
def known(line: Life) -> Life:
    line.ask()
    assert line.told() == [STARTED]
    return line


def test_a_tracker_hears_started_until_it_takes_it_and_then_nothing_special(line: Life) -> None:
    for event, is_taken in ((STARTED, False), (STARTED, True), (NONE, False), (NONE, True)):
        line.ask()
        assert line.take() is event
        assert line.answer(is_taken=is_taken) is Share.ROUND
        assert line.take() is None


def test_nothing_is_told_before_the_last_was_answered(line: Life) -> None:
    line.ask()
    line.take()
    line.ledger.complete(LINE)
    line.leave()
    assert line.take() is None


def test_completed_is_told_at_once_and_once(known: Life) -> None:
    known.ledger.complete(LINE)
    assert known.take() is COMPLETED
    assert known.answer() is Share.NEWS
    known.ask(has_completed=True)
    assert known.told() == [NONE]


def test_completed_that_was_not_taken_is_told_again_when_the_tracker_serves(known: Life) -> None:
    known.ledger.complete(LINE)
    for _ in range(3):
        assert known.take() is COMPLETED
        assert known.answer(is_taken=False) is Share.NEWS
        assert known.take() is None
        known.ask(has_completed=True)
        assert known.take() is NONE
        assert known.answer() is Share.ROUND
    assert known.told() == [COMPLETED]


def test_completed_serves_as_the_announce_that_was_due_if_it_is_taken(known: Life) -> None:
    known.ledger.complete(LINE)
    known.ask(has_completed=True)
    assert known.take() is COMPLETED
    assert known.answer() is Share.ROUND
    assert known.take() is None


def test_a_round_does_not_fail_by_completed(known: Life) -> None:
    known.ledger.complete(LINE)
    known.ask(has_completed=True)
    assert known.take() is COMPLETED
    assert known.answer(is_taken=False) is Share.NEWS
    assert known.take() is NONE


def test_who_is_asked_later_in_this_life_hears_of_it_too(line: Life) -> None:
    line.ask(has_completed=True)
    assert line.told() == [STARTED, COMPLETED]


def test_who_knows_us_hears_the_rest_with_the_figures_of_the_end(known: Life) -> None:
    known.ledger.complete(LINE)
    known.leave(7)
    told = []
    while (tell := known.ledger.take(LINE)) is not None:
        assert tell.farewell is not None
        told.append((tell.event, tell.farewell.uploaded))
        assert not known.ledger.is_quiet
        assert known.answer() is Share.PAST
    assert told == [(COMPLETED, 7), (STOPPED, 7)]
    assert known.ledger.is_quiet and len(known.ledger) == 0


def test_who_never_took_anything_hears_nothing_more(line: Life) -> None:
    line.ask()
    line.take()
    line.leave()
    assert not line.ledger.is_quiet
    assert line.answer(is_taken=False) is Share.PAST
    assert line.take() is None
    assert line.ledger.is_quiet and len(line.ledger) == 0


def test_who_takes_started_too_late_hears_the_rest(line: Life) -> None:
    line.ask()
    line.take()
    line.ledger.complete(LINE)
    line.leave(is_awaited=False)
    assert line.ledger.is_quiet
    line.answer()
    assert not line.ledger.is_quiet
    assert line.told() == [COMPLETED, STOPPED]


def test_the_end_is_told_once_whether_it_is_taken_or_not(known: Life) -> None:
    known.ledger.complete(LINE)
    known.leave()
    for event in (COMPLETED, STOPPED):
        assert known.take() is event
        known.answer(is_taken=False)
    assert known.take() is None and known.ledger.is_quiet


def test_completed_that_was_under_way_at_the_end_is_tried_once_more(known: Life) -> None:
    known.ledger.complete(LINE)
    known.take()
    known.leave()
    known.answer(is_taken=False)
    assert known.told() == [COMPLETED, STOPPED]


def test_a_new_life_begins_when_the_end_of_the_one_before_was_told(line: Life) -> None:
    line.ask()
    line.take()
    line.ledger.complete(LINE)
    line.leave()
    line.ask()
    line.answer()
    assert line.told() == [COMPLETED, STOPPED, STARTED]


def test_a_life_that_was_never_told_of_leaves_the_one_before_as_it_was(known: Life) -> None:
    known.leave(7)
    known.ask()
    known.leave(8)
    tell = known.ledger.take(LINE)
    assert tell is not None and tell.farewell is not None and tell.farewell.uploaded == 7
    known.answer()
    assert known.told() == [] and len(known.ledger) == 0


def test_what_was_taken_back_is_still_owed(known: Life) -> None:
    known.ledger.complete(LINE)
    assert known.take() is COMPLETED
    known.ledger.take_back(LINE)
    known.leave()
    assert known.told() == [COMPLETED, STOPPED]


def test_a_round_that_gives_up_is_owed_nothing(line: Life) -> None:
    line.ask()
    line.take()
    line.ledger.take_back(LINE)
    line.ledger.give_up(LINE)
    assert line.take() is None and len(line.ledger) == 0


@pytest.mark.parametrize("seed", range(200))
def test_whatever_happens_a_tracker_hears_whole_lives(seed: int) -> None:
    """A tracker that answers now and then, a torrent that comes and goes: what it took is (started ... stopped)*, with
    one `completed` in each life that had one and was still told of."""
    rng, life = random.Random(seed), Life()
    taken: list[AnnounceEvent] = []
    lives = {"completed": 0}
    state = {"runs": False, "completed": False}

    def begin() -> None:
        state["runs"], state["completed"] = True, False
        life.ask()

    def complete() -> None:
        lives["completed"] += not state["completed"]
        state["completed"] = True
        life.ledger.complete(LINE)

    def end() -> None:
        state["runs"] = False
        life.leave(is_awaited=rng.random() < 0.5)

    under_way: list[AnnounceEvent] = []

    def answer(is_taken: bool) -> None:
        event = under_way.pop()
        if is_taken or event is STOPPED:                   # one that is not heard is as good as told
            taken.append(event)
        life.answer(is_taken=is_taken)

    for _ in range(60):
        steps: list[Callable[[], None]] = [begin]
        if state["runs"]:
            steps = [end, complete, lambda: life.ask(has_completed=state["completed"])]
        if under_way:
            steps += [lambda: answer(True)] * 2 + [lambda: answer(False)]
        rng.choice(steps)()
        if (event := life.take()) is not None:
            assert not under_way
            under_way.append(event)
    is_last_complete = state["runs"] and state["completed"]
    if state["runs"]:
        for _ in range(20):
            life.ask(has_completed=state["completed"])
            if not under_way and (event := life.take()) is not None:
                under_way.append(event)
            answer(True)
        end()
    while under_way or (event := life.take()) is not None:
        if not under_way:
            assert event is not None
            under_way.append(event)
        answer(True)
    assert len(life.ledger) == 0 and life.ledger.is_quiet
    text = "".join({STARTED: "(", NONE: ".", COMPLETED: "c", STOPPED: ")"}[event] for event in taken)
    for one in text.split(")")[:-1]:
        assert one.startswith("(") and one.count("(") == 1 and one.count("c") <= 1, text
    assert text == "" or text.endswith(")")
    assert text.count("c") <= lives["completed"]
    assert not is_last_complete or "c" in text.split(")")[-2], text
