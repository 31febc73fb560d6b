"""Endpoint: an address and port of a peer, and the ways to write it (compact forms of BEP 7 and BEP 23)."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from blobtorrent.model.errors import FormatError


class Endpoint(NamedTuple):
    """`host` is an IP address in canonical text form (never a name), `port` 1..65535."""

    host: str
    port: int

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"

    @property
    def compact(self) -> bytes:
        """6 bytes for IPv4 (BEP 23), 18 for IPv6 (BEP 7), network order."""
        return ipaddress.ip_address(self.host).packed + self.port.to_bytes(2, "big")

    @classmethod
    def from_compact(cls, record: bytes) -> Endpoint:
        """Read one compact record. Raises FormatError ("address.bad-compact") on another length."""
        if len(record) not in (6, 18):
            raise FormatError("address.bad-compact", f"address of {len(record)} bytes")
        return cls(str(ipaddress.ip_address(record[:-2])), int.from_bytes(record[-2:], "big"))


def split_host_port(text: str) -> tuple[str, str]:
    """Split "HOST:PORT" or "[V6]:PORT" into host and the text of the port.

    Raises FormatError ("address.bad-endpoint") when there is no port or an IPv6 address has no brackets.
    """
    host, colon, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not colon or not host or not port:
        raise FormatError("address.bad-endpoint", f"{text!r} is not HOST:PORT (IPv6 goes in brackets)")
    return host, port


def is_address(host: str) -> bool:
    """Whether it is an IP address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def parse_endpoint(text: str) -> Endpoint:
    """Read "1.2.3.4:5" or "[::1]:5"; names are not resolved. Raises FormatError ("address.bad-endpoint")."""
    host, port = split_host_port(text)
    try:
        address, number = ipaddress.ip_address(host), int(port)
    except ValueError:
        raise FormatError("address.bad-endpoint", f"{text!r} is not an IP address and port") from None
    if not 0 < number < 65536:
        raise FormatError("address.bad-endpoint", f"port {number} is not between 1 and 65535")
    return Endpoint(str(address), number)
