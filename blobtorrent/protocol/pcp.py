"""PCP (RFC 6887), the operation MAP: asks a router to pass a port on to us, IPv6 too. No I/O.

    request   02 01 0000 lifetime our-address(16) | nonce(12) protocol 000000 port wished-port wished-address(16)
    answer    02 81 00 result lifetime epoch 0(12) | nonce protocol 000000 port external-port external-address

An IPv4 address is written as IPv6 (::ffff:a.b.c.d). The nonce proves to the router that who renews is who asked, and to
us that an answer is one.
"""

from __future__ import annotations

import ipaddress
import struct

from blobtorrent.model.errors import FormatError, NetworkError
from blobtorrent.protocol.portmap import Mapping, Transport

PORT = 5351
VERSION = 2
NONCE_BYTES = 12
MAX_BYTES = 1100
_MAP, _ANSWER = 1, 0x80
_REQUEST = struct.Struct(">BBHI16s")
_HEADER = struct.Struct(">BBBBII12x")
_MAPPING = struct.Struct(">12sB3xHH16s")
_PROTOCOLS = {Transport.TCP: 6, Transport.UDP: 17}
_REASONS = {
    1: "it does not speak this version",
    2: "its owner does not allow it",
    3: "it does not understand us",
    4: "it does not do that",
    7: "it has no connection itself",
    8: "it has no more room",
    11: "the port is taken",
    12: "it sees another address of ours than we do",
}


def ask_mapping(transport: Transport, port: int, wished_port: int, lifetime_s: int, *, source: str, nonce: bytes,
                ) -> bytes:
    """`source` is the address of ours that the request is sent from."""
    wished_host = "::ffff:0.0.0.0" if ":" not in source else "::"
    return _REQUEST.pack(VERSION, _MAP, 0, lifetime_s, _packed(source)) + _MAPPING.pack(
        nonce, _PROTOCOLS[transport], port, wished_port, _packed(wished_host))


def read_mapping(data: bytes, transport: Transport, port: int, nonce: bytes) -> Mapping:
    """Raises FormatError ("portmap.bad-answer") for what is no answer to this, NetworkError ("portmap.refused";
    "portmap.other-version" from a router that only speaks NAT-PMP)."""
    if len(data) < 4 or not data[1] & _ANSWER:
        raise FormatError("portmap.bad-answer", "not an answer of PCP")
    if data[0] != VERSION:
        raise NetworkError("portmap.other-version", "the router does not speak PCP")
    if len(data) < _HEADER.size or data[1] != _MAP | _ANSWER:
        raise FormatError("portmap.bad-answer", "not an answer of PCP")
    _, _, _, result, lifetime_s, _ = _HEADER.unpack_from(data)
    if len(data) < _HEADER.size + _MAPPING.size:
        if result:
            raise NetworkError("portmap.refused", _reason(result))
        raise FormatError("portmap.bad-answer", f"an answer of {len(data)} bytes")
    told_nonce, protocol, internal_port, external_port, host = _MAPPING.unpack_from(data, _HEADER.size)
    if (told_nonce, protocol, internal_port) != (nonce, _PROTOCOLS[transport], port):
        raise FormatError("portmap.bad-answer", "an answer to another question")
    if result:
        raise NetworkError("portmap.refused", _reason(result))
    return Mapping(transport, port, external_port, lifetime_s, _text(host))


def _reason(result: int) -> str:
    return f"the router: {_REASONS.get(result, f'result {result}')}"


def _packed(host: str) -> bytes:
    address = ipaddress.ip_address(host)
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed


def _text(packed: bytes) -> str:
    address = ipaddress.IPv6Address(packed)
    return str(address.ipv4_mapped or address)
