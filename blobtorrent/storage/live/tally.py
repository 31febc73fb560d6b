"""Tally: what a torrent has moved in its whole life, exact also after a kill.

The counts are kept twice and stored one after the other, each with its sequence number and digest: whenever a kill
comes, one copy is sound. Blocks that came after the last store are known too, because they are counted as they come.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.storage.live.livelayout import RECEIVED_AT, TALLIES_AT, TALLY
from blobtorrent.storage.sealed import DIGEST_BYTES, Seal

_COUNTER = Struct("=QQ")
_COUNTER_BITS = (1 << 64) - 1


class Tally(NamedTuple):
    """Bytes of blocks, in all sessions."""

    downloaded: int = 0
    uploaded: int = 0
    wasted: int = 0


NOTHING = Tally()


class TallyWriter:
    """The tally and the counter of one torrent's entry. Owned by its receive thread."""

    def __init__(self, entry: memoryview, seal: Seal, key: bytes) -> None:
        self._entry = entry
        self._words = entry[RECEIVED_AT : RECEIVED_AT + 16].cast("Q")
        self._seal = seal
        self._key = key
        self._sequence = 0
        self._received = 0
        self.count(0)

    def count(self, blocks: int) -> None:
        """So many more blocks were noted."""
        self._received = received = self._received + blocks
        words = self._words
        words[0] = received
        words[1] = received ^ _COUNTER_BITS

    def save(self, downloaded: int, uploaded: int, wasted: int) -> None:
        sequence = self._sequence = self._sequence + 1
        body = TALLY.pack(sequence, downloaded, uploaded, wasted, self._received)
        sealed = body + self._seal.digest(b"live.tally", self._key, body)
        for at in TALLIES_AT:
            self._entry[at : at + len(sealed)] = sealed


def read_tally(entry: bytes, seal: Seal, key: bytes, most_blocks: int) -> tuple[Tally | None, bool]:
    """The newest sound tally of an entry, with what came since; and whether all was as it should be.

    Since the last tally no more than `most_blocks` can have come: a counter that says so is damaged. Of the tally, one
    copy that is not sound is what a kill may leave.
    """
    copies = [copy for at in TALLIES_AT if (copy := _read_copy(entry[at:], seal, key))]
    if not copies:
        return None, not any(any(entry[at : at + TALLY.size]) for at in TALLIES_AT)
    _, downloaded, uploaded, wasted, received_then = max(copies)
    word, inverse = _COUNTER.unpack_from(entry, RECEIVED_AT)
    since = [received - received_then for received in (word, inverse ^ _COUNTER_BITS)]
    plausible = [blocks for blocks in since if 0 <= blocks <= most_blocks]
    # A kill between the two stores leaves one a little behind: the smaller is never too much.
    return Tally(downloaded + min(plausible, default=0) * BLOCK_SIZE, uploaded, wasted), bool(plausible)


def _read_copy(copy: bytes, seal: Seal, key: bytes) -> tuple[int, int, int, int, int] | None:
    body = copy[: TALLY.size]
    if not seal.matches(copy[TALLY.size : TALLY.size + DIGEST_BYTES], b"live.tally", key, body):
        return None
    sequence, downloaded, uploaded, wasted, received = TALLY.unpack(body)
    return sequence, downloaded, uploaded, wasted, received
