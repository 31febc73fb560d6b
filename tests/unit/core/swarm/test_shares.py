from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from blobtorrent.core.swarm.shares import Shares
from blobtorrent.model.geometry import BLOCK_SIZE, PieceGeometry
from blobtorrent.model.ids import PeerId

MIB = 1 << 20


def peer(number: int, *, is_seed: bool = False) -> Any:
    return SimpleNamespace(greeting=SimpleNamespace(peer_id=PeerId(bytes((number,)) * 20)), is_seed=is_seed)


def shares_of(numbers: list[int], num_pieces: int, piece_length: int = MIB, seeds: int = 0) -> list[Shares]:
    """Of peers that are all linked with each other, and with some seeds."""
    found = []
    for own in numbers:
        shares = Shares(PieceGeometry(num_pieces * piece_length, piece_length))
        others = [peer(number) for number in numbers if number != own]
        shares.divide(PeerId(bytes((own,)) * 20), [*others, *[peer(255, is_seed=True)] * seeds])
        found.append(shares)
    return found


@pytest.mark.parametrize("count", [2, 3, 5, 8, 50])
def test_peers_that_know_each_other_fetch_different_pieces_and_together_all_of_them(count):
    everything = (1 << 1000) - 1
    firsts = [shares.first_of(everything) for shares in shares_of(list(range(count)), 1000, seeds=1)]
    assert sum(firsts) == everything                       # no bit is set twice, or the sum would carry
    assert max(first.bit_count() for first in firsts) <= 1000 // count + 2


def test_who_is_alone_with_seeds_fetches_anything():
    (shares,) = shares_of([3], 40, seeds=2)
    assert shares.first_of(0b1011) == 0b1011


def test_nothing_is_left_to_peers_that_do_not_fetch_it():
    for shares in shares_of(list(range(6)), 100):
        rest, rounds = (1 << 100) - 1, 0
        while rest:
            rest ^= shares.first_of(rest)
            rounds += 1
        assert rounds <= 4                                 # of 1, 2, 4 and all 6 peers


def test_who_is_done_helps_its_neighbours_before_others():
    eight = shares_of(list(range(8)), 800)
    everything = (1 << 800) - 1
    firsts = [shares.first_of(everything) for shares in eight]
    for place, shares in enumerate(eight):
        second = shares.first_of(everything ^ firsts[place])
        assert second == firsts[place ^ 1]
        third = shares.first_of(everything ^ firsts[place] ^ second)
        assert third == sum(firsts[other] for other in range(8) if other >> 1 == (place >> 1) ^ 1)


def test_a_share_of_small_pieces_is_of_runs_and_reaches_over_the_whole_torrent():
    shares = shares_of([0, 1, 2, 3], 4096, BLOCK_SIZE)[1]
    share = shares.first_of((1 << 4096) - 1)
    bits = f"{share:b}"[::-1]
    runs = [run for run in bits.split("0") if run]
    assert {len(run) for run in runs} == {64}
    assert len(runs) == 16


def test_shares_change_when_peers_come_and_become_seeds():
    shares = Shares(PieceGeometry(64 * MIB, MIB))
    own, everything = PeerId(bytes((5,)) * 20), (1 << 64) - 1
    shares.divide(own, [peer(1), peer(9)])
    assert shares.first_of(everything).bit_count() == pytest.approx(21, abs=1)
    shares.divide(own, [peer(1), peer(9, is_seed=True)])
    assert shares.first_of(everything).bit_count() == 32
    shares.divide(own, [])
    assert shares.first_of(everything) == everything


def test_two_links_of_one_peer_count_once():
    shares = Shares(PieceGeometry(64 * MIB, MIB))
    shares.divide(PeerId(bytes((5,)) * 20), [peer(1), peer(1)])
    assert shares.first_of((1 << 64) - 1).bit_count() == 32


def test_peers_with_other_neighbours_overlap_no_more_than_by_chance():
    generator = random.Random(1)
    num_pieces, firsts = 2000, []
    for own in generator.sample(range(200), 40):
        shares = Shares(PieceGeometry(num_pieces * MIB, MIB))
        known = generator.sample([number for number in range(200) if number != own], 7 + own % 9)
        shares.divide(PeerId(bytes((own,)) * 20), [peer(number) for number in known])
        firsts.append(shares.first_of((1 << num_pieces) - 1))
    common = expected = 0.0
    for number, first in enumerate(firsts):
        for other in firsts[:number]:
            common += (first & other).bit_count()
            expected += first.bit_count() * other.bit_count() / num_pieces
    assert common < 1.1 * expected
