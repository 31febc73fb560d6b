"""UDP tracker packets (BEP 15), with the rest of the URL as options behind an announce (BEP 41). Sans-IO.

All numbers are in network order. A request begins with the connection id, 64 bits, and the action; an answer with the
action and the transaction id of the request, 32 bits each.
"""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address
from struct import Struct
from typing import NamedTuple
from urllib.parse import urlsplit

from blobtorrent.model.errors import TrackerError
from blobtorrent.protocol.tracker.announce import (
    AnnounceEvent,
    AnnounceQuery,
    AnnounceReply,
    SwarmCounts,
    clamped_interval,
    read_compact_peers,
)
from blobtorrent.protocol.tracker.faults import MAX_TEXT_BYTES, refusal

MAX_SCRAPE_HASHES = 74                 # of one packet (BEP 15)
MAX_URL_DATA = 1024                    # bytes of path and query: the packet must fit a path without fragments
_MAGIC = 0x41727101980
_OPTION_URL_DATA = 2
_OPTION_BYTES = 255

_REQUEST = Struct(">QII")              # connection id, action, transaction id
_ANNOUNCE = Struct(">QII20s20sQQQIIIiH")
_ANSWER = Struct(">II")                # action, transaction id
_CONNECTED = Struct(">Q")
_ANNOUNCED = Struct(">III")            # interval, leechers, seeds
_SCRAPED = Struct(">III")              # seeds, downloads, leechers

_EVENTS = {AnnounceEvent.NONE: 0, AnnounceEvent.COMPLETED: 1, AnnounceEvent.STARTED: 2, AnnounceEvent.STOPPED: 3}
_MAX_I64 = (1 << 63) - 1


class Action(IntEnum):
    CONNECT = 0
    ANNOUNCE = 1
    SCRAPE = 2
    ERROR = 3


class UdpTrackerUrl(NamedTuple):
    """Where a UDP tracker is. `url_data` is what stands behind host and port."""

    host: str
    port: int
    url_data: bytes


def split_tracker_url(url: str) -> UdpTrackerUrl:
    """The parts of "udp://HOST:PORT/REST". Raises TrackerError ("tracker.bad-url")."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or not port or parts.scheme != "udp":
        raise TrackerError("tracker.bad-url", "not the URL of a UDP tracker, udp://HOST:PORT")
    data = f"{parts.path}?{parts.query}" if parts.query else parts.path
    url_data = b"" if data == "/" else data.encode("ascii", "replace")
    if len(url_data) > MAX_URL_DATA:
        raise TrackerError("tracker.bad-url", f"more than {MAX_URL_DATA} bytes behind host and port")
    return UdpTrackerUrl(host, port, url_data)


def connect_request(transaction_id: int) -> bytes:
    return _REQUEST.pack(_MAGIC, Action.CONNECT, transaction_id)


def announce_request(connection_id: int, transaction_id: int, query: AnnounceQuery, url_data: bytes) -> bytes:
    """98 bytes, then the options. The address field has room for IPv4; 0 is for the address that the tracker sees."""
    own_address = int(IPv4Address(query.own_host)) if "." in query.own_host else 0
    packet = _ANNOUNCE.pack(
        connection_id, Action.ANNOUNCE, transaction_id, query.wire_hash, query.peer_id,
        min(query.downloaded, _MAX_I64), min(query.left, _MAX_I64), min(query.uploaded, _MAX_I64),
        _EVENTS[query.event], own_address, query.key & 0xFFFFFFFF, query.num_want, query.port,
    )
    for at in range(0, len(url_data), _OPTION_BYTES):
        part = url_data[at:at + _OPTION_BYTES]
        packet += bytes((_OPTION_URL_DATA, len(part))) + part
    return packet


def scrape_request(connection_id: int, transaction_id: int, wire_hashes: tuple[bytes, ...]) -> bytes:
    """At most MAX_SCRAPE_HASHES hashes."""
    return _REQUEST.pack(connection_id, Action.SCRAPE, transaction_id) + b"".join(wire_hashes)


def transaction_of(data: bytes) -> int | None:
    """Of which request this may be the answer; None when it can be none."""
    return _ANSWER.unpack_from(data)[1] if len(data) >= _ANSWER.size else None


def read_connected(data: bytes) -> int:
    """The connection id. Raises TrackerError ("tracker.bad-reply", or what the tracker refused it with)."""
    return int(_CONNECTED.unpack_from(_body(data, Action.CONNECT, _CONNECTED.size))[0])


def read_announced(data: bytes, *, is_ipv6: bool) -> AnnounceReply:
    """Read the answer to an announce; the length of a peer's record follows the family that the packet came by.

    Raises TrackerError ("tracker.bad-reply", or what the tracker refused it with).
    """
    body = _body(data, Action.ANNOUNCE, _ANNOUNCED.size)
    interval_s, leechers, seeds = _ANNOUNCED.unpack_from(body)
    return AnnounceReply(
        endpoints=tuple(read_compact_peers(body[_ANNOUNCED.size:], 18 if is_ipv6 else 6)),
        interval_s=clamped_interval(interval_s),
        seeds=seeds,
        leechers=leechers,
    )


def read_scraped(data: bytes, num_hashes: int) -> tuple[SwarmCounts, ...]:
    """The counts of each torrent asked for, in that order; short answers tell of the first ones only.

    Raises TrackerError ("tracker.bad-reply", or what the tracker refused it with).
    """
    body = _body(data, Action.SCRAPE, 0)
    whole = min(len(body) // _SCRAPED.size, num_hashes) * _SCRAPED.size
    return tuple(SwarmCounts(seeds, leechers, downloads)
                 for seeds, downloads, leechers in _SCRAPED.iter_unpack(body[:whole]))


def _body(data: bytes, wanted: Action, min_bytes: int) -> bytes:
    if len(data) < _ANSWER.size:
        raise TrackerError("tracker.bad-reply", f"an answer of {len(data)} bytes")
    action, body = _ANSWER.unpack_from(data)[0], data[_ANSWER.size:]
    if action == Action.ERROR:
        raise refusal(body[:MAX_TEXT_BYTES].rstrip(b"\0").decode("utf-8", "replace"))
    if action != wanted or len(body) < min_bytes:
        raise TrackerError("tracker.bad-reply", f"an answer of {len(data)} bytes to another question")
    return body
