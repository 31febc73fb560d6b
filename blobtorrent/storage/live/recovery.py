"""Recovery: what killed processes left in live files. Read at start, before the new live file is made.

A file stays, under another name, until all in it that matters is in rows and part stores: whoever is killed in between
finds it once more. What is damaged is left out and told; the rest counts.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path
from struct import Struct

from blobtorrent.model.damage import Damage
from blobtorrent.model.geometry import BLOCK_SIZE, PieceGeometry
from blobtorrent.storage.live.livelayout import (
    BEAT_BYTES,
    DESCRIPTOR_BYTES,
    ENTRY_BYTES,
    FREE,
    GENERATION_BYTES,
    LACKING,
    LACKING_AT,
    NUMBER_BITS,
    PAGE,
    RECORD_BYTES,
    STATE_AT,
    USED,
    read_header,
    read_name,
)
from blobtorrent.storage.live.tally import Tally, read_tally
from blobtorrent.storage.live.writtenlog import read_record
from blobtorrent.storage.sealed import Seal

_WORD = Struct("=I")
_NUMBER_MASK = (1 << NUMBER_BITS) - 1


class Recovered:
    """What was found of one torrent.

    `written` are pieces that were verified and put into the files; with `is_whole` False there may be others, of which
    no record could be read. `blocks` are unverified: piece -> block -> the 16 KiB of its slot, of which a block at the
    end of a piece fills less.
    """

    __slots__ = ("blocks", "is_whole", "tally", "written")

    def __init__(self) -> None:
        self.written: list[range] = []
        self.tally: Tally | None = None
        self.blocks: dict[int, dict[int, memoryview]] = {}
        self.is_whole = True

    def wanted_blocks(self, geometry: PieceGeometry, have: Container[int]) -> dict[int, list[tuple[int, memoryview]]]:
        """The blocks of pieces that are neither written nor had: piece -> [(block, 16 KiB), ...], ascending."""
        written = {index for run in self.written for index in run}
        wanted = {}
        for index, blocks in self.blocks.items():
            if index >= geometry.num_pieces or index in written or index in have:
                continue
            found = [(block, view) for block, view in sorted(blocks.items()) if block < geometry.num_blocks(index)]
            if found:
                wanted[index] = found
        return wanted


class Recovery:
    """All that was found. `torrents` has the keys of state.row_key; `damages` tells what could not be read.

    `alive_at` is when the killed process was alive last, in seconds since 1970 as far as one can believe it; 0.0 when
    it is not known. `generation` is the number of the last commit of rows that it saw; 0 when it is not known.
    """

    def __init__(self) -> None:
        self.torrents: dict[bytes, Recovered] = {}
        self.damages: list[Damage] = []
        self.alive_at = 0.0
        self.generation = 0
        self._files: list[_KilledFile] = []

    @classmethod
    def recover(cls, path: Path, seal: Seal, session_id: bytes) -> Recovery | None:
        """Read the live file `path` and those that earlier starts put aside; None when there is none.

        `session_id` is that of the session that did not end cleanly. What others left may be out of date: their blocks
        count, which are hashed anyway, and their records of written pieces do not. Afterwards there is no file `path`.
        """
        recovery = cls()
        try:
            places = _set_aside(path)
        except OSError as error:
            recovery._damaged(path, error.strerror or str(error), "it is left alone")
            places = []
        for place in places:
            recovery._read(place, seal, session_id)
        recovery._remove_settled()
        return recovery if recovery.torrents or recovery.damages or recovery.generation else None

    def forget(self, key: bytes) -> None:
        """All that was found of this torrent is safe elsewhere, or the torrent is gone: later starts do not see it."""
        if self.torrents.pop(key, None) is not None:
            for file in self._files:
                file.forget(key)
            self._remove_settled()

    def keep_only(self, keys: Container[bytes]) -> None:
        """Forget all torrents but these: nobody knows the others any more."""
        for key in [key for key in self.torrents if key not in keys]:
            self.forget(key)

    def distrust(self) -> None:
        """Rows that were saved are lost, and what they said was forgotten here: there may be other written pieces."""
        for found in self.torrents.values():
            found.is_whole = False

    def note_gap(self) -> None:
        """This process records nothing of what it writes: what is here is not all that the next start should know."""
        for file in self._files:
            file.note_gap()

    def close(self) -> None:
        """All is safe: delete the files. Their memory is free when nobody holds a block of them any more."""
        for file in self._files:
            file.path.unlink(missing_ok=True)
        self._files.clear()

    def _remove_settled(self) -> None:
        """Every start leaves one more file: those of which nothing is needed go, whatever is needed of the others."""
        for file in self._files:
            if not file.torrents:
                file.path.unlink(missing_ok=True)
        self._files = [file for file in self._files if file.torrents]

    def _read(self, place: Path, seal: Seal, session_id: bytes) -> None:
        try:
            file = _KilledFile(place, seal)
        except OSError as error:
            self._damaged(place, error.strerror or str(error), "its blocks are fetched again, its pieces checked")
            return
        except ValueError as error:
            self._damaged(place, str(error), "its blocks are fetched again, its pieces checked")
            with suppress(OSError):    # in a folder that others share it may be theirs
                place.replace(place.with_name(f"{place.name.partition('.')[0]}.damaged"))
            return
        self._files.append(file)
        file.read()
        file.shrink()
        self._merge(file, is_current=file.session_id == session_id)

    def _merge(self, file: _KilledFile, *, is_current: bool) -> None:
        """Add what a later file says to what earlier ones said."""
        if is_current:
            self.alive_at = file.alive_at
            self.generation = max(self.generation, file.generation)
        for flaw in file.flaws:
            self._damaged(file.path, flaw, "what cannot be told without it is checked or fetched again")
        for key, found in file.torrents.items():
            known = self.torrents.setdefault(key, Recovered())
            if is_current:
                known.written += found.written
            known.is_whole &= found.is_whole and is_current
            if found.tally is not None:
                known.tally = Tally(*map(max, found.tally, known.tally or found.tally))
            for index, blocks in found.blocks.items():
                known.blocks.setdefault(index, {}).update(blocks)

    def _damaged(self, place: Path, detail: str, remedy: str) -> None:
        self.damages.append(Damage("live file", str(place), detail, remedy))


class _KilledFile:
    """One file that was put aside."""

    def __init__(self, path: Path, seal: Seal) -> None:
        """Raises OSError when it cannot be read, ValueError when it is none of ours or cut short."""
        self.path = path
        self.flaws: list[str] = []
        self.torrents: dict[bytes, Recovered] = {}
        self._seal = seal
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                raise ValueError("it is not a file of ours")
            header = read_header(os.pread(file, PAGE, 0), seal)
            if header is None:
                raise ValueError("its header does not match its digest")
            self._layout, self.session_id, is_sound = header
            if found.st_size < self._layout.size:
                raise ValueError("it is cut short")
            self._mapping = mmap.mmap(file, self._layout.size)
            self._memory = memoryview(self._mapping)
            beat_at = self._layout.beat_at
            self.alive_at: float = self._memory[beat_at : beat_at + BEAT_BYTES].cast("d")[0]
            generation_at = self._layout.generation_at
            self.generation: int = self._memory[generation_at : generation_at + GENERATION_BYTES].cast("Q")[0]
        finally:
            os.close(file)
        if not is_sound:
            self.flaws.append("one copy of its header does not match its digest")
        self._numbers: dict[int, bytes] = {}

    def read(self) -> None:
        entries, records = self._layout.entry_at(1), self._layout.record_at(0)
        for place in self._in_use(entries + STATE_AT, ENTRY_BYTES, self._layout.max_torrents):
            self._read_entry(1 + place)
        for place in self._in_use(records, RECORD_BYTES, self._layout.max_records):
            self._read_record(place)
        self._read_descriptors()

    def shrink(self) -> None:
        """Give back the memory of slots that hold nothing. A process that is killed again and again leaves file after
        file, each as large as the arena."""
        if not hasattr(mmap, "MADV_REMOVE"):
            return
        held = {slot for slot, *_ in self._held_slots()}
        start = 0
        for slot in [*sorted(held), self._layout.num_slots]:
            if slot > start:
                at, length = self._layout.slots_at + start * BLOCK_SIZE, (slot - start) * BLOCK_SIZE
                with suppress(OSError):            # not every filesystem in memory can
                    self._mapping.madvise(mmap.MADV_REMOVE, at, length)
            start = slot + 1

    def forget(self, key: bytes) -> None:
        self.torrents.pop(key, None)
        for number, other in self._numbers.items():
            if other == key:
                self._set(number, STATE_AT, FREE)

    def note_gap(self) -> None:
        for number in self._numbers:
            self._set(number, LACKING_AT, LACKING)

    def _set(self, number: int, at: int, word: int) -> None:
        at += self._layout.entry_at(number)
        self._memory[at : at + _WORD.size] = _WORD.pack(word)

    def _in_use(self, at: int, step: int, count: int) -> list[int]:
        """The places whose state, a word at `at` and `step` bytes on for each, is not FREE. There are thousands, nearly
        all free, and a start waits for this."""
        states = self._memory[at : at + count * step].cast("I")[:: step // _WORD.size].tolist()
        return [place for place, state in enumerate(states) if state != FREE]

    def _read_entry(self, number: int) -> None:
        at = self._layout.entry_at(number)
        entry = bytes(self._memory[at : at + ENTRY_BYTES])
        (state,) = _WORD.unpack_from(entry, STATE_AT)
        key, name_is_sound = read_name(entry, number, self._seal)
        if key is None:
            self.flaws.append(f"the name of torrent {number} does not match its digest")
            return
        found = self.torrents.setdefault(key, Recovered())
        self._numbers[number] = key
        found.tally, tally_is_sound = read_tally(entry, self._seal, key, self._layout.num_slots)
        (lacking,) = _WORD.unpack_from(entry, LACKING_AT)
        found.is_whole = lacking == FREE
        if state != USED or lacking not in (FREE, LACKING) or not name_is_sound or not tally_is_sound:
            self.flaws.append(f"the entry of torrent {key.hex()} is damaged in part")

    def _read_record(self, place: int) -> None:
        at = self._layout.record_at(place)
        record = bytes(self._memory[at : at + RECORD_BYTES])
        (state,) = _WORD.unpack_from(record)
        try:
            number, runs = read_record(record, self._seal, self._numbers)
        except ValueError as error:
            self.flaws.append(str(error))
            for found in self.torrents.values():           # nobody can say whose it was
                found.is_whole = False
            return
        self.torrents[self._numbers[number]].written += runs
        if state != USED:
            self.flaws.append("a record of written pieces has a damaged state")

    def _read_descriptors(self) -> None:
        for slot, index, begin, key in self._held_slots():
            at = self._layout.slots_at + slot * BLOCK_SIZE
            blocks = self.torrents[key].blocks.setdefault(index, {})
            blocks[begin // BLOCK_SIZE] = self._memory[at : at + BLOCK_SIZE]

    def _held_slots(self) -> Iterator[tuple[int, int, int, bytes]]:
        """(slot, piece, begin, key) of slots that hold a block."""
        descriptors = self._memory[PAGE : PAGE + self._layout.num_slots * DESCRIPTOR_BYTES].cast("Q")
        for slot, descriptor in enumerate(descriptors):
            key = self._numbers.get(descriptor & _NUMBER_MASK)
            if key is not None:
                yield slot, descriptor >> 32, (descriptor & 0xFFFFFFFF) & ~_NUMBER_MASK, key


def _set_aside(path: Path) -> list[Path]:
    """Give the file `path` a name of its own. Returns it and those that were put aside before, the oldest first."""
    numbers = [int(place.suffix[1:]) for place in path.parent.glob(f"{path.name}.*") if place.suffix[1:].isdecimal()]
    if os.path.lexists(path):
        number = 1 + max(numbers, default=0)
        path.rename(path.with_name(f"{path.name}.{number}"))
        numbers.append(number)
    return [path.with_name(f"{path.name}.{number}") for number in sorted(numbers)]
