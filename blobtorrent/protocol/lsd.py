"""Local discovery (BEP 14): announcements to a multicast group, and when which torrents are announced. No I/O.

One datagram names several torrents. It tells no address: the peer is at the address that it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import FormatError

GROUP_V4 = Endpoint("239.192.152.143", 6771)
GROUP_V6 = Endpoint("ff15::efc0:988f", 6771)

MAX_BYTES = 1400                       # of a datagram, so that none is cut
MAX_HASHES = 20                        # in one of ours; so many fit with room to spare
MAX_READ = 64                          # of a foreign one
_DIGEST = re.compile("[0-9A-Fa-f]{40}")               # blanks between digits make it another length
TORRENT_INTERVAL_S = 300.0             # between two announcements of a torrent
PACKET_INTERVAL_S = 60.0               # between two datagrams, on average
PACKET_BURST = 3                       # that may go at once: a torrent that was just added does not wait
HEARD_PER_S = 10                       # foreign datagrams that are looked at
_REQUEST = "BT-SEARCH * HTTP/1.1"


class LocalAnnouncement(NamedTuple):
    """`hashes` are 20 bytes each, as on the wire. `cookie` tells a sender its own datagrams."""

    port: int
    hashes: tuple[bytes, ...]
    cookie: str = ""

    def encode(self, group: Endpoint) -> bytes:
        lines = [_REQUEST, f"Host: {group}", f"Port: {self.port}", *(f"Infohash: {one.hex()}" for one in self.hashes)]
        if self.cookie:
            lines.append(f"cookie: {self.cookie}")
        return "\r\n".join([*lines, "", "", ""]).encode()

    @classmethod
    def decode(cls, data: bytes) -> LocalAnnouncement:
        """Read a foreign one: headers in any order and case, unknown ones and hashes that are none are passed over.

        Raises FormatError ("lsd.bad-announce") when it is none, or names no port or no torrent.
        """
        if len(data) > MAX_BYTES:
            raise FormatError("lsd.bad-announce", f"announcement of {len(data)} bytes")
        first, *lines = data.decode("ascii", "replace").split("\r\n")
        if first.split(" ")[0] != "BT-SEARCH":
            raise FormatError("lsd.bad-announce", "no announcement")
        port, cookie = 0, ""
        hashes: list[bytes] = []
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            if name == "port" and value.isdecimal() and len(value) <= 5:
                port = int(value)
            elif name == "cookie":
                cookie = value
            elif name == "infohash" and _DIGEST.fullmatch(value) and len(hashes) < MAX_READ:
                hashes.append(bytes.fromhex(value))
        if not 0 < port < 65536 or not hashes:
            raise FormatError("lsd.bad-announce", "announcement without a port or a torrent")
        return cls(port, tuple(dict.fromkeys(hashes)), cookie)


class Allowance:
    """So many a second, and as many at once. Of a flood the rest is not even looked at."""

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, now: float) -> bool:
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def next_at(self) -> float:
        """When there will be one."""
        return self._at + max(0.0, 1 - self._left) / self._per_s


class AnnouncePlan:
    """Which torrents the next datagram names. New ones go first, the newest of them before the others; when there are
    more than go in their time, all of them wait longer."""

    def __init__(self, now: float) -> None:
        self._fresh: dict[bytes, None] = {}
        self._again: dict[bytes, float] = {}               # when each is due, earliest first
        self._allowance = Allowance(1 / PACKET_INTERVAL_S, PACKET_BURST, now)

    def __contains__(self, wire_hash: bytes) -> bool:
        return wire_hash in self._fresh or wire_hash in self._again

    def add(self, hashes: Iterable[bytes]) -> None:
        self._fresh.update((one, None) for one in hashes if one not in self)

    def remove(self, hashes: Iterable[bytes]) -> None:
        for one in hashes:
            self._fresh.pop(one, None)
            self._again.pop(one, None)

    def next_at(self, now: float) -> float | None:
        """When the next datagram may go; None while there is nothing to announce."""
        if not self._fresh and not self._again:
            return None
        due = now if self._fresh else next(iter(self._again.values()))
        return max(due, self._allowance.next_at())

    def take(self, now: float) -> tuple[bytes, ...]:
        """What to announce now; empty when it is not time for that."""
        due = [*reversed(self._fresh), *(one for one, at in self._again.items() if at <= now)][:MAX_HASHES]
        if not due or not self._allowance.take(now):
            return ()
        self.remove(due)
        self._again.update(dict.fromkeys(due, now + TORRENT_INTERVAL_S))
        return tuple(due)
