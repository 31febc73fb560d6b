"""The link machine: phases, choke and interest."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import IllegalTransition
from blobtorrent.protocol.wire.link import LinkState, Phase


def test_a_link_starts_choked_and_without_interest_on_both_sides():
    link = LinkState()
    assert (link.am_choking, link.peer_choking) == (True, True)
    assert (link.am_interested, link.peer_interested) == (False, False)


def test_what_the_peer_repeats_changes_nothing_and_is_tolerated():
    link = LinkState()
    assert [link.on_choke(), link.on_unchoke(), link.on_unchoke(), link.on_choke()] == [False, True, False, True]
    assert [link.on_not_interested(), link.on_interested(), link.on_interested()] == [False, True, False]
    assert link.peer_choking and link.peer_interested


def test_what_we_repeat_is_a_bug():
    link = LinkState()
    link.unchoke()
    link.want()
    for repeat in (link.unchoke, link.want):
        with pytest.raises(IllegalTransition):
            repeat()
    assert not link.am_choking and link.am_interested


def test_the_two_directions_do_not_touch_each_other():
    link = LinkState()
    link.on_unchoke()
    link.on_interested()
    assert link.am_choking and not link.am_interested
    link.unchoke()
    link.want()
    link.on_choke()
    link.on_not_interested()
    assert not link.am_choking and link.am_interested


def test_a_link_is_open_once_the_peer_has_spoken():
    link = LinkState()
    assert link.phase is Phase.OPENING
    link.on_message()
    link.on_message()
    assert link.phase is Phase.OPEN


def test_a_draining_link_takes_what_still_comes_and_drains_on():
    link = LinkState()
    link.drain()
    link.on_message()
    assert link.phase is Phase.DRAINING
    link.close()
    assert link.phase is Phase.CLOSED


def test_a_link_closes_once():
    link = LinkState()
    link.close()
    with pytest.raises(IllegalTransition):
        link.close()
