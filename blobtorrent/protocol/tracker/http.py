"""HTTP tracker announces (BEP 3, 7, 23): the URL to ask and the answer read. Sans-IO."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import quote, quote_from_bytes, urlsplit

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BencodeError, TrackerError
from blobtorrent.protocol import bencode
from blobtorrent.protocol.tracker.announce import (
    DEFAULT_INTERVAL_S,
    MAX_INTERVAL_S,
    MAX_PEERS,
    MIN_INTERVAL_S,
    AnnounceEvent,
    AnnounceQuery,
    AnnounceReply,
    is_dialable,
    read_compact_peers,
)

MAX_REPLY_BYTES = 2 << 20
MAX_TEXT_BYTES = 512                   # of a failure reason or warning
MAX_HOST_NAME = 253                    # characters (RFC 1035)
_LIMITS = bencode.Limits(size_bytes=MAX_REPLY_BYTES, depth=8, tokens=100_000)
_URL_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))


def announce_url(tracker: str, query: AnnounceQuery) -> str:
    """The URL of one announce. The tracker's own query string, which may hold a passkey, is kept.

    Control characters, spaces and non-ASCII in `tracker` are percent-encoded, so that nothing in a torrent can split
    the request. Raises TrackerError ("tracker.bad-url") when it is no http or https URL.
    """
    base = quote(tracker.partition("#")[0], safe=_URL_CHARACTERS)
    try:
        parts = urlsplit(base)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise TrackerError("tracker.bad-url", "not the URL of an HTTP tracker")
    fields = [
        f"info_hash={quote_from_bytes(query.wire_hash, safe='')}",
        f"peer_id={quote_from_bytes(query.peer_id, safe='')}",
        f"port={query.port}",
        f"uploaded={query.uploaded}",
        f"downloaded={query.downloaded}",
        f"left={query.left}",
        f"numwant={query.num_want}",
        f"key={query.key:08X}",        # of one width: some trackers want that
        "compact=1",
        "no_peer_id=1",
    ]
    if query.event is not AnnounceEvent.NONE:
        fields.append(f"event={query.event.value}")
    if query.tracker_id:
        fields.append(f"trackerid={quote_from_bytes(query.tracker_id, safe='')}")
    separator = "&" if parts.query else "?" if "?" not in base else ""
    return base + separator + "&".join(fields)


def read_reply(body: bytes) -> AnnounceReply:
    """Read the body of an answer.

    Raises TrackerError: "tracker.refused" with the tracker's reason, or "tracker.bad-reply".
    """
    try:
        reply = bencode.decode(body, limits=_LIMITS, lenient=True)
    except BencodeError as error:
        raise TrackerError("tracker.bad-reply", f"the answer is not bencoded: {error.detail}") from None
    if not isinstance(reply, dict):
        raise TrackerError("tracker.bad-reply", "the answer is no dictionary")
    if b"failure reason" in reply:
        raise TrackerError("tracker.refused", _text(reply[b"failure reason"]) or "no reason given")
    endpoints, hostnames = _peers(reply.get(b"peers"))
    peers6 = reply.get(b"peers6")
    if isinstance(peers6, bytes):
        endpoints += read_compact_peers(peers6, 18)
    min_interval_s = _seconds(reply.get(b"min interval"), MIN_INTERVAL_S)
    tracker_id = reply.get(b"tracker id")
    return AnnounceReply(
        endpoints=tuple(endpoints[:MAX_PEERS]),
        hostnames=tuple(hostnames),
        interval_s=max(_seconds(reply.get(b"interval"), DEFAULT_INTERVAL_S), min_interval_s),
        min_interval_s=min_interval_s,
        seeds=_count(reply.get(b"complete")),
        leechers=_count(reply.get(b"incomplete")),
        downloads=_count(reply.get(b"downloaded")),
        warning=_text(reply.get(b"warning message")),
        tracker_id=tracker_id[:MAX_TEXT_BYTES] if isinstance(tracker_id, bytes) else b"",
    )


def _peers(peers: object) -> tuple[list[Endpoint], list[tuple[str, int]]]:
    """Addresses and named hosts of either form of the list."""
    if isinstance(peers, bytes):
        return read_compact_peers(peers, 6), []
    endpoints: list[Endpoint] = []
    hostnames: list[tuple[str, int]] = []
    for peer in peers[:MAX_PEERS] if isinstance(peers, list) else ():
        host, port = _host_and_port(peer)
        if not host or not 0 < port < 65536:
            continue
        try:
            endpoint = Endpoint(str(ipaddress.ip_address(host)), port)
        except ValueError:
            hostnames.append((host, port))
        else:
            if is_dialable(endpoint):
                endpoints.append(endpoint)
    return endpoints, hostnames


def _host_and_port(peer: Any) -> tuple[str, int]:
    """Of one entry of the dictionary form; ("", 0) when it is none."""
    if not isinstance(peer, dict):
        return "", 0
    host, port = peer.get(b"ip"), peer.get(b"port")
    if not isinstance(host, bytes) or not isinstance(port, int) or len(host) > MAX_HOST_NAME:
        return "", 0
    text = host.decode("ascii", "replace")
    return (text, port) if text.isascii() and text.isprintable() and " " not in text else ("", 0)


def _seconds(value: object, default: int) -> int:
    return min(max(value, MIN_INTERVAL_S), MAX_INTERVAL_S) if isinstance(value, int) else default


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _text(value: object) -> str:
    return value[:MAX_TEXT_BYTES].decode("utf-8", "replace") if isinstance(value, bytes) else ""
