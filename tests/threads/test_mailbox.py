"""A waking mailbox between real threads: no wake may be lost, whoever is interrupted where."""

from __future__ import annotations

import select
import sys
import threading

import pytest

from blobtorrent.runtime.mailbox import WakingMailbox


@pytest.fixture
def frantic_switching():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_no_message_waits_without_a_wake(frantic_switching):
    mailbox: WakingMailbox[int] = WakingMailbox("box")
    total, posters = 4000, 4
    threads = [
        threading.Thread(target=lambda: [mailbox.post(number) for number in range(total)]) for _ in range(posters)
    ]
    for thread in threads:
        thread.start()
    poll = select.poll()               # other tests of this process may hold more descriptors than select takes
    poll.register(mailbox, select.POLLIN)
    received = 0
    while received < total * posters:
        assert poll.poll(20_000), f"asleep with {mailbox.depth} messages waiting"
        received += len(mailbox.drain(limit=7))
    for thread in threads:
        thread.join()
    assert not poll.poll(0)
    mailbox.close()


def test_posting_while_the_owner_closes_is_safe(frantic_switching):
    for _ in range(20):
        mailbox: WakingMailbox[int] = WakingMailbox("box")
        poster = threading.Thread(target=lambda box=mailbox: [box.post(n) for n in range(50)])
        poster.start()
        mailbox.drain()
        mailbox.close()
        poster.join()
        mailbox.drain()
        assert mailbox.fileno() == -1
