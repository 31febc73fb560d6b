"""Values: a dictionary that another program wrote, with its members read one by one and their types checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import FormatError
from blobtorrent.protocol.bencode import Limits, decode

SIDE_LIMITS = Limits(size_bytes=32 << 20, tokens=1_000_000)
MAX_PEERS = 1000
MAX_TEXT_BYTES = 4096
MAX_TEXTS = 1000
MAX_COUNT = 1 << 62                    # more bytes are no figures of a torrent
MAX_TIME_S = 253_402_300_799           # the end of the year 9999

T = TypeVar("T", int, bytes, list[Any], dict[bytes, Any])


class Values:
    """`program` begins the codes of errors. Absent members are the usual value; one of a wrong type raises FormatError
    ("PROGRAM.bad-value"): the program never writes it.
    """

    def __init__(self, members: Mapping[bytes, Any], program: str) -> None:
        self.members = members
        self._program = program

    @classmethod
    def decode(cls, raw: bytes, program: str) -> Values:
        """Raises FormatError ("bencode.*", "PROGRAM.bad-value")."""
        top = decode(raw, limits=SIDE_LIMITS, lenient=True)
        if not isinstance(top, dict):
            raise FormatError(f"{program}.bad-value", "it holds no dictionary")
        return cls(top, program)

    def __contains__(self, key: bytes) -> bool:
        return key in self.members

    def get(self, key: bytes, usual: T) -> T:
        value = self.members.get(key, usual)
        if not isinstance(value, type(usual)):
            raise self.wrong(key, "is of a wrong type")
        return value

    def count(self, key: bytes, usual: int = 0, *, limit: int = MAX_COUNT) -> int:
        """A number that is neither negative nor beyond what it can mean."""
        value = self.get(key, usual)
        if not 0 <= value <= limit:
            raise self.wrong(key, f"is {value}")
        return value

    def time(self, key: bytes) -> int:
        """Seconds since 1970, 0 for never, which some programs write as -1."""
        return 0 if self.get(key, 0) == -1 else self.count(key, limit=MAX_TIME_S)

    def text(self, key: bytes) -> str:
        raw = self.get(key, b"")
        if len(raw) > MAX_TEXT_BYTES:
            raise self.wrong(key, f"has {len(raw)} bytes")
        return text_of(raw)

    def texts(self, key: bytes) -> tuple[str, ...]:
        """A list of text; what else is in it is left out."""
        items = self.get(key, [])
        return tuple(text_of(item) for item in items[:MAX_TEXTS]
                     if isinstance(item, bytes) and 0 < len(item) <= MAX_TEXT_BYTES)

    def child(self, key: bytes) -> Values:
        empty: dict[bytes, Any] = {}
        return Values(self.get(key, empty), self._program)

    def wrong(self, key: bytes, what: str) -> FormatError:
        return FormatError(f"{self._program}.bad-value", f"{key.decode('ascii', 'replace')} {what}")

    def other_shape(self, what: str) -> FormatError:
        """It is of another torrent."""
        return FormatError(f"{self._program}.other-shape", what)


def text_of(raw: bytes) -> str:
    """Text, and back again by the same rule, whatever the bytes are."""
    return raw.decode("utf-8", "surrogateescape")


def bits_of(raw: bytes, size: int) -> int:
    """The mask of a bitfield whose first bit is the highest of its first byte; spare bits may be set."""
    last = -(-size // 8)
    reversed_bits = int.from_bytes(raw[:last].translate(_REVERSED), "little")
    return reversed_bits & (1 << size) - 1


def usable_peer(record: bytes) -> Endpoint | None:
    """A compact address (6 or 18 bytes); None when it is none, or one that nobody can have."""
    if len(record) not in (6, 18) or not any(record[:-2]) or not any(record[-2:]):
        return None
    return Endpoint.from_compact(record)


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
