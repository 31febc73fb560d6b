"""The search for the size that the path takes."""

from __future__ import annotations

import pytest

from blobtorrent.protocol.utp.mtu import AGAIN_S, CLOSE_ENOUGH, MtuSearch

LEAST, MOST = 548, 1472


def search(path: int, mtu: MtuSearch, now: float = 0.0) -> int:
    """Send probes until there is nothing to find out; how many were lost."""
    lost = 0
    while size := mtu.probe_bytes(now):
        mtu.on_sent()
        assert mtu.probe_bytes(now) == 0, "one at a time"
        if size <= path:
            mtu.on_delivered(size)
        else:
            mtu.on_lost(size)
            lost += 1
        assert lost < 12
    return lost


@pytest.mark.parametrize("path", [548, 560, 700, 1252, 1372, 1464, 1471])
def test_it_comes_close_to_any_size(path):
    mtu = MtuSearch(LEAST, MOST)
    assert search(path, mtu) <= 9
    assert path - CLOSE_ENOUGH <= mtu.floor <= path


def test_most_paths_are_known_after_one():
    mtu = MtuSearch(LEAST, MOST)
    assert mtu.probe_bytes(0.0) == MOST
    assert search(1500, mtu) == 0
    assert mtu.floor == MOST and mtu.probe_bytes(1e9) == 0


def test_one_loss_of_the_largest_may_be_chance():
    mtu = MtuSearch(LEAST, MOST)
    mtu.on_sent()
    mtu.on_lost(MOST)
    assert mtu.probe_bytes(0.0) == MOST
    mtu.on_sent()
    mtu.on_lost(MOST)
    assert mtu.probe_bytes(0.0) == (LEAST + MOST) // 2


def test_it_looks_again_when_routes_may_have_changed():
    mtu = MtuSearch(LEAST, MOST)
    search(1200, mtu)
    assert mtu.floor <= 1200
    assert mtu.probe_bytes(AGAIN_S - 1) == 0
    search(1500, mtu, AGAIN_S)
    assert mtu.floor == MOST


def test_when_nothing_passes_any_more_it_begins_from_the_least():
    mtu = MtuSearch(LEAST, MOST)
    search(1500, mtu)
    mtu.on_black_hole()
    assert mtu.floor == LEAST
    search(1000, mtu)
    assert 1000 - CLOSE_ENOUGH <= mtu.floor <= 1000


def test_a_peer_that_takes_more_raises_the_limit():
    mtu = MtuSearch(LEAST, MOST)
    search(1500, mtu)
    mtu.raise_ceiling(65507)
    search(65535, mtu)
    assert mtu.floor == 65507
    mtu.raise_ceiling(100)
    assert mtu.ceiling == 65507


def test_a_peer_that_says_the_same_again_starts_no_search():
    mtu = MtuSearch(LEAST, MOST)
    mtu.raise_ceiling(65507)
    search(9000, mtu)
    mtu.raise_ceiling(65507)
    assert mtu.probe_bytes(0.0) == 0
