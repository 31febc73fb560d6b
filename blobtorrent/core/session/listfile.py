"""Reads a list of addresses from its file, packed with gzip or not, into packed ranges.

Half a million lines are a second or two of computing: it is done in slices, so that the network threads get the
interpreter in between. A line that is not understood is counted, and ends nothing.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from blobtorrent.model.blocklines import MAX_LINE, read_line
from blobtorrent.model.blocklist import RangeBuilder, Ranges
from blobtorrent.model.details import BadLine
from blobtorrent.model.errors import Denied, FileMissing, FormatError, StorageError
from blobtorrent.runtime.pacing import paced, paced_batches

MAX_TEXT_BYTES = 256 << 20             # unpacked
MAX_RANGES = 1_000_000
MAX_LINES = 4 * MAX_RANGES             # comments and what is not understood included
BAD_TOLD = 5                           # lines that are not understood, and are told of one by one
CHUNK_BYTES = 32 << 10                 # read, or unpacked, at a time

_GZIP = b"\x1f\x8b"
_FOREIGN = {                           # what begins so is no list, though its contents may be one
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"\xfd7zXZ": "packed with xz: unpack it first",
    b"BZh": "packed with bzip2: unpack it first",
    b"\xff\xff\xff\xffP2B": "a binary P2B list: the same list in the text format P2P is needed",
    b"<": "a page for browsers, perhaps of a download that failed",
}


class Stamp(NamedTuple):
    """How a file looked; one that was changed looks otherwise."""

    size: int
    mtime_ns: int
    inode: int


class ListRead(NamedTuple):
    """A list as it was read: what came of its lines, and how its file looked."""

    ranges: Ranges
    lines: int                         # that name a range
    malformed: int
    first_malformed: tuple[BadLine, ...]
    stamp: Stamp


class Abandoned(Exception):
    """Nobody wants the list any more."""


def stamp_of(path: Path) -> Stamp | None:
    """None when there is no such file, or none that we may look at."""
    try:
        return _stamp(path.stat())
    except OSError:
        return None


def read_list(path: Path, must_end: Callable[[], bool] = lambda: False, *, is_urgent: bool = False) -> ListRead:
    """Without pauses when it `is_urgent`: the others wait for it anyway.

    Raises StorageError ("filters.unreadable", "filters.changing"), FormatError ("filters.not-a-list",
    "filters.too-long", "filters.bad-gzip"), or Abandoned when `must_end()`.
    """
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise StorageError("filters.unreadable", f"{path}: not a regular file")
            reader = _Reader(must_end)
            steps = reader.read_lines(_text_of(file))
            for _ in steps if is_urgent else paced(steps):
                pass
            if _stamp(os.fstat(file.fileno())) != _stamp(before):
                raise StorageError("filters.changing", f"{path}: it was written to while it was read")
    except FileNotFoundError:
        raise FileMissing("filters.unreadable", f"{path}: no such file") from None
    except PermissionError:
        raise Denied("filters.unreadable", f"{path}: the user of the daemon may not read it") from None
    except OSError as error:
        raise StorageError("filters.unreadable", f"{path}: {error.strerror}") from None
    except FormatError as error:
        raise FormatError(error.code, f"{path}: {error.detail}") from None
    if not reader.builder.count:
        first = f"; line {reader.bad[0].number}: {reader.bad[0].reason}" if reader.bad else ""
        raise FormatError("filters.not-a-list", f"{path}: no line of it names an address, network or range{first}")
    ranges = Ranges()
    packing = reader.builder.pack(ranges)
    for _ in packing if is_urgent else paced_batches(packing, 1):
        if must_end():
            raise Abandoned
    return ListRead(ranges, reader.builder.count, reader.malformed, tuple(reader.bad), _stamp(before))


class _Reader:
    """Lines into a RangeBuilder, and what came of them."""

    def __init__(self, must_end: Callable[[], bool]) -> None:
        self.builder = RangeBuilder()
        self.malformed = 0
        self.bad: list[BadLine] = []
        self._must_end = must_end

    def read_lines(self, chunks: Iterator[bytes]) -> Iterator[None]:
        """A step is a line, or what there is of one. Raises FormatError for a list that is too long, Abandoned."""
        add, before = self.builder.add, 0
        for lines in _lines_of(chunks):
            if self._must_end():
                raise Abandoned
            yield
            for number, line in enumerate(lines, before + 1):
                try:
                    found = read_line(line)
                except FormatError as error:
                    self.malformed += 1
                    if len(self.bad) < BAD_TOLD:
                        self.bad.append(BadLine(number, error.detail))
                else:
                    if found is not None:
                        add(*found)
                yield
            before += len(lines)
            if before > MAX_LINES:
                raise FormatError("filters.too-long", f"more than {MAX_LINES} lines")
            if self.builder.count > MAX_RANGES:
                raise FormatError("filters.too-long", f"more than {MAX_RANGES} ranges: make several lists of it")


def _lines_of(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """The lines of each chunk. Of one that is far too long only the beginning is kept, so that it is told to be so."""
    rest, size = b"", 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_TEXT_BYTES:
            raise FormatError("filters.too-long", f"more than {MAX_TEXT_BYTES >> 20} MiB of text")
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[:MAX_LINE + 1]
        yield lines
    yield [rest]


def _text_of(file: BinaryIO) -> Iterator[bytes]:
    head = file.read(CHUNK_BYTES)
    if head.startswith(_GZIP):
        yield from _unpacked(head, file)
        return
    for magic, what in _FOREIGN.items():
        if head.lstrip().startswith(magic):
            raise FormatError("filters.not-a-list", f"it is {what}")
    while head:
        yield head
        head = file.read(CHUNK_BYTES)


def _unpacked(data: bytes, file: BinaryIO) -> Iterator[bytes]:
    """The text in a gzip file, which may have several members; padding of zeros behind them is no matter."""
    import zlib

    unpacker, zeros_bytes = None, 0
    try:
        while data := data or file.read(CHUNK_BYTES):
            if unpacker is None:
                data = data.lstrip(b"\0")
                if not data:
                    zeros_bytes += CHUNK_BYTES
                    if zeros_bytes > MAX_TEXT_BYTES:
                        raise FormatError("filters.bad-gzip", "nothing but zeros behind the list")
                    yield b""
                    continue
                unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield unpacker.decompress(data, CHUNK_BYTES)
            data = unpacker.unconsumed_tail
            if unpacker.eof:
                data, unpacker = unpacker.unused_data, None
    except zlib.error as error:
        raise FormatError("filters.bad-gzip", f"the packed file is damaged ({error}): fetch it again") from None
    if unpacker is not None:
        raise FormatError("filters.bad-gzip", "the packed file ends too early: fetch it again")


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ino)
