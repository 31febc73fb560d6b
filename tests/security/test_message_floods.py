"""Wire protocol abuse: messages that cost their sender a few bytes. A link is ended before they cost us time or memory.
"""

from __future__ import annotations

import gc
import time
import tracemalloc

import pytest

from blobtorrent.core.swarm.chatter import BURST, COST_OF_CHOKE, MESSAGES_PER_S
from blobtorrent.core.swarm.fast import MAX_REJECTED
from blobtorrent.core.swarm.uploads import MAX_QUEUED_RUNS, MAX_WAITING
from blobtorrent.model.errors import PeerError
from blobtorrent.network.door import GREETING_TIMEOUT_S
from blobtorrent.protocol import bencode
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.allowedfast import allowed_fast_set
from blobtorrent.protocol.wire.decode import Decoder
from blobtorrent.protocol.wire.extended import HANDSHAKE_BURST, HANDSHAKE_ID, OUR_IDS
from blobtorrent.protocol.wire.greeting import reserved_bits
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

K = 1024
PIECES = 64
WAITING_BYTES = 150_000                # of one link; 51,000 here, 368,000 with a tuple for each
FLOOD_CPU_S = 5.0                      # for what ends a link, on a machine that is slow

FLOODS = {
    "keep-alives": wire.KeepAlive().encode(),
    "choke and unchoke": wire.Choke().encode() + wire.Unchoke().encode(),
    "interest on and off": wire.Interested().encode() + wire.NotInterested().encode(),
    "cancels of nothing": wire.Cancel(1, 0, 16 * K).encode(),
    "the same have, between others": wire.Have(3).encode() + wire.KeepAlive().encode(),
    "unknown": b"\0\0\0\x01\xee",
    "ports": wire.Port(6881).encode(),
    "bitfields": wire.BitfieldMessage(bytes(PIECES // 8)).encode(),
    "an extension that nobody offered": wire.Extended(77, b"x").encode(),
}


@pytest.fixture(scope="module")
def torrent() -> StoredTorrent:
    return StoredTorrent([PIECES * 16 * K], 16 * K)


@pytest.mark.parametrize("flood", FLOODS)
def test_a_peer_that_talks_all_the_time_is_left(torrent: StoredTorrent, flood: str) -> None:
    one = OneSwarm(torrent, have=range(PIECES // 2))
    link = one.join([])
    began_s = time.thread_time()
    fed = 0
    with pytest.raises(PeerError) as caught:
        while fed < 100 * BURST:
            link.intake.feed(FLOODS[flood] * 1000)
            fed += 1000
    assert caught.value.code == "wire.flood"
    assert fed <= 2 * BURST
    assert time.thread_time() - began_s < FLOOD_CPU_S


def test_a_peer_that_chokes_and_unchokes_is_left_before_that_costs_much() -> None:
    """Each time all that it was asked for is given up and asked for again."""
    large = StoredTorrent([64 << 20], 256 * K)
    one = OneSwarm(large)
    link = one.join()
    link.window.size = 2000
    began_s = time.thread_time()
    with pytest.raises(PeerError) as caught:
        for toggles in range(1, BURST):                    # noqa: B007
            one.tell(link, wire.Choke(), wire.Unchoke())
            one.swarm.outgoing.clear()
    assert caught.value.code == "wire.flood"
    assert toggles <= BURST // COST_OF_CHOKE
    assert time.thread_time() - began_s < FLOOD_CPU_S


def test_a_peer_that_cancels_among_thousands_of_requests_is_left_before_that_costs_much(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=range(PIECES), upload_slots=1)
    link = one.join([])
    one.tell(link, wire.Interested())
    for number in range(MAX_WAITING):  # none of which can be part of a run with another
        one.tell(link, wire.Request(number % PIECES, number // PIECES * 2, 1))
    began_s = time.thread_time()
    with pytest.raises(PeerError) as caught:
        for _ in range(BURST):
            one.tell(link, wire.Cancel(0, 0, 16 * K))
    assert caught.value.code == "wire.flood"
    assert time.thread_time() - began_s < 2 * FLOOD_CPU_S


def test_a_peer_that_follows_every_piece_of_a_fast_swarm_stays(torrent: StoredTorrent) -> None:
    """It is interested in each piece as it comes to us, and not any more when it has it; so it chokes us, too."""
    one = OneSwarm(torrent, have=range(PIECES))
    link = one.join([0])
    for _ in range(5):
        for _ in range(1000):          # in a second
            one.tell(link, wire.Interested(), wire.NotInterested(), wire.Choke(), wire.Unchoke())
        one.swarm.outgoing.clear()
        one.notes.now += 1.0
    assert link.closing is None


def test_as_much_talk_as_a_peer_may_need_is_listened_to(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=range(PIECES))
    link = one.join([])
    for _ in range(20):                # seconds
        link.intake.feed(FLOODS["cancels of nothing"] * int(MESSAGES_PER_S - 100))
        one.notes.now += 1.0
    assert link.closing is None


def test_what_a_peer_has_anew_is_no_flood() -> None:
    large = StoredTorrent([1 << 20], 16 * K)
    one = OneSwarm(large)
    link = one.join([])
    link.intake.feed(b"".join(wire.Have(index).encode() for index in range(large.geometry.num_pieces)))
    assert link.closing is None and link.chatter_spent_s <= one.swarm.now + 1.0


@pytest.mark.parametrize("size", [1, K, 16 * K])
@pytest.mark.parametrize("is_choked", [False, True])
def test_far_too_many_requests_end_the_link(torrent: StoredTorrent, size: int, *, is_choked: bool) -> None:
    """It takes nothing of what it asks for. Where it is choked, it is refused message for message."""
    one = OneSwarm(torrent, have=range(PIECES), upload_slots=1)
    link = one.join([], reserved=reserved_bits(has_fast=is_choked))
    one.tell(link, wire.Interested())
    if is_choked:
        link.state.choke()
    most = 0
    with pytest.raises(PeerError) as caught:
        for number in range(2 * (MAX_WAITING + MAX_REJECTED)):
            one.tell(link, wire.Request(number % 2 * 5, 0, size))
            spans, one.swarm.uploads.to_read = one.swarm.uploads.to_read, []
            one.swarm.uploads.on_read(spans, [])
            most = max(most, len(one.swarm.outgoing) + len(link.wanted))
    assert caught.value.code == "wire.too-many-requests"
    assert link.queued_runs <= MAX_QUEUED_RUNS == 500
    assert most <= MAX_WAITING + MAX_QUEUED_RUNS + 10


def test_requests_that_wait_take_little_memory(torrent: StoredTorrent) -> None:
    """Nothing can be read, so that all of them wait; and none can be part of a run with another."""
    one = OneSwarm(torrent, have=range(PIECES), slots=64)
    link = one.join([])
    one.tell(link, wire.Interested())
    one.said()
    assert one.arena.reserve(64)
    requests = b"".join(
        wire.Request(number % PIECES, number // PIECES * 2, 1).encode() for number in range(MAX_WAITING))
    tracemalloc.start(1)
    try:
        before, _ = tracemalloc.get_traced_memory()
        link.intake.feed(requests)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(link.wanted) == MAX_WAITING
    assert after - before < WAITING_BYTES


@pytest.mark.parametrize(("data", "code"), [
    ((1 << 31).to_bytes(4, "big"), "wire.too-long"), (b"\xff\xff\xff\xff", "wire.too-long"),
    (b"\0\x20\0\0\x07", "wire.too-long"),
    (b"\0\0\0\x0d\x06" + bytes(8) + (128 * K + 1).to_bytes(4, "big"), "wire.bad-block"),
    (b"\0\0\0\x0d\x06" + bytes(12), "wire.bad-block"), (b"\0\0\0\x04\x04\0\0\0", "wire.bad-length"),
])
def test_a_length_is_judged_before_anything_is_kept_for_it(data: bytes, code: str) -> None:
    decoder = Decoder()
    with pytest.raises(PeerError) as caught:
        decoder.feed(data)
    assert caught.value.code == code
    assert len(decoder.rest) <= len(data)


@pytest.mark.parametrize("message", [
    wire.Have(PIECES), wire.Have(2**32 - 1), wire.BitfieldMessage(bytes(PIECES // 8 + 1)),
    wire.BitfieldMessage(b""), wire.Request(PIECES, 0, 16 * K), wire.Request(0, 2**32 - 1, 16 * K),
])
def test_what_cannot_be_of_the_torrent_ends_the_link(torrent: StoredTorrent, message: wire.Message) -> None:
    one = OneSwarm(torrent, have=range(PIECES))
    link = one.join([])
    one.tell(link, wire.Interested())
    with pytest.raises(PeerError):
        one.tell(link, message)


# ---- extension handshakes

def extended(facts: dict[bytes, object]) -> wire.Extended:
    return wire.Extended(HANDSHAKE_ID, bencode.encode(facts))


def test_an_extension_handshake_takes_no_more_room_than_it_needs(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent)
    link = one.join([])
    one.tell(link, extended({b"m": {b"x%d" % number: number % 256 for number in range(900)}, b"v": b"A\x1b]0;" * 100}))
    assert set(link.extended.ids) <= set(OUR_IDS) and len(link.extended.ids) <= 64
    assert len(link.client) <= 64 and "\x1b" not in link.client


def test_extension_handshakes_all_the_time_end_the_link(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent)
    link = one.join([])
    with pytest.raises(PeerError) as caught:
        one.tell(link, *[extended({b"p": 1})] * (HANDSHAKE_BURST + 2))
    assert caught.value.code == "wire.extended-flood"


def test_a_choked_peer_is_allowed_ten_pieces_at_most() -> None:
    for number in range(200):
        assert len(allowed_fast_set(f"20.{number}.3.4", bytes(20), 10_000)) <= 10


def test_a_greeting_has_twenty_seconds() -> None:
    assert GREETING_TIMEOUT_S == 20.0
