"""WrittenLog: which pieces are on disk although no saved row says so yet. Sealed records in the live file.

A record is there from before the moment that the memory of its pieces is used again until a row that claims them is
durable. Used by the disk threads and by the core thread at once; every step is one atomic operation of a deque or a
store that makes a record valid or void.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from blobtorrent.storage.live.livelayout import FREE, RECORD, RECORD_BODY_AT, RECORD_BYTES, RECORD_RUNS, USED
from blobtorrent.storage.sealed import DIGEST_BYTES, Seal


class WrittenLog:
    """Places for records, given and taken back in any order."""

    def __init__(self, memory: memoryview, seal: Seal) -> None:
        self._memory = memory
        self._states = memory.cast("I")
        self._seal = seal
        self._free = deque(range(len(memory) // RECORD_BYTES))

    def add(self, number: int, key: bytes, runs: Sequence[range]) -> int | None:
        """Record up to RECORD_RUNS runs of pieces of a torrent. Returns the record's place; None when all are taken."""
        try:
            place = self._free.popleft()
        except IndexError:
            return None
        numbers = [value for run in runs for value in (run.start, len(run))]
        body = RECORD.pack(number, len(runs), *numbers, *[0] * (2 * RECORD_RUNS - len(numbers)))
        at = place * RECORD_BYTES + RECORD_BODY_AT
        sealed = body + self._seal.digest(b"live.record", key, body)
        self._memory[at : at + len(sealed)] = sealed
        self._states[place * RECORD_BYTES // 4] = USED
        return place

    def remove(self, place: int) -> None:
        self._states[place * RECORD_BYTES // 4] = FREE
        self._free.append(place)


def read_record(record: bytes, seal: Seal, keys: dict[int, bytes]) -> tuple[int, list[range]]:
    """(number, runs) of a record that is in use. Raises ValueError when it is not what was written."""
    body = record[RECORD_BODY_AT : RECORD_BODY_AT + RECORD.size]
    digest = record[RECORD_BODY_AT + RECORD.size :][:DIGEST_BYTES]
    number, count, *numbers = RECORD.unpack(body)
    if number not in keys or not seal.matches(digest, b"live.record", keys[number], body):
        raise ValueError("a record of written pieces does not match its digest")
    starts, lengths = numbers[0 : 2 * count : 2], numbers[1 : 2 * count : 2]
    return number, [range(start, start + length) for start, length in zip(starts, lengths)]


def runs_of(pieces: Iterable[int]) -> list[range]:
    """The pieces as runs of neighbours, ascending."""
    runs: list[range] = []
    for index in sorted(pieces):
        if runs and index == runs[-1].stop:
            runs[-1] = range(runs[-1].start, index + 1)
        else:
            runs.append(range(index, index + 1))
    return runs
