"""SYNs that were answered and whose senders have not proved yet that they receive at their address.

An address in a SYN can be forged. So there is no stream before the number of our answer comes back, only a short note,
and no note for more than a bounded number; our answer is as long as the SYN, and repeated three times at most.
"""

from __future__ import annotations

from collections import OrderedDict

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.packet import SEQUENCE_MASK

MAX_HALF_OPEN = 8192
PROOF_S = 10.0
ANSWERS = 4                            # the first and three more
GUESSES = 3                            # wrong numbers; then it was no accident

Key = tuple[Endpoint, int]             # who, and the id in its SYN


class HalfOpen:
    """One note."""

    __slots__ = ("syn_number", "number", "largest_bytes", "until_s", "answers", "guesses")

    def __init__(self, syn_number: int, number: int, largest_bytes: int, until_s: float) -> None:
        self.syn_number = syn_number
        self.number = number           # of our answer: what the peer has to know
        self.largest_bytes = largest_bytes
        self.until_s = until_s
        self.answers = 0
        self.guesses = 0


class Backlog:
    """The notes, oldest first."""

    def __init__(self, limit: int = MAX_HALF_OPEN) -> None:
        self._limit = limit
        self._notes: OrderedDict[Key, HalfOpen] = OrderedDict()

    def __len__(self) -> int:
        return len(self._notes)

    def __contains__(self, key: Key) -> bool:
        return key in self._notes

    def note(self, key: Key, syn_number: int, number: int, largest_bytes: int, now: float) -> HalfOpen | None:
        """A SYN came. What to answer with; None when it was answered often enough, or is another one of the same id."""
        notes = self._notes
        while notes:
            oldest = next(iter(notes.values()))
            if oldest.until_s > now and len(notes) < self._limit:
                break
            notes.popitem(last=False)
        note = notes.get(key)
        if note is None:
            note = notes[key] = HalfOpen(syn_number, number, largest_bytes, now + PROOF_S)
        if note.syn_number != syn_number or note.answers >= ANSWERS:
            return None
        note.answers += 1
        return note

    def prove(self, key: Key, ack: int, now: float) -> HalfOpen | None:
        """A packet came that acknowledges `ack`. The note, taken out, when that is what only its sender can know."""
        note = self._notes.get(key)
        if note is None:
            return None
        if note.until_s <= now or ack != note.number - 1 & SEQUENCE_MASK:
            note.guesses += 1
            if note.until_s <= now or note.guesses >= GUESSES:
                del self._notes[key]
            return None
        return self._notes.pop(key)
