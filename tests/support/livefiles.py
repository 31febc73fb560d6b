"""Small live files, and what the process after finds in them."""

from __future__ import annotations

import random
from pathlib import Path

from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.ids import InfoHash
from blobtorrent.storage.live.livefile import LiveFile
from blobtorrent.storage.live.recovery import Recovery
from blobtorrent.storage.sealed import Seal

SEAL = Seal(b"k" * 32)
SESSION = b"session one" + bytes(5)
NUM_SLOTS = 16

ONE = InfoHash(v1=b"1" * 20)
TWO = InfoHash(v2=b"2" * 32)
HYBRID = InfoHash(v1=b"3" * 20, v2=b"4" * 32)


def make_live(path: Path, *, num_slots: int = NUM_SLOTS, num_torrents: int = 3, num_records: int = 4,
              session_id: bytes = SESSION) -> LiveFile:
    return LiveFile.create(path, num_slots=num_slots, seal=SEAL, session_id=session_id, num_torrents=num_torrents,
                           num_records=num_records)


def recover(path: Path, session_id: bytes = SESSION) -> Recovery:
    recovery = Recovery.recover(path, SEAL, session_id)
    assert recovery is not None
    return recovery


def key(index: int, block: int) -> int:
    """As protocol.wire.shape gives them."""
    return index << 32 | block * BLOCK_SIZE


def payload(index: int, block: int) -> bytes:
    return random.Random(index << 20 | block).randbytes(BLOCK_SIZE)


def put_block(live: LiveFile, info_hash: InfoHash, index: int, block: int, slot: int) -> None:
    """A block as it is received."""
    live.slot_memory[slot * BLOCK_SIZE : (slot + 1) * BLOCK_SIZE] = payload(index, block)
    torrent = live.torrent(info_hash)
    assert torrent is not None
    torrent.note_blocks([key(index, block)], [slot])
