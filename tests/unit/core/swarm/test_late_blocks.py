"""Blocks that come although they were taken back: what the wire carried already is of use."""

from __future__ import annotations

from tests.support.oneswarm import OneSwarm, outstanding
from tests.support.stored import StoredTorrent


def cancelled(one: OneSwarm):
    """A link that was asked for blocks, and then for none of them."""
    link = one.join()
    one.swarm.fill(link)
    asked = outstanding(link)
    one.swarm.requests.cancel_all(link)
    assert asked and not outstanding(link)
    return link, asked


def test_a_block_that_was_cancelled_too_late_is_kept_and_not_asked_for_again():
    one = OneSwarm(StoredTorrent([1 << 20], 1 << 20))
    link, asked = cancelled(one)
    reserved = one.arena.reserved
    one.give(link, asked[:3])
    report = one.swarm.make_report()
    assert (report.downloaded_bytes, report.wasted_bytes) == (3 << 14, 0)
    assert one.arena.reserved == reserved + 3
    one.said()
    one.swarm.fill(one.join())
    assert not set(asked[:3]) & {block for other in one.swarm.links for block in outstanding(other)}


def test_a_block_that_was_cancelled_comes_into_use_once():
    one = OneSwarm(StoredTorrent([1 << 20], 1 << 20))
    link, asked = cancelled(one)
    reserved = one.arena.reserved
    one.give(link, [asked[0], asked[0]])
    report = one.swarm.make_report()
    assert (report.downloaded_bytes, report.wasted_bytes) == (2 << 14, 1 << 14)
    assert one.arena.reserved == reserved + 1
