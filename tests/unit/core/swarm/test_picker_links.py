"""The picker among the links of a swarm: who shares a piece, who gets what, and what changes while it runs."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.messages import ChangeSwarm, SwarmSettings
from blobtorrent.core.swarm.picker import RANDOM_PIECES
from blobtorrent.core.swarm.speeds import FAST, MEDIUM, SLOW
from blobtorrent.core.swarm.weights import PRESETS, in_order
from blobtorrent.protocol.wire import messages as wire
from tests.support.oneswarm import OneSwarm, outstanding
from tests.support.stored import StoredTorrent

K = 1024
PIECE = 64 * 16 * K


@pytest.fixture(scope="module")
def torrent() -> StoredTorrent:
    return StoredTorrent([12 * PIECE], PIECE)


def pieces_of(link) -> set[int]:
    return {index for index, _ in outstanding(link)}


def two_links(torrent: StoredTorrent, speeds: tuple[int, int], have: int) -> tuple[set[int], set[int]]:
    """The pieces that each is asked for; neither has room for a whole one."""
    one = OneSwarm(torrent, have=range(have))
    links = [one.join(unchoked=False) for _ in speeds]
    for link, speed in zip(links, speeds):
        link.speed = speed
        one.tell(link, wire.Unchoke())
    assert max(link.window.size for link in links) < 64
    return pieces_of(links[0]), pieces_of(links[1])


def test_links_of_the_same_speed_share_a_piece_that_is_too_large_for_one(torrent):
    first, second = two_links(torrent, (MEDIUM, MEDIUM), RANDOM_PIECES)
    assert first == second


def test_links_of_other_speeds_do_not(torrent):
    first, second = two_links(torrent, (SLOW, FAST), RANDOM_PIECES)
    assert not first & second


def test_while_there_is_next_to_nothing_to_give_all_of_them_do(torrent):
    first, second = two_links(torrent, (SLOW, FAST), RANDOM_PIECES - 1)
    assert first == second


def test_the_speeds_of_links_follow_what_they_send(torrent):
    one = OneSwarm(torrent)
    fast, slow = one.join(), one.join()
    one.give(slow, outstanding(slow)[:1])
    one.pass_time(1.1)
    for _ in range(4):
        one.give(fast, outstanding(fast)[:4])
        one.pass_time(1.0)
    assert (fast.speed, slow.speed) == (FAST, SLOW)


def test_other_weights_hold_while_it_runs(torrent):
    one = OneSwarm(torrent)
    assert one.swarm.picker.weights == PRESETS["balanced"]
    one.swarm.change(ChangeSwarm(one.swarm.info_hash, SwarmSettings(picker=PRESETS["archive"])))
    assert one.swarm.picker.weights == PRESETS["archive"]
    one.swarm.change(ChangeSwarm(one.swarm.info_hash, SwarmSettings(picker=PRESETS["archive"], is_sequential=True)))
    assert one.swarm.picker.weights == in_order(PRESETS["archive"])
    assert one.swarm.picker.is_sequential


def test_a_piece_of_which_a_slow_link_is_not_asked_is_left_to_the_fast_one(torrent):
    one = OneSwarm(torrent, have=range(RANDOM_PIECES), picker=PRESETS["sequential"])
    fast, slow = one.join(unchoked=False), one.join(range(6), unchoked=False)
    fast.speed, slow.speed = FAST, SLOW
    fast.state.on_unchoke()                                # and has not been asked yet
    fast.update_askable()
    one.tell(slow, wire.Unchoke())
    assert pieces_of(slow) == set()
    one.swarm.fill(fast)
    assert min(pieces_of(fast)) == RANDOM_PIECES
