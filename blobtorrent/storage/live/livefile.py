"""LiveFile: memory that outlives the process. The arena's slots, and for each slot whose block it holds.

It is a file on tmpfs: kept in memory, shared with nobody, and still there after `kill -9`. The next process finds in it
(its module recovery) every block that was received and not yet written, every piece that was written and not yet saved,
and the exact tallies. A power cut takes all of it: against that there are the part store and the rows.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections import deque
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from blobtorrent.model.ids import InfoHash
from blobtorrent.storage.faults import storage_error
from blobtorrent.storage.live.livelayout import (
    BEAT_BYTES,
    DESCRIPTOR_BYTES,
    ENTRY_BYTES,
    FREE,
    GENERATION_BYTES,
    LACKING,
    LACKING_AT,
    MAX_TORRENTS,
    NAMES_AT,
    PAGE,
    RECORD_BYTES,
    RECORD_RUNS,
    STATE_AT,
    USED,
    LiveLayout,
    sealed_name,
    write_header,
    write_owner,
)
from blobtorrent.storage.live.tally import NOTHING, Tally, TallyWriter
from blobtorrent.storage.live.writtenlog import WrittenLog, runs_of
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.statethread import row_key

NUM_TORRENTS = 4096                    # 1.2 MB; torrents beyond have no place and lose after a kill what others keep
NUM_RECORDS = 16384                    # 1 MiB; one write a piece, four times what comes between two commits


class LiveTorrent:
    """One torrent's place. Its methods never raise; which thread calls them is said at each."""

    def __init__(self, info_hash: InfoHash, number: int, descriptors: memoryview, entry: memoryview, log: WrittenLog,
                 seal: Seal) -> None:
        self.info_hash = info_hash
        self.number = number
        self._key = row_key(info_hash)
        self._descriptors = descriptors
        self._words = entry.cast("I")
        self._log = log
        self._tally = TallyWriter(entry, seal, self._key)
        self._records: dict[int, list[range]] = {}         # place -> what it says
        self._unlogged: set[int] = set()                   # written, and no record had room for it
        name = sealed_name(number, self._key, seal)
        for at in NAMES_AT:
            entry[at : at + len(name)] = name

    # ---- the receive thread

    def note_blocks(self, keys: Sequence[int], slots: Sequence[int]) -> None:
        """These whole blocks (`index << 32 | begin`) lie in these slots, from now until the arena has the slots back.

        Called for blocks that an assembly keeps, once a receive. Measured: 0.06 us a block.
        """
        descriptors, number = self._descriptors, self.number
        for slot, key in zip(slots, keys):
            descriptors[slot] = key | number
        self._tally.count(len(slots))

    def save_tally(self, downloaded: int, uploaded: int, wasted: int) -> None:
        """The torrent's totals in bytes, these blocks included."""
        self._tally.save(downloaded, uploaded, wasted)

    # ---- the disk threads

    def note_written(self, pieces: Iterable[int]) -> None:
        """These pieces are verified and in the files. To be called before their slots are released."""
        runs = runs_of(pieces)
        for first in range(0, len(runs), RECORD_RUNS):
            some = runs[first : first + RECORD_RUNS]
            place = self._log.add(self.number, self._key, some)
            if place is None:
                self._unlogged.update(index for run in some for index in run)
                self._words[LACKING_AT // 4] = LACKING
            else:
                self._records[place] = some

    # ---- the core thread

    def drop_records(self, have: Container[int] | None = None) -> None:
        """Forget written pieces that are in `have`, which a saved row says; all of them without it."""
        for place, runs in list(self._records.items()):
            if have is None or all(index in have for run in runs for index in run):
                del self._records[place]
                self._log.remove(place)
        if self._unlogged:
            self._unlogged.difference_update([index for index in list(self._unlogged) if have is None or index in have])
            self._settle_lacking()

    def drop_pieces(self, lost: Container[int]) -> None:
        """Pieces in `lost` are not in the files after all: no record may say so."""
        for place, runs in list(self._records.items()):
            pieces = [index for run in runs for index in run]
            left = [index for index in pieces if index not in lost]
            if len(left) < len(pieces):
                self.note_written(left)
                del self._records[place]
                self._log.remove(place)
        self._unlogged.difference_update([index for index in list(self._unlogged) if index in lost])
        self._settle_lacking()

    def _settle_lacking(self) -> None:
        if not self._unlogged:
            self._words[LACKING_AT // 4] = FREE
        if self._unlogged:             # a disk thread has just added to it
            self._words[LACKING_AT // 4] = LACKING

    def set_state(self, state: int) -> None:
        self._words[STATE_AT // 4] = state


class LiveFile:
    """The file and its mapping. Made before the engine starts; torrents come and go on the core thread."""

    def __init__(self, path: Path, mapping: mmap.mmap, layout: LiveLayout, seal: Seal) -> None:
        self.path = path
        self._seal = seal
        memory = memoryview(mapping)
        self.slot_memory = memory[layout.slots_at : layout.size]
        self.descriptors = memory[PAGE : PAGE + layout.num_slots * DESCRIPTOR_BYTES].cast("Q")
        self._memory = memory
        self._beat = memory[layout.beat_at : layout.beat_at + BEAT_BYTES].cast("d")
        self._generation = memory[layout.generation_at : layout.generation_at + GENERATION_BYTES].cast("Q")
        self._layout = layout
        self._log = WrittenLog(memory[layout.records_at : layout.records_at + layout.max_records * RECORD_BYTES], seal)
        self._numbers = deque(range(1, layout.max_torrents + 1))
        self._torrents: dict[InfoHash, LiveTorrent] = {}

    @classmethod
    def create(cls, path: Path, *, num_slots: int, seal: Seal, session_id: bytes, owner: Path | None = None,
               num_torrents: int = NUM_TORRENTS, num_records: int = NUM_RECORDS) -> LiveFile:
        """Make the file, which must not be there, and reserve all of its memory. `owner` is the state directory.

        Raises StorageError; DiskFull when the tmpfs has not so much room.
        """
        draft = LiveDraft(path, num_slots=num_slots, num_torrents=num_torrents, num_records=num_records)
        return draft.finish(seal, session_id, owner)

    def torrent(self, info_hash: InfoHash, totals: Tally = NOTHING) -> LiveTorrent | None:
        """The torrent's place, from now on until `forget`; None when all are taken. `totals` are where it starts."""
        found = self._torrents.get(info_hash)
        if found is not None or not self._numbers:
            return found
        number = self._numbers.popleft()
        at = self._layout.entry_at(number)
        entry = self._memory[at : at + ENTRY_BYTES]
        entry[:] = bytes(ENTRY_BYTES)
        torrent = LiveTorrent(info_hash, number, self.descriptors, entry, self._log, self._seal)
        torrent.save_tally(*totals)
        torrent.set_state(USED)
        self._torrents[info_hash] = torrent
        return torrent

    def note_written(self, info_hash: InfoHash, pieces: Iterable[int]) -> None:
        """The same of a torrent that may have no place. Any disk thread."""
        torrent = self._torrents.get(info_hash)
        if torrent is not None:
            torrent.note_written(pieces)

    def on_committed(self, info_hash: InfoHash, have: Container[int]) -> None:
        """A row that says `have` is durable: records of these pieces may go."""
        torrent = self._torrents.get(info_hash)
        if torrent is not None:
            torrent.drop_records(have)

    def on_lost(self, info_hash: InfoHash, pieces: Container[int]) -> None:
        """These pieces were written, and are not there any more: their records go."""
        torrent = self._torrents.get(info_hash)
        if torrent is not None:
            torrent.drop_pieces(pieces)

    def forget(self, info_hash: InfoHash) -> None:
        """The torrent's swarm is closed and all that it had is saved, or not wanted any more."""
        torrent = self._torrents.pop(info_hash, None)
        if torrent is not None:
            torrent.drop_records()
            torrent.set_state(FREE)
            self._numbers.append(torrent.number)

    def beat(self, wall: float) -> None:
        """We are alive, at `wall` (seconds since 1970). The core thread."""
        self._beat[0] = wall

    def note_commit(self, generation: int) -> None:
        """The commit of rows with this number is durable. The thread that made it, before it tells anybody."""
        self._generation[0] = generation

    def remove(self) -> None:
        """After a clean stop nothing of it is needed. The memory itself stays until the process ends."""
        self.path.unlink(missing_ok=True)


class LiveDraft:
    """A live file in the making: a thread reserves its memory, which takes 25 ms that a start has other use for.

    `finish` makes the file of it; `abandon` gives the memory back, and does nothing after `finish`.
    """

    def __init__(self, path: Path, *, num_slots: int, num_torrents: int = NUM_TORRENTS,
                 num_records: int = NUM_RECORDS) -> None:
        if num_torrents > MAX_TORRENTS:
            raise ValueError(f"{num_torrents} torrents in a live file")
        self._path = path
        self._draft = path.with_name(f"{path.name}.draft")
        self._layout = LiveLayout(num_slots, num_torrents, num_records)
        self._file = -1
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._reserve, name="live")
        self._thread.start()

    def _reserve(self) -> None:
        try:
            self._draft.unlink(missing_ok=True)
            self._file = os.open(self._draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            os.posix_fallocate(self._file, 0, self._layout.size)
        except OSError as error:
            self._error = error

    def finish(self, seal: Seal, session_id: bytes, owner: Path | None = None) -> LiveFile:
        """The file, which must not be there. `owner` is the state directory.

        It gets its name when its header is written: one that a kill left half made is taken for none. Raises
        StorageError; DiskFull when the tmpfs has not so much room: writing to a mapping beyond it would end us.
        """
        self._thread.join()
        try:
            if self._error is not None:
                raise self._error
            mapping = mmap.mmap(self._file, self._layout.size)
            write_header(memoryview(mapping), self._layout, seal, session_id)
            if owner is not None:
                write_owner(memoryview(mapping), os.fsencode(owner.absolute()))
            os.link(self._draft, self._path)       # as rename would, but replaces nothing
        except OSError as error:
            raise storage_error(error, self._path) from error
        finally:
            self.abandon()
        return LiveFile(self._path, mapping, self._layout, seal)

    def abandon(self) -> None:
        self._thread.join()
        if self._file >= 0:
            os.close(self._file)
            self._draft.unlink()
            self._file = -1
