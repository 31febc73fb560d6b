"""What the kernel tells of interfaces, addresses and routes (rtnetlink): questions and answers, as bytes.

Numbers are in the machine's own byte order, attributes are padded to four bytes. What is cut off or unknown is skipped:
the kernel is no enemy, but grows.
"""

import ipaddress
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from blobtorrent.model.errors import NetworkError

_HEADER = struct.Struct("=IHHII")      # length with the header, type, flags, sequence number, port
_ATTRIBUTE = struct.Struct("=HH")      # length with these four bytes, type
_LINK = struct.Struct("=BxHiII")       # family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")     # family, bits of the prefix, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")   # family, bits of the destination and of the source, five bytes more, flags
_NUMBER = struct.Struct("=I")

_DUMP = 0x301                          # a request for everything there is
_TORN = 0x10                           # a flag: what was asked for changed meanwhile
_DONE = 3
_ERROR = 2
_RESULT = struct.Struct("=i")
_MOST_ERRORS = 4095                    # the greatest number of an error that the kernel has
_NEW_LINK, _GET_LINK = 16, 18
_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_NEW_ROUTE, _GET_ROUTE = 24, 26
_LINK_NAME, _LOCAL_ADDRESS, _PREFIX_ADDRESS = 3, 2, 1
_OUT_INTERFACE, _GATEWAY, _METRIC = 4, 5, 6

_IS_UP, _IS_LOOPBACK, _IS_MULTICAST = 0x1, 0x8, 0x1000
_TENTATIVE = 0x40                      # an IPv6 address that may turn out to be taken cannot be bound yet
_SCOPE_LINK = 253
_MAIN_TABLE = 254

GROUPS = 0x1 | 0x10 | 0x100            # links, IPv4 addresses, IPv6 addresses: what to be told of when it changes

ASK_LINKS = _HEADER.pack(_HEADER.size + _LINK.size, _GET_LINK, _DUMP, 1, 0) + bytes(_LINK.size)
ASK_ADDRESSES = _HEADER.pack(_HEADER.size + _ADDRESS.size, _GET_ADDRESS, _DUMP, 1, 0) + bytes(_ADDRESS.size)
ASK_ROUTES = _HEADER.pack(_HEADER.size + _ROUTE.size, _GET_ROUTE, _DUMP, 1, 0) + bytes(_ROUTE.size)


class Link(NamedTuple):
    number: int
    name: str
    is_up: bool
    is_loopback: bool
    is_multicast: bool


class OwnAddress(NamedTuple):
    """An address of ours: `interface` is the number of its link, `prefix_bits` how much of it is the network's."""

    interface: int
    host: str
    prefix_bits: int
    is_link_local: bool


class Gateway(NamedTuple):
    """A default route of the main table: whom to send to what is on no network of ours. Lower metrics come first."""

    interface: int
    host: str
    metric: int


class Answer:
    """What came of an answer yet; `is_complete` when nothing more will come.

    It `is_torn` when things changed while they were told, so that some may be missing.
    """

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.addresses: list[OwnAddress] = []
        self.gateways: list[Gateway] = []
        self.is_complete = False
        self.is_torn = False

    def feed(self, datagram: bytes) -> None:
        """Raises NetworkError ("net.no-netlink") when the kernel refuses to answer."""
        for kind, flags, body in _messages(datagram):
            self.is_torn |= bool(flags & _TORN)
            if kind == _DONE:
                self.is_complete = True
            elif kind == _ERROR:
                number = -_RESULT.unpack_from(body)[0] if len(body) >= _RESULT.size else 0
                reason = os.strerror(number) if 0 < number <= _MOST_ERRORS else f"error {number}"
                raise NetworkError("net.no-netlink", f"the system does not tell its addresses: {reason}")
            elif kind == _NEW_LINK and len(body) >= _LINK.size:
                self._take_link(body)
            elif kind == _NEW_ADDRESS and len(body) >= _ADDRESS.size:
                self._take_address(body)
            elif kind == _NEW_ROUTE and len(body) >= _ROUTE.size:
                self._take_route(body)

    def _take_link(self, body: bytes) -> None:
        _, _, index, flags, _ = _LINK.unpack_from(body)
        name = _attributes(body[_LINK.size:]).get(_LINK_NAME, b"").rstrip(b"\0").decode("utf-8", "surrogateescape")
        self.links.append(Link(
            index, name, bool(flags & _IS_UP), bool(flags & _IS_LOOPBACK), bool(flags & _IS_MULTICAST)))

    def _take_address(self, body: bytes) -> None:
        _, prefix_bits, flags, scope, index = _ADDRESS.unpack_from(body)
        attributes = _attributes(body[_ADDRESS.size:])
        # On a tunnel the one is ours and the other the far end's; elsewhere there may be only the other.
        packed = attributes.get(_LOCAL_ADDRESS, attributes.get(_PREFIX_ADDRESS, b""))
        if len(packed) in (4, 16) and not flags & _TENTATIVE:
            self.addresses.append(
                OwnAddress(index, str(ipaddress.ip_address(packed)), prefix_bits, scope == _SCOPE_LINK))

    def _take_route(self, body: bytes) -> None:
        destination_bits, table = body[1], body[4]
        attributes = _attributes(body[_ROUTE.size:])
        packed = attributes.get(_GATEWAY, b"")
        if destination_bits == 0 and table == _MAIN_TABLE and len(packed) in (4, 16):
            self.gateways.append(Gateway(
                _number(attributes, _OUT_INTERFACE), str(ipaddress.ip_address(packed)), _number(attributes, _METRIC)))


def _messages(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Type, flags and content of each."""
    at = 0
    while at + _HEADER.size <= len(datagram):
        length, kind, flags, *_ = _HEADER.unpack_from(datagram, at)
        if length < _HEADER.size:
            return
        yield kind, flags, datagram[at + _HEADER.size:at + length]
        at += _padded(length)


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[at + _ATTRIBUTE.size:at + length]
        at += _padded(length)
    return found


def _number(attributes: dict[int, bytes], kind: int) -> int:
    data = attributes.get(kind, b"")
    return int(_NUMBER.unpack(data)[0]) if len(data) == _NUMBER.size else 0


def _padded(length: int) -> int:
    return length + 3 & ~3
