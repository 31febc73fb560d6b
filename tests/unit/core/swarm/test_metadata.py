"""Metadata from peers of whom nobody knows who lies."""

from __future__ import annotations

import random
from hashlib import sha1, sha256

import pytest

from blobtorrent.core.swarm.metadata import (
    ATTEMPT_S,
    DOUBLE_AFTER_S,
    MAX_ASKED,
    MAX_ASKERS,
    MAX_ATTEMPTS,
    MAX_LARGE_BYTES,
    REJECT_REST_S,
    REQUEST_TIMEOUT_S,
    MetadataManager,
    is_named,
)
from blobtorrent.model.errors import PeerError
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.wire.metadata import DATA, PIECE_BYTES, MetadataMessage, metadata_piece, num_metadata_pieces

INFO = random.Random(1).randbytes(5 * PIECE_BYTES + 77)
NAME = InfoHash(v1=sha1(INFO).digest())
LIE = random.Random(2).randbytes(len(INFO))


def answer(manager, peer, piece, info=INFO, now=0.0):
    return manager.on_data(peer, MetadataMessage(DATA, piece, len(info), metadata_piece(info, piece)), now)


def asked(manager, now=0.0):
    return list(manager.requests(now))


def serve(manager, contents, now=0.0, steps=1000, silent=()):
    """Peers answer what they are asked, each from its own bytes, until nothing is asked any more; returns the liars."""
    liars = []
    for _ in range(steps):
        questions = asked(manager, now)
        if not questions:
            return liars
        for peer, piece in questions:
            if peer not in silent:
                answer(manager, peer, piece, contents[peer])
                liars += manager.take_guilty()
    raise AssertionError("it never ends")


def test_one_peer_is_enough():
    manager = MetadataManager(NAME)
    manager.offer("a", len(INFO))
    assert serve(manager, {"a": INFO}) == []
    assert manager.info == INFO


def test_several_peers_are_asked_for_different_pieces_at_once():
    manager = MetadataManager(NAME)
    for peer in "abc":
        manager.offer(peer, len(INFO))
    questions = asked(manager)
    assert sorted(piece for _, piece in questions) == list(range(6))
    assert {peer: [p for p, _ in questions].count(peer) for peer in "abc"} == dict.fromkeys("abc", MAX_ASKED)
    assert asked(manager) == []


def test_nobody_is_asked_for_more_than_two_pieces_at_once():
    manager = MetadataManager(NAME)
    manager.offer("a", len(INFO))
    assert asked(manager) == [("a", 0), ("a", 1)]
    answer(manager, "a", 1)
    assert asked(manager) == [("a", 2)]


def test_nothing_is_asked_when_it_is_here():
    manager = MetadataManager(NAME)
    manager.offer("a", len(INFO))
    serve(manager, {"a": INFO})
    manager.offer("b", len(INFO))
    assert asked(manager, 1000.0) == []


def test_the_only_sender_of_a_lie_is_guilty():
    manager = MetadataManager(NAME)
    manager.offer("liar", len(LIE))
    liars = []
    for piece in range(6):
        asked(manager)
        answer(manager, "liar", piece, LIE)
        liars += manager.take_guilty()
    assert liars == ["liar"]
    assert manager.info is None


@pytest.mark.parametrize("honest", [1, 2, 5])
@pytest.mark.parametrize("liars", [1, 3])
def test_liars_among_honest_peers_are_found_out_and_none_else(honest, liars):
    manager = MetadataManager(NAME)
    contents = {f"h{number}": INFO for number in range(honest)} | {f"l{number}": LIE for number in range(liars)}
    for peer in contents:
        manager.offer(peer, len(INFO))
    guilty: list[str] = []
    for step in range(100):
        for peer, piece in asked(manager, float(step)):
            answer(manager, peer, piece, contents[peer])
            for liar in manager.take_guilty():
                guilty.append(liar)
                manager.leave(liar)
        if manager.info is not None:
            break
    assert manager.info == INFO
    assert all(peer.startswith("l") for peer in guilty)


