"""What SQLite does not tell: that a damaged write-ahead log made it forget commits.

SQLite reads the log up to the first frame that does not fit its checksum, and takes the rest for what a crash cut off.
The layout is that of https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

from struct import Struct

_HEADER = Struct(">8I")                # magic, version, page size, checkpoint number, 2 salts, 2 checksums
_FRAME = Struct(">6I")                 # page, size after a commit or 0, 2 salts, 2 checksums
_MAGIC = 0x377f0682                    # plus 1 when checksums are of big-endian words
_SUMMED_OF_HEADER = 24                 # bytes
_SUMMED_OF_FRAME = 8                   # and the page
_WORD = 0xffffffff

Checksum = tuple[int, int]


def forgotten_frames(log: bytes) -> int:
    """How many frames of the log nobody will read, although they are of its current round and a commit ends them.

    Frames behind the last commit were promised to nobody: a process that was killed in a transaction left them.
    """
    if len(log) < _HEADER.size:
        return 0
    magic, _, page_bytes, _, salt1, salt2, *checksum = _HEADER.unpack_from(log)
    order = ">" if magic & 1 else "<"
    running = _summed(order, log[:_SUMMED_OF_HEADER], (0, 0))
    if magic & ~1 != _MAGIC or running != tuple(checksum):
        return 1                       # nothing of it can be read; how much there is, cannot either
    frame_bytes = _FRAME.size + page_bytes
    starts = range(_HEADER.size, len(log) - frame_bytes + 1, frame_bytes)
    frames = [_FRAME.unpack_from(log, start) for start in starts]
    is_current = [frame[2:4] == (salt1, salt2) for frame in frames]
    end = 1 + max((number for number, frame in enumerate(frames) if is_current[number] and frame[1]), default=-1)
    for number, start in enumerate(starts):
        running = _summed(order, log[start:start + _SUMMED_OF_FRAME], running)
        running = _summed(order, log[start + _FRAME.size:start + frame_bytes], running)
        fits = running == _FRAME.unpack_from(log, start)[4:]
        if not (fits and is_current[number]):
            return sum(is_current[number:end]) + fits      # frames of earlier rounds have other salts, and do not fit
    return 0


def _summed(order: str, data: bytes, before: Checksum) -> Checksum:
    """SQLite's checksum of whole pairs of words, carried on from that of the data before."""
    sum1, sum2 = before
    words = Struct(f"{order}{len(data) // 4}I").unpack(data)
    for first, second in zip(words[::2], words[1::2]):
        sum1 = (sum1 + first + sum2) & _WORD
        sum2 = (sum2 + second + sum1) & _WORD
    return sum1, sum2
