"""The choker: everybody while there is room, then those that give most or that a seed's mode picks, some on trial."""

from __future__ import annotations

import random

import pytest

from blobtorrent.core.swarm import turns
from blobtorrent.core.swarm.choker import (
    FULL_ROUNDS,
    MAX_EXTRA_TRIALS,
    MAX_TURN_S,
    MIN_TURN_S,
    NEW_S,
    OPTIMISTIC_ROUNDS,
    QUOTA_PIECES,
    SNUB_S,
    STICKY,
    ChokeManager,
)
from blobtorrent.core.swarm.turns import RATE_S, Turn

ROUND_S = 10.0
PIECE = 1000
OLD = -10 * NEW_S


class Peer:
    """One that gives and takes at constant rates while it may."""

    def __init__(self, gives: float = 0.0, takes: float = 0.0, *, wants: bool = True, linked_at: float = OLD,
                 had: float = 0.0, host: str = "", is_silent: bool = False) -> None:
        self.is_silent = is_silent
        self.gives, self.takes = gives, takes
        self.turn = Turn(0.0, host)
        self.linked_at = linked_at
        self.is_unchoked = False
        self.is_interested = self.wants_data = wants
        self.part_had = had
        self.received_bytes = self.sent_bytes = 0

    def takes_nothing(self, now: float) -> bool:
        return self.is_silent


class Rig:
    def __init__(self, slots: int, **options: object) -> None:
        self.manager = ChokeManager(slots, ROUND_S, random.Random(1), piece_bytes=PIECE, **options)  # type: ignore[arg-type]
        self.now = 0.0

    def round(self, peers: list[Peer], *, seeding: bool = False, is_full: bool = False) -> list[Peer]:
        chosen = self.manager.round(peers, self.now, seeding=seeding, is_full=is_full)
        for peer in peers:
            if peer in chosen:
                peer.turn.note(self.now, peer.sent_bytes, chosen[peer], is_unchoked=True)
            else:
                cause = self.manager.why_choked(peer, self.now, seeding=seeding)
                peer.turn.note(self.now, peer.sent_bytes, cause, is_unchoked=False)
            peer.is_unchoked = peer in chosen
        self.now += ROUND_S
        for peer in peers:
            peer.received_bytes += round(peer.gives * ROUND_S)
            if peer.is_unchoked:
                peer.sent_bytes += round(peer.takes * ROUND_S)
            if peer.gives:
                peer.turn.gave_at = self.now
        return list(chosen)

    def rounds(self, peers: list[Peer], count: int, **how: bool) -> list[list[Peer]]:
        return [self.round(peers, **how) for _ in range(count)]


def regular(peers: list[Peer]) -> list[Peer]:
    return [peer for peer in peers if peer.is_unchoked and not peer.turn.is_optimistic]


def test_while_there_are_slots_everybody_who_wants_data_is_served():
    peers = [Peer(), Peer(wants=False), Peer()]
    assert Rig(2).round(peers) == [peers[0], peers[2]]
    assert [peer.turn.cause for peer in peers] == [turns.FREE_SLOT, turns.NOT_INTERESTED, turns.FREE_SLOT]


def test_without_slots_nobody_is_served():
    rig, peers = Rig(0, most_slots=9), [Peer(), Peer()]
    assert rig.round(peers) == []
    assert not rig.manager.may_unchoke_now(peers)
    assert {peer.turn.cause for peer in peers} == {turns.NO_SLOTS}


def test_one_slot_goes_to_the_best():
    rig, peers = Rig(1), [Peer(100), Peer(900), Peer(500)]
    assert rig.rounds(peers, 2)[-1] == [peers[1]]