def test_a_size_that_a_liar_says_first_does_not_decide():
    manager = MetadataManager(NAME)
    manager.offer("liar", 9 << 20)
    asked(manager)
    manager.offer("honest", len(INFO))
    assert serve(manager, {"honest": INFO, "liar": b""}, silent={"liar"}) == []
    assert manager.info == INFO


def test_many_liars_with_many_sizes_do_not_keep_an_honest_peer_out():
    manager = MetadataManager(NAME)
    for number in range(40):
        manager.offer(f"l{number}", 10_000 + number)
    asked(manager, 0.0)
    manager.offer("honest", len(INFO))
    now = 0.0
    while manager.info is None and now < 3600.0:
        for peer, piece in asked(manager, now):
            if peer == "honest":
                answer(manager, peer, piece)
        now += 1.0
    assert manager.info == INFO
    assert now < 1200.0


def test_a_liar_that_trickles_loses_its_place_in_time():
    manager = MetadataManager(NAME)
    for number in range(MAX_ATTEMPTS):
        manager.offer(f"l{number}", (4 << 20) + number)
    asked(manager, 0.0)
    manager.offer("honest", len(INFO))
    now, questions = 0.0, []
    while manager.info is None and now < 7200.0:
        questions += asked(manager, now)
        waiting, questions = questions, []
        for peer, piece in waiting:
            if peer == "honest":
                answer(manager, peer, piece)
            elif int(now) % 5 == 0:
                manager.on_data(peer, MetadataMessage(DATA, piece, 0, bytes(PIECE_BYTES)), now)
            else:
                questions.append((peer, piece))
        now += 1.0
    assert manager.info == INFO
    assert now < ATTEMPT_S + 0.5 * num_metadata_pieces(5 << 20)


def test_what_is_held_for_all_claims_together_is_bounded():
    manager = MetadataManager(NAME)
    sizes = [10 << 20, (10 << 20) - 1, (10 << 20) - 2, (10 << 20) - 3]
    for number, size in enumerate(sizes):
        manager.offer(number, size)
    assert len({peer for peer, _ in asked(manager)}) == MAX_LARGE_BYTES // (10 << 20)


def seconds_until_known(manager, honest, limit_s=3600.0):
    """Only honest peers answer; seconds until the metadata is here."""
    now = 0.0
    while manager.info is None and now < limit_s:
        for peer, piece in asked(manager, now):
            if peer in honest:
                answer(manager, peer, piece, now=now)
        now += 1.0
    assert manager.info == INFO
    return now


@pytest.mark.parametrize("sizes", [(10 << 20, (10 << 20) - 1), (9 << 20, 10 << 20, 8 << 20), (10 << 20,) * 5])
@pytest.mark.parametrize("leave", [False, True])
def test_few_large_claims_do_not_keep_honest_peers_waiting(sizes, leave):
    manager = MetadataManager(NAME)
    for number, size in enumerate(sizes):
        manager.offer(f"l{number}", size)
    asked(manager, 0.0)
    for number in range(len(sizes)):
        if leave:
            manager.leave(f"l{number}")
    honest = {f"h{number}" for number in range(20)}
    for peer in honest:
        manager.offer(peer, len(INFO))
    assert seconds_until_known(manager, honest) < 10.0


def test_what_peers_left_behind_makes_room_for_those_that_are_there():
    manager = MetadataManager(NAME)
    for number in range(MAX_ATTEMPTS):
        manager.offer(f"l{number}", 50_000 + number)
    for peer, piece in asked(manager, 0.0):
        manager.on_data(peer, MetadataMessage(DATA, piece, 0, bytes(PIECE_BYTES)), 0.0)
    for number in range(MAX_ATTEMPTS):
        manager.leave(f"l{number}")
    manager.offer("honest", len(INFO))
    assert seconds_until_known(manager, {"honest"}) < 10.0


