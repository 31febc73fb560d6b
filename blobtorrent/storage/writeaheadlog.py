"""What SQLite does not tell: that a damaged write-ahead log made it forget commits.

SQLite reads the log up to the first frame whose checksum is wrong, and takes what follows for the rest of a write that
a crash cut off. When whole frames follow, it was damage, and what had been saved is gone.
The layout is that of https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

from struct import Struct

_HEADER = Struct(">8I")                # magic, version, page size, checkpoint number, 2 salts, 2 checksums
_FRAME = Struct(">6I")                 # page, size after a commit or 0, 2 salts, 2 checksums
_MAGIC = 0x377f0682                    # the lowest bit says in which byte order checksums are computed
_WORD = 0xffffffff


def forgotten_frames(log: bytes, sound_frames: int) -> int:
    """How many frames of this log nobody will read, though they are of the log's current round.

    `sound_frames` is how many SQLite has read. A crash or a power cut in the middle of a commit leaves such frames too,
    of what had not been saved yet: then nothing was lost, and to check too much does no harm.
    """
    if len(log) < _HEADER.size:
        return 0
    magic, _, page_bytes, _, *salts, sum1, sum2 = _HEADER.unpack_from(log)
    frame_bytes = _FRAME.size + page_bytes
    if magic & ~1 != _MAGIC or _checksum(log, magic & 1) != (sum1, sum2) or page_bytes < 512:
        return max(1, (len(log) - _HEADER.size) // (_FRAME.size + 512))
    starts = range(_HEADER.size + sound_frames * frame_bytes, len(log) - frame_bytes + 1, frame_bytes)
    return sum(list(_FRAME.unpack_from(log, start)[2:4]) == salts for start in starts)


def _checksum(log: bytes, big_endian: int) -> tuple[int, int]:
    """Of the first 24 bytes of the header."""
    words = Struct(">6I" if big_endian else "<6I").unpack_from(log)
    sum1 = sum2 = 0
    for first, second in zip(words[::2], words[1::2], strict=True):
        sum1 = (sum1 + first + sum2) & _WORD
        sum2 = (sum2 + second + sum1) & _WORD
    return sum1, sum2