def test_the_only_slot_goes_round_while_nobody_gives_anything():
    rig = Rig(1)
    peers = [Peer(takes=1.0) for _ in range(4)]
    served = [rig.round(peers) for _ in range(30 * OPTIMISTIC_ROUNDS)]
    assert all(len(chosen) == 1 for chosen in served)
    assert {id(chosen[0]) for chosen in served} == {id(peer) for peer in peers}
    peers[2].gives = 10.0
    for _ in range(100):
        if rig.round(peers) == [peers[2]]:
            break
    assert all(rig.round(peers) == [peers[2]] for _ in range(2 * OPTIMISTIC_ROUNDS)), "it gives, so it keeps the slot"


def test_a_leecher_serves_those_that_give_most_and_one_on_trial():
    rig, peers = Rig(4), [Peer(100 * rate) for rate in range(1, 11)]
    chosen = rig.rounds(peers, 2)[-1]
    assert chosen[:3] == peers[:6:-1]
    assert len(chosen) == 4
    assert chosen[3] in peers[:7] and chosen[3].turn.is_optimistic
    assert [peer.turn.cause for peer in chosen] == [turns.GIVES_MOST] * 3 + [turns.ON_TRIAL]


def test_what_was_given_counts_for_twenty_seconds():
    rig, burst, steady = Rig(1), Peer(5000), Peer(1000)
    peers = [burst, steady]
    rig.rounds(peers, 2)
    burst.gives = 0.0
    assert rig.round(peers) == [burst]             # half of what it gave in twenty seconds is more still
    assert rig.rounds(peers, round(RATE_S / ROUND_S))[-1] == [steady]


def test_who_has_a_slot_loses_it_to_one_that_is_better_by_a_tenth_only():
    rig, holder, rival = Rig(1), Peer(1000), Peer(900)
    peers = [holder, rival]
    rig.rounds(peers, 3)
    rival.gives = 1000 * STICKY - 50
    assert all(chosen == [holder] for chosen in rig.rounds(peers, 4))
    rival.gives = 1000 * STICKY + 50
    assert rig.rounds(peers, 4)[-1] == [rival]
    assert holder.turn.cause == turns.OTHERS_BETTER


def test_in_a_private_torrent_what_a_peer_takes_counts_as_well():
    for is_private in (False, True):
        rig, giver, taker = Rig(1, is_private=is_private), Peer(1000), Peer(700, 700)
        taker.is_unchoked = True
        rig.manager.round([giver, taker], 0.0, seeding=False)
        giver.received_bytes, taker.received_bytes, taker.sent_bytes = 10_000, 7000, 7000
        assert list(rig.manager.round([giver, taker], 10.0, seeding=False)) == [taker if is_private else giver]


def test_the_one_on_trial_changes_every_few_rounds_and_everybody_has_a_turn():
    rig, peers = Rig(2), [Peer(100.0), *[Peer(1.0) for _ in range(4)]]
    rig.round(peers)
    tried = [chosen[1] for chosen in rig.rounds(peers, OPTIMISTIC_ROUNDS * 40)]
    changes = [number for number in range(1, len(tried)) if tried[number] is not tried[number - 1]]
    assert len({number % OPTIMISTIC_ROUNDS for number in changes}) == 1
    assert set(map(id, tried)) == set(map(id, peers[1:]))
    assert sum(peer.turn.is_optimistic for peer in peers) == 1


def test_new_peers_are_on_trial_three_times_as_often():
    count = 0
    for seed in range(400):
        old = [Peer(linked_at=OLD) for _ in range(5)]
        manager = ChokeManager(2, ROUND_S, random.Random(seed))
        new = Peer(linked_at=0.0)
        best = Peer()
        best.received_bytes = 1
        count += new in list(manager.round([best, new, *old], 1.0, seeding=False))[1:]
    assert 0.30 < count / 400 < 0.45               # 3 of 8 tickets, where all alike would have 1 of 6