def test_large_metadata_is_found_behind_large_claims_that_trickle():
    large = random.Random(3).randbytes(3 << 20)
    manager = MetadataManager(InfoHash(v1=sha1(large).digest()))
    for number in range(4):
        manager.offer(f"l{number}", (10 << 20) - number)
    asked(manager, 0.0)
    for number in range(3):
        manager.offer(f"h{number}", len(large))
    now, owed = 0.0, []
    while manager.info is None and now < 3600.0:
        for peer, piece in asked(manager, now):
            if peer.startswith("h"):
                answer(manager, peer, piece, large, now)
            else:
                owed.append((peer, piece))
        if int(now) % 8 == 0:          # each keeps its promises just often enough
            for peer, piece in owed:
                manager.on_data(peer, MetadataMessage(DATA, piece, 0, bytes(PIECE_BYTES)), now)
            owed.clear()
        now += 1.0
    assert manager.info == large
    assert now < 500.0


def test_to_come_again_does_not_make_a_silent_peer_new():
    manager = MetadataManager(NAME)
    now, ranks = 0.0, []
    for number in range(10):
        manager.offer(number, 1000 + number, "the same host")
        asked(manager, now)
        now += REQUEST_TIMEOUT_S
        asked(manager, now)
        ranks.append(manager.is_useless(number))
        manager.leave(number)
    assert ranks == [False, False] + [True] * 8
    manager.offer("other", len(INFO), "another host")
    assert not manager.is_useless("other")


def test_how_far_it_is_stays_true_when_all_is_here():
    manager = MetadataManager(NAME)
    assert manager.progress == (0, 0)
    manager.offer("a", len(INFO))
    serve(manager, {"a": INFO})
    assert manager.progress == (6, 6)


def test_a_peer_that_says_two_sizes_lies_about_one():
    manager = MetadataManager(NAME)
    manager.offer("a", 100)
    manager.offer("a", 100)
    with pytest.raises(PeerError, match="then of 101"):
        manager.offer("a", 101)


@pytest.mark.parametrize("message", [
    MetadataMessage(DATA, 0, len(INFO), b"short"), MetadataMessage(DATA, 0, len(INFO), b""),
    MetadataMessage(DATA, 0, len(INFO) + 1, INFO[:PIECE_BYTES]),
])
def test_a_piece_that_contradicts_its_sender_is_an_offence(message):
    manager = MetadataManager(NAME)
    manager.offer("a", len(INFO))
    asked(manager)
    with pytest.raises(PeerError) as caught:
        manager.on_data("a", message, 0.0)
    assert caught.value.code == "metadata.bad-piece"


def test_a_piece_that_nobody_asked_for_is_not_taken():
    manager = MetadataManager(NAME)
    assert not answer(manager, "stranger", 0)
    manager.offer("a", len(INFO))
    asked(manager)
    assert not answer(manager, "a", 5)
    assert answer(manager, "a", 0)
    assert not answer(manager, "a", 0)


def test_who_does_not_answer_rests_and_others_are_asked():
    manager = MetadataManager(NAME)
    manager.offer("mute", len(INFO))
    asked(manager, 0.0)
    manager.offer("a", len(INFO))
    assert [piece for _, piece in asked(manager, 1.0)] == [2, 3]
    later = asked(manager, REQUEST_TIMEOUT_S)
    assert later == []                 # "a" has two to answer, the mute one rests
    answer(manager, "a", 2)
    answer(manager, "a", 3)
    assert {peer for peer, _ in asked(manager, REQUEST_TIMEOUT_S)} == {"a"}


def test_a_piece_that_comes_late_is_taken_all_the_same():
    manager = MetadataManager(NAME)
    manager.offer("slow", len(INFO))
    asked(manager, 0.0)
    asked(manager, REQUEST_TIMEOUT_S + 1)
    assert answer(manager, "slow", 0)
    assert manager.progress == (1, 6)


