"""Metadata DoS: peers that claim any size, rotate sizes, send wrong bytes and come back hold less than 20 MB of ours
together, and one honest peer is enough. Twenty seeds."""

from __future__ import annotations

import gc
import tracemalloc
from hashlib import sha1
from random import Random

import pytest

from blobtorrent.core.swarm.metadata import MAX_ATTEMPTS, MAX_LARGE_BYTES, SMALL_BYTES, MetadataManager
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.bencode import encode
from blobtorrent.protocol.wire.extended import MAX_METADATA_BYTES, ExtendedHandshake
from blobtorrent.protocol.wire.metadata import (
    DATA,
    PIECE_BYTES,
    MetadataMessage,
    metadata_piece,
    metadata_piece_size,
)

SEEDS = range(20)
LIARS = 24
GROWTH_BYTES = 20_000_000
PATIENCE_S = 1200.0                    # of the one who asks, in virtual time; most of it liars' time-outs
INFO = Random(1).randbytes(300_000)
NAME = InfoHash(v1=sha1(INFO).digest())
FALSE = memoryview(bytearray(PIECE_BYTES))


class Liar:
    """Says what it likes of the size, each time that it comes anew."""

    def __init__(self, number: int, rng: Random) -> None:
        self._number = number
        self._rng = rng
        self._comings = 0
        # A piece or a time-out for each request; who sends all of it fills the most memory.
        self.is_slow = rng.random() < 0.3
        self.come_back()

    def come_back(self) -> None:
        self._comings += 1
        self.name = (self._number, self._comings)
        self.size = self._rng.choice((
            MAX_METADATA_BYTES, MAX_METADATA_BYTES - self._number, self._rng.randrange(1, MAX_METADATA_BYTES),
            len(INFO), len(INFO), SMALL_BYTES, SMALL_BYTES - self._number))

    def piece(self, number: int) -> MetadataMessage:
        return MetadataMessage(DATA, number, 0, bytes(FALSE[:metadata_piece_size(self.size, number)]))


def fetch(seed: int, manager: MetadataManager[object]) -> float:
    """Seconds until it is known; an honest peer comes when the liars have had ten seconds for themselves."""
    rng = Random(seed)
    liars = {liar.name: liar for liar in (Liar(number, rng) for number in range(LIARS))}
    for liar in liars.values():
        manager.offer(liar.name, liar.size, f"origin {liar.name[0] % 8}")
    now, is_honest_here = 0.0, False
    while manager.info is None and now < PATIENCE_S:
        if not is_honest_here and now >= 10.0:
            manager.offer("honest", len(INFO))
            is_honest_here = True
        for who, number in list(manager.requests(now)):
            if who == "honest":
                manager.on_data(who, MetadataMessage(DATA, number, len(INFO), metadata_piece(INFO, number)), now)
            else:
                liar = liars.get(who)  # type: ignore[call-overload]
                if liar is not None and not (liar.is_slow and rng.random() < 0.9):
                    manager.on_data(who, liar.piece(number), now)
        guilty = set(manager.take_guilty())
        assert "honest" not in guilty
        for name, liar in list(liars.items()):
            if name in guilty or rng.random() < 0.01:      # banned, or gone to claim another size
                manager.leave(name)
                del liars[name]
                if name not in guilty:
                    liar.come_back()
                    manager.offer(liar.name, liar.size, f"origin {liar.name[0] % 8}")
                    liars[liar.name] = liar
        now += 0.25
    return now


@pytest.mark.parametrize("seed", SEEDS)
def test_liars_hold_less_than_twenty_megabytes_and_an_honest_peer_is_enough(seed: int) -> None:
    manager: MetadataManager[object] = MetadataManager(NAME)
    gc.collect()
    tracemalloc.start(1)
    try:
        before, _ = tracemalloc.get_traced_memory()
        took_s = fetch(seed, manager)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert manager.info == INFO, f"not after {took_s:.0f} s"
    assert most - before < GROWTH_BYTES, f"{(most - before) / 1e6:.1f} MB"


def test_the_largest_claims_together_hold_less_than_twenty_megabytes() -> None:
    """All send as much as they are asked for and none of it is the last piece, so that nothing is judged and freed."""
    manager: MetadataManager[int] = MetadataManager(NAME)
    sizes = [MAX_METADATA_BYTES - number * (1 << 20) for number in range(10)] + [SMALL_BYTES - n for n in range(10)]
    for number, size in enumerate(sizes):
        manager.offer(number, size)
    gc.collect()
    tracemalloc.start(1)
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(2 * MAX_METADATA_BYTES // PIECE_BYTES):
            for peer, number in list(manager.requests(0.0)):
                length = metadata_piece_size(sizes[peer], number)
                if (number + 1) * PIECE_BYTES < sizes[peer]:
                    manager.on_data(peer, MetadataMessage(DATA, number, 0, bytes(FALSE[:length])), 0.0)
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert manager.info is None and held - before > SMALL_BYTES, "nothing was held"
    assert most - before < GROWTH_BYTES, f"{(most - before) / 1e6:.1f} MB"
    assert MAX_LARGE_BYTES + (MAX_ATTEMPTS - 1) * SMALL_BYTES < GROWTH_BYTES


@pytest.mark.parametrize("size", [0, -1, MAX_METADATA_BYTES + 1, 1 << 31, (1 << 31) - 1, 1 << 32, (1 << 63) - 1])
def test_a_size_that_cannot_be_is_no_claim(size: int) -> None:
    told = ExtendedHandshake.decode(encode({b"m": {b"ut_metadata": 2}, b"metadata_size": size}))
    assert told.metadata_size is None
