"""The status board between two threads, without a lock."""

from __future__ import annotations

import random
import sys
import threading

import pytest

from blobtorrent.runtime.board import StatusBoard

KEYS = 50
STEPS = 60_000


@pytest.fixture
def hurried_threads():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried_threads")
@pytest.mark.parametrize("seed", range(3))
def test_a_reader_of_changes_misses_nothing_while_another_thread_writes(seed):
    board: StatusBoard[int, int] = StatusBoard()
    rng = random.Random(seed)

    def write():
        for step in range(STEPS):
            key = rng.randrange(KEYS)
            if rng.random() < 0.2:
                board.withdraw(key)
            else:
                board.publish(key, step)

    writer = threading.Thread(target=write)
    known: dict[int, int] = {}
    revision = reads = 0
    writer.start()
    is_over = False
    while not is_over:
        is_over = not writer.is_alive()                    # then this read is the last
        changes = board.read_since(revision)
        if changes.is_full:
            known = {}
        known |= changes.changed
        for gone in changes.withdrawn:
            known.pop(gone, None)
        revision, reads = changes.revision, reads + 1
    writer.join()
    assert known == board.read_all()
    assert reads > 10
