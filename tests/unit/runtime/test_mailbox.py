from __future__ import annotations

import queue
import select

import pytest

from blobtorrent.runtime.mailbox import Mailbox, WakingMailbox


def is_readable(mailbox: WakingMailbox[int]) -> bool:
    poll = select.poll()
    poll.register(mailbox, select.POLLIN)
    return bool(poll.poll(0))


@pytest.fixture
def waking():
    mailbox = WakingMailbox[int]("waking")
    yield mailbox
    mailbox.close()


@pytest.mark.parametrize("kind", [Mailbox, WakingMailbox])
def test_messages_come_out_in_the_order_they_were_posted(kind):
    mailbox = kind("box")
    for number in range(5):
        mailbox.post(number)
    assert mailbox.depth == 5
    assert mailbox.get() == 0
    assert mailbox.drain() == [1, 2, 3, 4]
    assert (mailbox.depth, mailbox.drain()) == (0, [])


@pytest.mark.parametrize("kind", [Mailbox, WakingMailbox])
def test_a_drain_takes_no_more_than_its_limit(kind):
    mailbox = kind("box")
    for number in range(5):
        mailbox.post(number)
    assert [mailbox.drain(2), mailbox.drain(2), mailbox.drain(2)] == [[0, 1], [2, 3], [4]]


def test_an_empty_mailbox_tells_that_nothing_came_in_time():
    with pytest.raises(queue.Empty):
        Mailbox("box").get(timeout_s=0)


def test_a_waking_mailbox_is_readable_while_it_holds_messages(waking):
    assert not is_readable(waking)
    waking.post(1)
    waking.post(2)
    assert is_readable(waking)
    waking.drain()
    assert not is_readable(waking)


def test_what_a_drain_left_behind_wakes_again(waking):
    for number in range(3):
        waking.post(number)
    waking.drain(limit=2)
    assert is_readable(waking)
    assert waking.drain() == [2]
    assert not is_readable(waking)


def test_only_the_first_message_of_a_batch_costs_a_wake(waking):
    for number in range(1000):
        waking.post(number)
    assert len(waking._wake_in.recv(4096)) == 1


def test_a_mailbox_that_nobody_drains_takes_any_number_of_messages(waking):
    for _ in range(300):
        waking.post(0)
        waking.get()      # leaves the wake behind: each post finds an empty mailbox and wakes again
    waking.post(1)
    assert is_readable(waking)


def test_posting_to_a_closed_mailbox_is_silent(waking):
    waking.close()
    waking.post(1)
    waking.drain()
    waking.post(2)
    assert waking.drain() == [2]
