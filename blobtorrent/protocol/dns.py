"""Questions to name servers and their answers (RFC 1035; AAAA of RFC 3596, SRV of RFC 2782). No I/O.

Only for what a resolver close by answers completely: chains of CNAME records are followed within one answer. Nothing of
an answer is believed that does not repeat the question.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import ipaddress
import struct
from enum import IntEnum
from typing import NamedTuple

from blobtorrent.model.errors import FormatError

_HEADER = struct.Struct(">HHHHHH")     # id, flags, questions, answers, authorities, more
_RECORD = struct.Struct(">HHIH")       # kind, class, seconds to live, length of what follows
_SRV = struct.Struct(">HHH")           # priority, weight, port
_QUESTION = struct.Struct(">HH")       # kind, class
_INTERNET = 1
_IS_ANSWER, _IS_CUT, _WANTS_RECURSION = 0x8000, 0x0200, 0x0100
_RESULT = 0x000F
_NO_ERROR, _NO_SUCH_NAME = 0, 3
_POINTER = 0xC0
_CNAME = 5
MAX_NAME = 253
MAX_LABEL = 63
MAX_JUMPS = 16                         # pointers in one name
MAX_RECORDS = 64
MAX_ALIASES = 8


class Kind(IntEnum):
    A = 1
    AAAA = 28
    SRV = 33


class Service(NamedTuple):
    """Where a service is: lower priorities first, and among equal ones by chance, the more the weight the likelier."""

    priority: int
    weight: int
    port: int
    host: str


class Reply(NamedTuple):
    """What a server said. `is_cut`: there is more than fits a datagram, ask by TCP. `found` is empty for a name that
    has no such records."""

    found: tuple[str | Service, ...] = ()
    is_cut: bool = False
    has_failed: bool = False           # of the server, which another one may do better


def ask(number: int, name: str, kind: Kind) -> bytes:
    """The question, with a number (16 bits) that the answer repeats. Raises FormatError ("dns.bad-name")."""
    return (_HEADER.pack(number, _WANTS_RECURSION, 1, 0, 0, 0) + _write_name(name)
            + _QUESTION.pack(kind, _INTERNET))


def read_reply(data: bytes, question: bytes) -> Reply:
    """Read the answer to what `ask` made. Raises FormatError ("dns.bad-reply") for what is none, or another one's."""
    asked = question[_HEADER.size:]
    if len(data) < _HEADER.size or data[:2] != question[:2]:
        raise FormatError("dns.bad-reply", "an answer to another question")
    _, flags, questions, answers, _, _ = _HEADER.unpack_from(data)
    # Names differ in case at most; a server that does not repeat the question was asked by somebody else.
    repeated = data[_HEADER.size:_HEADER.size + len(asked)]
    if not flags & _IS_ANSWER or questions != 1 or repeated.lower() != asked.lower():
        raise FormatError("dns.bad-reply", "an answer to another question")
    if flags & _RESULT not in (_NO_ERROR, _NO_SUCH_NAME):
        return Reply(has_failed=True)
    name, _ = _read_name(asked, 0)
    kind, _ = _QUESTION.unpack(asked[-_QUESTION.size:])
    records = _read_records(data, _HEADER.size + len(asked), min(answers, MAX_RECORDS), is_cut=bool(flags & _IS_CUT))
    return Reply(_follow(records, name, kind), bool(flags & _IS_CUT))


def _follow(records: list[tuple[str, int, str | Service]], name: str, kind: int) -> tuple[str | Service, ...]:
    """The records of the name itself, or of the one that its aliases lead to."""
    aliases = {owner: target for owner, of_kind, target in records if of_kind == _CNAME and isinstance(target, str)}
    for _ in range(MAX_ALIASES):
        found = tuple(value for owner, of_kind, value in records if of_kind == kind and owner == name)
        if found or name not in aliases:
            return found
        name = aliases[name].lower()
    return ()


def _read_records(data: bytes, at: int, count: int, *, is_cut: bool) -> list[tuple[str, int, str | Service]]:
    records: list[tuple[str, int, str | Service]] = []
    try:
        for _ in range(count):
            owner, at = _read_name(data, at)
            kind, network, _, length = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            value = _read_value(data, at, length, kind) if network == _INTERNET else None
            if value is not None:
                records.append((owner, kind, value))
            at += length
    except (struct.error, ValueError) as error:
        if not is_cut:
            raise FormatError("dns.bad-reply", f"not an answer of a name server ({type(error).__name__})") from None
    return records


def _read_value(data: bytes, at: int, length: int, kind: int) -> str | Service | None:
    packed = data[at:at + length]
    if len(packed) != length:
        raise ValueError("cut off")
    if kind == Kind.A and length == 4 or kind == Kind.AAAA and length == 16:
        return str(ipaddress.ip_address(packed))
    if kind == _CNAME:
        return _read_name(data, at)[0]
    if kind == Kind.SRV:
        priority, weight, port = _SRV.unpack_from(packed)
        return Service(priority, weight, port, _read_name(data, at + _SRV.size)[0])
    return None


def _write_name(name: str) -> bytes:
    try:
        encoded = name.rstrip(".").encode("ascii")
    except UnicodeEncodeError:
        encoded = b""
    labels = encoded.split(b".")
    if len(encoded) > MAX_NAME or not all(0 < len(label) <= MAX_LABEL for label in labels):
        raise FormatError("dns.bad-name", f"{name!r} is not a host name")
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def _read_name(data: bytes, at: int) -> tuple[str, int]:
    """A name in lower case and where it ends. Raises ValueError."""
    labels: list[bytes] = []
    name_bytes = 0
    end = -1
    for _ in range(MAX_JUMPS + MAX_NAME):
        if at >= len(data):
            raise ValueError("cut off")
        length = data[at]
        if length >= _POINTER:
            if at + 1 >= len(data):
                raise ValueError("cut off")
            end = at + 2 if end < 0 else end
            at = (length - _POINTER) << 8 | data[at + 1]
        elif length > MAX_LABEL:
            raise ValueError("an unknown kind of label")
        elif length == 0:
            return b".".join(labels).decode("ascii", "replace").lower(), at + 1 if end < 0 else end
        else:
            labels.append(data[at + 1:at + 1 + length])
            at += 1 + length
            name_bytes += 1 + length
            if name_bytes > MAX_NAME + 1:
                break
    raise ValueError("a name without an end")
