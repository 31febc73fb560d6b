"""What a line of a list of addresses says. The usual formats, told apart line by line:

    1.2.3.0/24                                 CIDR, as 2001:db8::/32; or an address alone
    1.2.3.0 - 1.2.3.255                        a plain range
    Some organisation:1.2.3.0-1.2.3.255        P2P, as PeerGuardian has it
    001.002.003.000 - 001.002.003.255 , 100 , Some organisation        DAT, as eMule has it: 128 and more let through

Behind "#" or ";", and in front of lines also behind "//", is a comment.
"""

from __future__ import annotations

import ipaddress
import re

from blobtorrent.model.blocklist import V4_BITS, V6_BITS
from blobtorrent.model.errors import FormatError

MAX_LINE = 1024                        # bytes
MAX_V6 = 45                            # characters of an address
MAX_V6_COLONS = 8                      # in it
MAX_LEVEL = 127                        # the highest access level of DAT that is refused

Line = tuple[bool, int, int]           # is it IPv6, the first address, the last

_OCTETS = rb"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})"
_V4_LINE = re.compile(
    rb"(?:.*:)??\s*" + _OCTETS + rb"(?:\s*-\s*" + _OCTETS + rb"|/(\d{1,2}))?\s*(?:,\s*(\d{1,5})\s*(?:,.*)?|[#;].*)?")
_V6_LINE = re.compile(
    r"(?P<first>[^\s,#;/-]+)(?:\s*-\s*(?P<last>[^\s,#;/-]+)|/(?P<length>\d{1,3}))?\s*(?:,\s*(?P<level>\d{1,5})\s*(?:,.*)?"
    r"|[#;].*)?")
_V6_START = re.compile(rb"[0-9A-Fa-f:]*::[0-9A-Fa-f:.]*(?:[\s/%,#;-]|$)")     # also with an address of IPv4 in the end
# A third of the time that int() takes. Leading zeros mean nothing: DAT pads with them.
_OCTET_OF = {text: octet for octet in range(256) for text in (b"%d" % octet, b"%02d" % octet, b"%03d" % octet)}
_COMMENTS = (b"#", b";", b"//")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_line(line: bytes) -> Line | None:
    """The range that a line names; None when it names none: an empty line, a comment, a level that lets through.

    Raises FormatError ("filters.bad-line").
    """
    line = line.strip()
    if line.startswith(_BYTE_ORDER_MARK):
        line = line[len(_BYTE_ORDER_MARK):]
    if not line or line.startswith(_COMMENTS):
        return None
    if len(line) > MAX_LINE:
        raise _bad(f"more than {MAX_LINE} bytes")
    found = None if b"::" in line and _V6_START.match(line) else _V4_LINE.fullmatch(line)
    if found is None:
        return _read_v6(line)
    a, b, c, d, e, f, g, h, length, level = found.groups()
    if level is not None and int(level) > MAX_LEVEL:
        return None
    octet = _OCTET_OF
    try:
        first = octet[a] << 24 | octet[b] << 16 | octet[c] << 8 | octet[d]
        if e is not None:
            return False, *_in_order(first, octet[e] << 24 | octet[f] << 16 | octet[g] << 8 | octet[h])
    except KeyError:
        raise _bad("a part of an address is greater than 255") from None
    return False, *_network(first, V4_BITS, V4_BITS if length is None else int(length))


def _read_v6(line: bytes) -> Line | None:
    text = line.decode("ascii", "replace")
    found = _V6_LINE.fullmatch(text)
    if found is None or not _is_v6(found["first"]):
        return _read_named_v6(text)
    if found["level"] is not None and int(found["level"]) > MAX_LEVEL:
        return None
    if found["last"] is not None:
        return _v6_range(found["first"], found["last"])
    return True, *_network(_v6(found["first"]), V6_BITS, V6_BITS if found["length"] is None else int(found["length"]))


def _read_named_v6(text: str) -> Line:
    """P2P."""
    start, dash, end = text.rpartition("-")
    parts = start.rsplit(":", MAX_V6_COLONS + 1)           # before those is nothing but the name
    for at in range(1, len(parts) if dash else 0):
        address = ":".join(parts[at:]).strip()
        if _is_v6(address):
            return _v6_range(address, end.strip())
    raise _bad("no address, network or range")


def _v6_range(start: str, end: str) -> Line:
    """Where a name ends in what could be the first group of the address, nobody can tell where that begins."""
    first, last = _in_order(_v6(start), _v6(end))
    if first >> 112 != last >> 112 and _is_v6(start.partition(":")[2]):
        raise _bad("it cannot be told where the name ends and the address begins")
    return True, first, last


def _is_v6(text: str) -> bool:
    if len(text) > MAX_V6:
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _v6(text: str) -> int:
    try:
        return int(ipaddress.IPv6Address(text))
    except ValueError:
        raise _bad("a range with an end that is no IPv6 address") from None


def _in_order(first: int, last: int) -> tuple[int, int]:
    if last < first:
        raise _bad("a range that ends before it begins")
    return first, last


def _network(address: int, bits: int, length: int) -> tuple[int, int]:
    """Bits behind the prefix do not count, whatever they are."""
    if length > bits:
        raise _bad(f"a prefix longer than {bits} bits")
    hosts = (1 << bits - length) - 1
    return address & ~hosts, address | hosts


def _bad(detail: str) -> FormatError:
    return FormatError("filters.bad-line", detail)
