"""Who runs when not all may."""

from __future__ import annotations

from blobtorrent.core.session.queueing import Contender, QueueManager, QueuePlace
from blobtorrent.model.ids import InfoHash


def name(number: int) -> InfoHash:
    return InfoHash(v1=bytes([number]) * 20)


def leech(number: int, *, running: bool = False, stalled: bool = False, priority: int = 0) -> Contender:
    return Contender(name(number), priority, float(number), is_seed=False, is_running=running, is_stalled=stalled)


def seed(number: int, *, running: bool = False) -> Contender:
    return Contender(name(number), 0, float(number), is_seed=True, is_running=running)


def decide(queue: QueueManager, *contenders: Contender) -> tuple[list[int], list[int]]:
    verdict = queue.decide(contenders)
    return [one.v1[0] for one in verdict.start], [one.v1[0] for one in verdict.yield_]


def test_without_limits_everybody_runs() -> None:
    queue = QueueManager()
    assert not queue.is_needed
    assert decide(queue, leech(1), leech(2), seed(3)) == ([1, 2, 3], [])


def test_the_first_that_were_added_run_and_each_kind_has_its_own_limit() -> None:
    queue = QueueManager(active_downloads=2, active_seeds=1)
    assert decide(queue, leech(3), leech(1), leech(2), seed(5), seed(4)) == ([1, 2, 4], [])


def test_a_higher_priority_takes_the_place_of_a_lower_one() -> None:
    queue = QueueManager(active_downloads=1)
    assert decide(queue, leech(1, running=True), leech(2, priority=1)) == ([2], [1])


def test_a_stalled_torrent_holds_no_place_and_runs_on() -> None:
    queue = QueueManager(active_downloads=1)
    assert decide(queue, leech(1, running=True, stalled=True), leech(2)) == ([2], [])


def test_when_a_stalled_torrent_moves_again_the_last_in_rank_yields() -> None:
    queue = QueueManager(active_downloads=1)
    assert decide(queue, leech(1, running=True), leech(2, running=True)) == ([], [2])


def test_a_torrent_without_room_holds_no_place_and_is_given_none() -> None:
    queue = QueueManager(active_downloads=1)
    held, like_it = leech(1, running=True)._replace(lacks_room=True), leech(2)._replace(lacks_room=True)
    assert decide(queue, held, like_it, leech(3), leech(4)) == ([3], [])


def test_a_torrent_without_room_need_not_wait_when_there_is_no_limit() -> None:
    queue = QueueManager(active_seeds=1)
    assert decide(queue, leech(1)._replace(lacks_room=True)) == ([1], [])


def test_a_limit_that_is_met_changes_nothing() -> None:
    queue = QueueManager(active_downloads=2)
    assert decide(queue, leech(1, running=True), leech(2, running=True), leech(3)) == ([], [])


def test_who_ignores_the_queue_runs_and_takes_no_place() -> None:
    queue = QueueManager(active_downloads=1)
    urgent = leech(3)._replace(ignores_queue=True)
    assert decide(queue, leech(1), leech(2), urgent) == ([1, 3], [])
    assert decide(queue, leech(4, running=True), urgent._replace(is_running=True)) == ([], [])


def test_one_that_waits_knows_who_runs_and_who_waits_before_it() -> None:
    queue = QueueManager(active_downloads=2, active_seeds=1)
    contenders = [
        leech(1, running=True), leech(2, running=True), leech(3, running=True, stalled=True), leech(4), leech(5),
        leech(6, priority=1), leech(7), seed(8), seed(9), leech(10)._replace(ignores_queue=True),
    ]
    assert queue.place_of(name(5), contenders) == QueuePlace(False, limit=2, running=2, ahead=2, lacks_room=False)
    assert queue.place_of(name(6), contenders).ahead == 0
    assert queue.place_of(name(9), contenders) == QueuePlace(True, limit=1, running=0, ahead=1, lacks_room=False)


def test_one_that_waits_for_room_is_in_nobodys_way() -> None:
    queue = QueueManager(active_downloads=1)
    contenders = [leech(1)._replace(lacks_room=True), leech(2)]
    assert queue.place_of(name(1), contenders).lacks_room
    assert queue.place_of(name(2), contenders).ahead == 0
