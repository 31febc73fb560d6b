"""The send half of an encrypted link, with a socket that takes what the test lets it take."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from blobtorrent.network.outbox import Buffer, Outbox
from blobtorrent.network.sealed import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, SealedSocket
from blobtorrent.protocol.mse.cipher import rc4

KEY = b"k" * 20
BLOCK = 16384


class Narrow:
    """A socket that takes so many bytes at each call; -1: it blocks."""

    def __init__(self, room: Iterable[int]) -> None:
        self.room = list(room)
        self.offered: list[int] = []
        self.taken = bytearray()

    def send(self, data: Buffer) -> int:
        self.offered.append(len(data))
        room = self.room.pop(0) if self.room else len(data)
        if room < 0:
            raise BlockingIOError
        self.taken += data[:room]
        return min(room, len(data))


class Counting:
    """A cipher that counts its calls."""

    def __init__(self) -> None:
        self.cipher = rc4(KEY)
        self.calls = 0

    def update(self, data: bytes | bytearray | memoryview, /) -> bytes:
        return self.cipher.update(data)

    def update_into(self, data: bytes | bytearray | memoryview, into: bytearray | memoryview, /) -> int:
        self.calls += 1
        return self.cipher.update_into(data, into)


def blocks(count: int) -> list[Buffer]:
    """Headers and blocks, as they are sent."""
    memory = memoryview(random.Random(count).randbytes(count * BLOCK))
    return [part for at in range(0, len(memory), BLOCK)
            for part in (at.to_bytes(13, "big"), memory[at:at + BLOCK])]


def send_all(sealed: SealedSocket, outbox: Outbox) -> int:
    """As the send thread does it; returns how often it had to wait."""
    waits = 0
    while outbox:
        try:
            outbox.sent(sealed.sendmsg(outbox.gather()))
        except BlockingIOError:
            waits += 1
    return waits


def queued(*batches: list[Buffer]) -> Outbox:
    outbox = Outbox()
    for batch in batches:
        outbox.push(batch, sum(map(len, batch)), None)
    return outbox


def test_blocks_go_through_the_cipher_many_at_a_time():
    parts, sock, cipher = blocks(64), Narrow([]), Counting()
    send_all(SealedSocket(sock, cipher), queued(parts))
    assert sock.taken == rc4(KEY).update(b"".join(parts))
    assert cipher.calls == -(-len(sock.taken) // MAX_CHUNK_BYTES) == len(sock.offered)


@pytest.mark.parametrize("seed", range(20))
def test_wherever_the_kernel_stops_each_byte_goes_out_once_enciphered_once(seed):
    rng = random.Random(seed)
    sock = Narrow(rng.choice((-1, 1, 13, 14, 16397, 100_000, 300_000)) for _ in range(60))
    batches = [blocks(rng.randrange(1, 40)) if rng.random() < 0.6 else [rng.randbytes(rng.randrange(1, 200))]
               for _ in range(8)]
    expected = b"".join(part for batch in batches for part in batch)
    stops = sock.room.count(-1)
    assert send_all(SealedSocket(sock, rc4(KEY)), queued(*batches)) == stops - sock.room.count(-1)
    assert sock.taken == rc4(KEY).update(expected)


def test_what_is_sent_stays_as_it_was():
    shared = memoryview(bytearray(b"cached" * 10_000))
    before = bytes(shared)
    send_all(SealedSocket(Narrow([100, -1]), rc4(KEY)), queued([b"head", shared]))
    assert shared == before


def test_a_peer_that_takes_little_holds_little_and_one_that_takes_much_has_it_enciphered_at_once():
    sock = Narrow([-1, 5000, 20_000])
    sealed, outbox = SealedSocket(sock, rc4(KEY)), queued(blocks(64))
    send_all(sealed, outbox)
    first, again, rest, *later = sock.offered
    assert first == again == MAX_CHUNK_BYTES and rest == first - 5000
    sizes = [size for size in later if size in {MIN_CHUNK_BYTES << shift for shift in range(5)}]
    assert sizes[:5] == [MIN_CHUNK_BYTES << shift for shift in range(5)]
    assert max(later) == MAX_CHUNK_BYTES


def test_of_a_chunk_that_was_all_but_sent_no_more_than_the_rest_is_held():
    sock = Narrow([MAX_CHUNK_BYTES - 100, -1])
    sealed, outbox = SealedSocket(sock, rc4(KEY)), queued(blocks(64))
    outbox.sent(sealed.sendmsg(outbox.gather()))
    with pytest.raises(BlockingIOError):
        sealed.sendmsg(outbox.gather())
    held = sealed._ready.obj
    assert len(sealed._ready) == 100 and isinstance(held, bytes) and len(held) == 100