def test_peers_that_snub_us_lose_their_slots_and_as_many_more_go_round():
    rig, peers = Rig(8), [*[Peer(1000) for _ in range(4)], *[Peer(900) for _ in range(8)]]
    rig.rounds(peers, 3)
    for peer in peers[:2]:
        peer.gives = 0.0
    rig.rounds(peers, round(SNUB_S / ROUND_S) + 2)
    assert not {peers[0], peers[1]} & set(regular(peers))
    assert sum(peer.turn.is_optimistic for peer in peers) == 1 + 2
    choked = [peer for peer in peers[:2] if not peer.is_unchoked]
    assert all(peer.turn.cause == turns.SNUBS for peer in choked)
    for peer in peers[:6]:
        peer.gives = 0.0
    rig.rounds(peers, round(SNUB_S / ROUND_S) + 2)
    assert sum(peer.turn.is_optimistic for peer in peers) == 1 + MAX_EXTRA_TRIALS


def test_a_seed_serves_those_that_take_fastest_in_that_mode():
    rig, peers = Rig(4, seed_mode="fastest"), [Peer(takes=1000 * number) for number in range(10)]
    for peer in peers:
        peer.is_unchoked = True
    rig.manager.round(peers, 0.0, seeding=True)
    for peer in peers:
        peer.sent_bytes = round(peer.takes * ROUND_S)
    chosen = rig.manager.round(peers, ROUND_S, seeding=True)
    assert list(chosen)[:3] == peers[:6:-1]
    assert chosen[peers[9]] == turns.TAKES_FASTEST


def test_a_seed_against_leeches_serves_those_that_begin_and_those_that_end():
    rig, peers = Rig(5, seed_mode="anti-leech"), [Peer(had=number / 10) for number in range(11)]
    chosen = rig.round(peers, seeding=True)
    assert set(chosen[:4]) == {peers[0], peers[10], peers[1], peers[9]}
    assert peers[0].turn.cause == turns.BEGINS_OR_ENDS


@pytest.mark.parametrize("near", ["20.0.0.{}", "2a00:1:2:3::{}"])
def test_while_others_wait_only_one_of_a_subnet_has_a_slot(near):
    many = [Peer(1000 + number, 1000, host=near.format(number)) for number in range(1, 9)]
    others = [Peer(10, 10, host=f"21.0.{number}.1") for number in range(8)]
    for how in ({}, {"seeding": True}):
        rig = Rig(4)
        for chosen in rig.rounds([*many, *others], 6, **how):
            assert len(chosen) == 4
            assert sum(peer in many for peer in chosen) <= 1
    assert len(Rig(4).round(many)) == 4, "nobody else wants any"


def test_in_our_own_network_each_host_has_a_slot_of_its_own():
    peers = [Peer(1000 - number, host=f"192.168.0.{number}") for number in range(1, 9)]
    assert Rig(4).round(peers)[:3] == peers[:3]


def test_at_a_seed_a_turn_lasts_a_minute_and_twenty_pieces_and_then_who_waits_longest_has_one():
    rig, peers = Rig(2), [Peer(takes=QUOTA_PIECES * PIECE / MIN_TURN_S * 2) for _ in range(5)]
    order = rig.rounds(peers, 5 * 6 + 1, seeding=True)
    assert all(chosen == order[0] for chosen in order[:6])
    assert set(order[6]) == set(peers) - set(order[0]) - {peers[4]}
    assert peers[4] in order[12]
    served = {id(peer): sum(peer in chosen for chosen in order) for peer in peers}
    assert max(served.values()) - min(served.values()) <= 6
    assert order[0][0].turn.since > 0


def test_a_slow_peer_has_a_longer_turn_and_one_that_takes_nothing_no_longer():
    rig, slow, idle, waiting = Rig(2), Peer(takes=1.0), Peer(), [Peer(takes=1.0), Peer(takes=1.0)]
    peers = [slow, idle, *waiting]
    assert rig.round(peers, seeding=True) == [slow, idle]
    rig.rounds(peers, round(MIN_TURN_S / ROUND_S), seeding=True)
    assert slow.is_unchoked and not idle.is_unchoked
    assert idle.turn.cause == turns.TURN_OVER
    rig.rounds(peers, round(MAX_TURN_S / ROUND_S), seeding=True)
    assert not slow.is_unchoked