def test_a_piece_that_a_peer_lets_us_wait_for_is_asked_of_another():
    manager = MetadataManager(NAME)
    manager.offer("slow", PIECE_BYTES)
    assert asked(manager, 0.0) == [("slow", 0)]
    for peer in "abcdef":
        manager.offer(peer, PIECE_BYTES)
    assert asked(manager, 1.0) == []
    assert len(asked(manager, DOUBLE_AFTER_S)) == 1
    assert asked(manager, DOUBLE_AFTER_S + 0.1) == []
    assert len(asked(manager, 2 * DOUBLE_AFTER_S)) == 1
    assert MAX_ASKERS == 3
    assert asked(manager, 3 * DOUBLE_AFTER_S) == []


def test_who_rejects_is_left_alone_for_a_while():
    manager = MetadataManager(NAME)
    manager.offer("a", PIECE_BYTES)
    asked(manager, 0.0)
    manager.on_reject("a", 0, 0.0)
    assert asked(manager, REJECT_REST_S - 1) == []
    assert asked(manager, REJECT_REST_S) == [("a", 0)]


def test_what_a_peer_sent_stays_when_it_leaves():
    manager = MetadataManager(NAME)
    manager.offer("a", len(INFO))
    asked(manager)
    answer(manager, "a", 0)
    manager.leave("a")
    manager.offer("b", len(INFO))
    assert asked(manager) == [("b", 1), ("b", 2)]


def test_a_link_with_both_digests_wants_both_to_match():
    v1, v2 = sha1(INFO).digest(), sha256(INFO).digest()
    assert is_named(INFO, InfoHash(v1, v2)) and is_named(INFO, InfoHash(v2=v2)) and is_named(INFO, InfoHash(v1))
    assert not is_named(INFO, InfoHash(v1, bytes(32)))
    assert not is_named(INFO, InfoHash(bytes(20), v2))


@pytest.mark.parametrize("seed", range(30))
def test_the_metadata_comes_as_long_as_one_peer_is_honest(seed):
    """Peers lie, fall silent, reject, claim other sizes, leave and come back, in any order."""
    rng = random.Random(seed)
    manager = MetadataManager(NAME)
    kinds = {"honest": "honest"} | {f"p{number}": rng.choice(("liar", "mute", "rejects", "size", "flaky", "honest"))
                                    for number in range(rng.randrange(1, 30))}
    sizes = {peer: rng.randrange(1, rng.choice((200_000, 10 << 20))) if kind == "size" else len(INFO)
             for peer, kind in kinds.items()}
    peers = list(kinds)
    rng.shuffle(peers)
    now, banned, gone = 0.0, set(), dict.fromkeys(peers, 0.0)
    while manager.info is None and now < 3600.0:
        for peer, since in list(gone.items()):
            if now >= since and peer not in banned:
                manager.offer(peer, sizes[peer])
                del gone[peer]
        for peer, piece in asked(manager, now):
            kind = kinds[peer]
            if peer in gone or kind == "mute" or kind == "flaky" and rng.random() < 0.3:
                continue
            if kind == "rejects":
                manager.on_reject(peer, piece, now)
            elif kind == "size":
                data = rng.randbytes(min(PIECE_BYTES, sizes[peer] - piece * PIECE_BYTES))
                manager.on_data(peer, MetadataMessage(DATA, piece, 0, data), now)
            else:
                answer(manager, peer, piece, LIE if kind == "liar" else INFO)
            for liar in manager.take_guilty():
                assert kinds[liar] in ("liar", "size")
                banned.add(liar)
                manager.leave(liar)
        if kinds[leaver := rng.choice(peers)] != "honest" and rng.random() < 0.05 and leaver not in gone:
            manager.leave(leaver)
            gone[leaver] = now + rng.choice((20.0, 1e9))
        now += 0.5
    assert manager.info == INFO
