"""The layout of a live file: where things lie in the memory that outlives the process.

```
0            header, twice: magic, version, counts, session id, digest; whose it is
page 1       descriptors   8 bytes a slot: whose block the slot holds, 0 for none
             torrents      an entry each: name twice, counter of received blocks, tally twice
             records       64 bytes each: runs of pieces that were written and are in no saved row yet
             beat          when the process was alive last: seconds since 1970, a double; a figure, and not sealed
             generation    8 bytes: the number of the last commit of rows; not sealed either
page n       slots         16 KiB each, the memory of the arena
```

Numbers are in the byte order of the machine: the file never leaves it. What a kill can cut in two is there twice or is
made valid by a last store of 8 bytes at most. What must not change under us is sealed.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.storage.sealed import DIGEST_BYTES, Seal

PAGE = 4096
MAGIC = b"BTLIVE\r\n"
VERSION = 1

# A descriptor is `index << 32 | begin | number`. A block begins at a multiple of 16 KiB, so the number of its torrent
# (from 1) has the low 14 bits for itself.
DESCRIPTOR_BYTES = 8
NUMBER_BITS = BLOCK_SIZE.bit_length() - 1
MAX_TORRENTS = (1 << NUMBER_BITS) - 1

# States differ in many bits: one that flips makes neither of the other.
FREE = 0
USED = 0x5AC3_96E1
LACKING = 0x3C69_A5D2

HEADER = Struct("=8sIIII33p")          # magic, version, slots, torrents, records, session id
HEADER_COPY_BYTES = PAGE // 2
OWNER_AT = 256                         # the path of the state directory: whoever cleans up wants to know. Not sealed
OWNER_LENGTH = Struct("=H")
MAX_OWNER_BYTES = HEADER_COPY_BYTES - OWNER_AT - OWNER_LENGTH.size

ENTRY_BYTES = 288
STATE_AT = 0                           # FREE or USED
LACKING_AT = 4                         # LACKING when written pieces found no room among the records
RECEIVED_AT = 8                        # blocks noted so far, and the same inverted
NAME = Struct("=33p")
NAMES_AT = (32, 96)
TALLY = Struct("=QQQQQ")               # sequence, downloaded, uploaded, wasted, blocks noted by then
TALLIES_AT = (160, 224)

BEAT_BYTES = 8
GENERATION_BYTES = 8

RECORD_BYTES = 64
RECORD = Struct("=HH10I")              # number, count of runs, five times first piece and how many
RECORD_BODY_AT = 4                     # behind the state
RECORD_RUNS = 5


class LiveLayout(NamedTuple):
    """Offsets follow from the counts."""

    num_slots: int
    max_torrents: int
    max_records: int

    @property
    def torrents_at(self) -> int:
        return PAGE + _aligned(self.num_slots * DESCRIPTOR_BYTES, RECORD_BYTES)

    @property
    def records_at(self) -> int:
        return self.torrents_at + _aligned(self.max_torrents * ENTRY_BYTES, RECORD_BYTES)

    @property
    def beat_at(self) -> int:
        return self.records_at + self.max_records * RECORD_BYTES

    @property
    def generation_at(self) -> int:
        return self.beat_at + BEAT_BYTES

    @property
    def slots_at(self) -> int:
        return _aligned(self.generation_at + GENERATION_BYTES, PAGE)

    @property
    def size(self) -> int:
        return self.slots_at + self.num_slots * BLOCK_SIZE

    def entry_at(self, number: int) -> int:
        return self.torrents_at + (number - 1) * ENTRY_BYTES

    def record_at(self, position: int) -> int:
        return self.records_at + position * RECORD_BYTES


def write_header(memory: memoryview, layout: LiveLayout, seal: Seal, session_id: bytes) -> None:
    body = HEADER.pack(MAGIC, VERSION, *layout, session_id)
    sealed = body + seal.digest(b"live.header", body)
    for at in (0, HEADER_COPY_BYTES):
        memory[at : at + len(sealed)] = sealed


def read_header(page: bytes, seal: Seal) -> tuple[LiveLayout, bytes, bool] | None:
    """(layout, session id, whether both copies were sound); None when neither is one of ours."""
    sound = [found for at in (0, HEADER_COPY_BYTES) if (found := _header_copy(page[at : at + HEADER_COPY_BYTES], seal))]
    return (*sound[0], len(sound) == 2) if sound else None


def write_owner(memory: memoryview, owner: bytes) -> None:
    """One that is too long is left out."""
    if len(owner) <= MAX_OWNER_BYTES:
        noted = OWNER_LENGTH.pack(len(owner)) + owner
        memory[OWNER_AT : OWNER_AT + len(noted)] = noted


def read_owner(page: bytes) -> bytes:
    """Empty when it is not known."""
    (length,) = OWNER_LENGTH.unpack_from(page, OWNER_AT)
    at = OWNER_AT + OWNER_LENGTH.size
    return page[at : at + length] if length <= MAX_OWNER_BYTES else b""


def _header_copy(copy: bytes, seal: Seal) -> tuple[LiveLayout, bytes] | None:
    body = copy[: HEADER.size]
    if len(body) < HEADER.size or not seal.matches(copy[HEADER.size :][:DIGEST_BYTES], b"live.header", body):
        return None
    magic, version, num_slots, max_torrents, max_records, session_id = HEADER.unpack(body)
    if (magic, version) != (MAGIC, VERSION):
        return None
    return LiveLayout(num_slots, max_torrents, max_records), session_id


def sealed_name(number: int, key: bytes, seal: Seal) -> bytes:
    """The name of a torrent as it stands in its entry."""
    name = NAME.pack(key)
    return name + seal.digest(b"live.torrent", number.to_bytes(4, "big"), name)


def read_name(entry: bytes, number: int, seal: Seal) -> tuple[bytes | None, bool]:
    """The key of the torrent that an entry is of, None when neither copy is sound; and whether both are."""
    sound = []
    for at in NAMES_AT:
        name = entry[at : at + NAME.size]
        (key,) = NAME.unpack(name)
        if entry[at : at + NAME.size + DIGEST_BYTES] == sealed_name(number, key, seal):
            sound.append(bytes(key))
    return (sound[0], len(sound) == 2) if sound else (None, False)


def _aligned(count: int, unit: int) -> int:
    return -(-count // unit) * unit