def test_slots_are_added_one_a_round_while_peers_take_what_they_get_and_no_limit_is_used_up():
    rig, peers = Rig(4, most_slots=7), [Peer(takes=100_000, gives=1.0) for _ in range(20)]
    counts = [len(chosen) for chosen in rig.rounds(peers, 6)]
    assert counts == [4, 5, 6, 7, 7, 7]
    counts = [len(chosen) for chosen in rig.rounds(peers, FULL_ROUNDS + 3, is_full=True)]
    assert counts == [7] * (FULL_ROUNDS - 1) + [6, 5, 4, 4]


def test_peers_that_take_next_to_nothing_bring_no_slots():
    rig, peers = Rig(4, most_slots=10), [Peer(takes=100, gives=1.0) for _ in range(20)]
    assert {len(chosen) for chosen in rig.rounds(peers, 6)} == {4}


@pytest.mark.parametrize(("unchoked", "may"), [(1, True), (2, False)])
def test_a_peer_that_becomes_interested_between_rounds_is_served_if_a_slot_is_free(unchoked, may):
    peers = [Peer() for _ in range(3)]
    for peer in peers[:unchoked]:
        peer.is_unchoked = True
    assert Rig(2).manager.may_unchoke_now(peers) is may


def test_rounds_are_due_at_their_interval():
    manager = Rig(2).manager
    assert manager.is_due(5.0)
    manager.round([], 5.0, seeding=False)
    assert not manager.is_due(14.9)
    assert manager.is_due(15.0)


def test_the_history_of_a_link_is_short_and_says_since_when():
    turn = Turn(5.0)
    turn.note(6.0, 0, turns.FREE_SLOT, is_unchoked=True)
    turn.note(7.0, 0, turns.FREE_SLOT, is_unchoked=True)
    turn.note(8.0, 10, turns.GIVES_MOST, is_unchoked=True)
    assert list(turn.history) == [
        (5.0, False, turns.NOT_INTERESTED), (6.0, True, turns.FREE_SLOT), (8.0, True, turns.GIVES_MOST)]
    assert (turn.since, turn.cause, turn.sent_before) == (6.0, turns.GIVES_MOST, 0)
    for number in range(40):
        turn.note(10.0 + number, 0, turns.WAITS, is_unchoked=bool(number % 2))
    assert len(turn.history) == turns.REMEMBERED
    for number in range(40):
        turn.note(60.0 + number, 0, f"{number}", is_unchoked=True)
    assert (turn.since, turn.cause) == (49.0, "39")


@pytest.mark.parametrize("seeding", [True, False])
def test_hundreds_of_silent_peers_keep_a_real_one_waiting_for_a_few_rounds_only(seeding: bool) -> None:
    rig, silent = Rig(4), [Peer(is_silent=True) for _ in range(200)]
    rig.rounds(silent, 2, seeding=seeding)
    for peer in silent:
        peer.turn.gave_at = 1000.0     # nothing is asked of them
    late = Peer(gives=10.0, takes=1000.0)
    peers = [*silent, late]
    rounds = 0
    while not late.is_unchoked:
        rig.round(peers, seeding=seeding)
        rounds += 1
        assert rounds <= 6
    rig.rounds(peers, 5, seeding=seeding)
    assert late.is_unchoked and rig.manager.may_unchoke_now(peers)


def test_who_sleeps_and_wakes_up_is_counted_again() -> None:
    rig, sleepers = Rig(2), [Peer(takes=1000.0, is_silent=True) for _ in range(4)]
    for peer in sleepers:
        peer.takes = 0.0
    rig.rounds(sleepers, 4, seeding=True)
    assert all(peer.is_unchoked for peer in sleepers)      # nobody else wants anything
    for peer in sleepers:
        peer.takes, peer.is_silent = 1000.0, False
    rig.rounds(sleepers, 2, seeding=True)
    assert sum(peer.is_unchoked for peer in sleepers) == 2
