"""Workers and pools on real threads."""

from __future__ import annotations

import logging
import threading

import pytest

from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import Pool, State, Worker

PATIENCE_S = 20.0


def test_a_worker_handles_messages_in_order_and_finishes_what_was_posted_before_the_stop():
    mailbox: Mailbox[int] = Mailbox("box")
    handled: list[int] = []
    worker = Worker("worker", mailbox, handled.append)
    for number in range(100):
        mailbox.post(number)
    worker.start()
    assert worker.stop(PATIENCE_S)
    assert handled == list(range(100))
    assert (worker.state, worker.handled, worker.is_alive) == (State.STOPPED, 100, False)


def test_a_failing_message_is_logged_and_the_next_one_handled(caplog):
    mailbox: Mailbox[int] = Mailbox("box")
    handled: list[float] = []
    worker = Worker("divider", mailbox, lambda number: handled.append(1 / number))
    for number in (1, 0, 2):
        mailbox.post(number)
    worker.start()
    assert worker.stop(PATIENCE_S)
    assert (handled, worker.failures) == ([1.0, 0.5], 1)
    assert "thread divider: a int failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_what_breaks_the_thread_is_told_and_leaves_it_crashed(caplog):
    mailbox: Mailbox[int] = Mailbox("box")
    crashes: list[BaseException] = []
    told = threading.Event()

    def on_crash(_worker: Worker[int], error: BaseException) -> None:
        crashes.append(error)
        told.set()

    def handle(_message: int) -> None:
        raise SystemExit("no more")

    worker = Worker("fragile", mailbox, handle, on_crash)
    worker.start()
    mailbox.post(1)
    assert told.wait(PATIENCE_S)
    assert worker.stop(PATIENCE_S)
    assert worker.state is State.CRASHED
    assert isinstance(crashes[0], SystemExit)
    assert any(record.levelno == logging.CRITICAL for record in caplog.records)


def test_a_worker_that_never_started_stops_at_once():
    worker = Worker("idle", Mailbox[int]("box"), lambda _message: None)
    assert worker.stop(0)
    assert worker.state is State.STOPPED


def test_a_worker_stuck_in_its_job_does_not_hold_up_the_one_who_stops_it():
    stuck, release = threading.Event(), threading.Event()

    def handle(_message: int) -> None:
        stuck.set()
        release.wait(PATIENCE_S)

    mailbox: Mailbox[int] = Mailbox("box")
    worker = Worker("stuck", mailbox, handle)
    worker.start()
    mailbox.post(1)
    assert stuck.wait(PATIENCE_S)
    assert not worker.stop(0.01)
    release.set()
    assert worker.join(PATIENCE_S)


def test_a_waiting_worker_does_not_keep_the_last_message_alive():
    class Job:
        freed = threading.Event()

        def __del__(self) -> None:
            self.freed.set()

    mailbox: Mailbox[Job] = Mailbox("box")
    worker = Worker("worker", mailbox, lambda _job: None)
    worker.start()
    mailbox.post(Job())
    assert Job.freed.wait(PATIENCE_S)
    assert worker.stop(PATIENCE_S)


def test_a_pool_works_on_several_messages_at_once_and_stops_all_its_threads():
    together = threading.Barrier(3)
    pool: Pool[int] = Pool("pool", 3, lambda _message: together.wait(PATIENCE_S) and None)
    pool.start()
    for number in range(6):
        pool.post(number)
    assert pool.stop(PATIENCE_S)
    assert [worker.state for worker in pool.workers] == [State.STOPPED] * 3
    assert [worker.name for worker in pool.workers] == ["pool-0", "pool-1", "pool-2"]
    assert (sum(worker.handled for worker in pool.workers), sum(worker.failures for worker in pool.workers)) == (6, 0)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_pool_handles_every_message_once(workers):
    handled: list[int] = []
    pool: Pool[int] = Pool("pool", workers, handled.append)
    pool.start()
    posters = [
        threading.Thread(target=lambda start=start: [pool.post(start + number) for number in range(500)])
        for start in (0, 500, 1000)
    ]
    for poster in posters:
        poster.start()
    for poster in posters:
        poster.join()
    assert pool.stop(PATIENCE_S)
    assert sorted(handled) == list(range(1500))


def test_a_worker_answers_with_a_beat_in_turn():
    handled: list[int] = []
    worker = Worker("worker", Mailbox("box"), handled.append)
    worker.mailbox.post(1)
    worker.ask_beat()
    worker.start()
    assert worker.stop(PATIENCE_S)
    assert (handled, worker.handled, worker.beats) == ([1], 1, 1)
