"""NAT-PMP (RFC 6886): asks a router on the local network to pass a port on to us. No I/O.

    ask address   00 00
    told          00 80 result epoch address
    ask mapping   00 01|02 0000 port wished-port lifetime       (01 UDP, 02 TCP; lifetime 0 takes it back)
    told          00 81|82 result epoch port external-port lifetime
"""

from __future__ import annotations

import ipaddress
import struct

from blobtorrent.model.errors import FormatError, NetworkError
from blobtorrent.protocol.portmap import Mapping, Transport

PORT = 5351
VERSION = 0
_ANSWER = 0x80
_REQUEST = struct.Struct(">BBHHHI")
_HEADER = struct.Struct(">BBHI")       # version, operation, result, seconds since the router began
_MAPPED = struct.Struct(">HHI")
_OPERATIONS = {Transport.UDP: 1, Transport.TCP: 2}
_REASONS = {
    1: "it does not speak this version",
    2: "its owner does not allow it",
    3: "it has no connection itself",
    4: "it has no more room",
    5: "it does not do that",
}

ASK_ADDRESS = bytes((VERSION, 0))


def ask_mapping(transport: Transport, port: int, wished_port: int, lifetime_s: int) -> bytes:
    return _REQUEST.pack(VERSION, _OPERATIONS[transport], 0, port, wished_port, lifetime_s)


def read_mapping(data: bytes, transport: Transport, port: int) -> Mapping:
    """Raises FormatError ("portmap.bad-answer") for what is no answer to this, NetworkError ("portmap.refused")."""
    body = _body(data, _OPERATIONS[transport], _MAPPED.size)
    internal_port, external_port, lifetime_s = _MAPPED.unpack(body)
    if internal_port != port:
        raise FormatError("portmap.bad-answer", "an answer about another port")
    return Mapping(transport, internal_port, external_port, lifetime_s)


def read_address(data: bytes) -> str:
    """Our address outside. Raises FormatError ("portmap.bad-answer"), NetworkError ("portmap.refused")."""
    return str(ipaddress.IPv4Address(_body(data, 0, 4)))


def _body(data: bytes, operation: int, size: int) -> bytes:
    if len(data) < _HEADER.size:
        raise FormatError("portmap.bad-answer", f"an answer of {len(data)} bytes")
    version, answered, result, _ = _HEADER.unpack_from(data)
    if version != VERSION or answered != operation | _ANSWER:
        raise FormatError("portmap.bad-answer", "an answer to another question")
    if result:
        raise NetworkError("portmap.refused", f"the router: {_REASONS.get(result, f'result {result}')}")
    body = data[_HEADER.size:_HEADER.size + size]
    if len(body) < size:
        raise FormatError("portmap.bad-answer", f"an answer of {len(data)} bytes")
    return body
