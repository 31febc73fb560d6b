"""HTTP tracker announces (BEP 3, 7, 23, 24, 31) and scrapes (BEP 48): the URL to ask and the answer read. Sans-IO."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import quote, quote_from_bytes, urlsplit

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BencodeError, TrackerError
from blobtorrent.model.urls import usable_url
from blobtorrent.protocol import bencode
from blobtorrent.protocol.tracker.announce import (
    DEFAULT_INTERVAL_S,
    MAX_PEERS,
    MIN_INTERVAL_S,
    AnnounceEvent,
    AnnounceQuery,
    AnnounceReply,
    SwarmCounts,
    clamped_interval,
    is_dialable,
    read_compact_peers,
)
from blobtorrent.protocol.tracker.faults import MAX_TEXT_BYTES, read_retry, refusal

MAX_REPLY_BYTES = 2 << 20
MAX_HOST_NAME = 253                    # characters (RFC 1035)
_LIMITS = bencode.Limits(size_bytes=MAX_REPLY_BYTES, depth=8, tokens=100_000)
_SCHEMES = frozenset(("http", "https"))
_URL_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))


def announce_url(tracker: str, query: AnnounceQuery) -> str:
    """The URL of one announce. The tracker's own query string, which may hold a passkey, is kept.

    Control characters, spaces and non-ASCII in `tracker` are percent-encoded, so that nothing in a torrent can split
    the request. Raises TrackerError ("tracker.bad-url") when it is no http or https URL.
    """
    base = _base_of(tracker)
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
    if query.own_host:
        fields.append(f"ip={quote_from_bytes(query.own_host.encode(), safe='')}")
    if query.tracker_id:
        fields.append(f"trackerid={quote_from_bytes(query.tracker_id, safe='')}")
    separator = "&" if urlsplit(base).query else "?" if "?" not in base else ""
    return base + separator + "&".join(fields)


def read_reply(body: bytes) -> AnnounceReply:
    """Read the body of an answer.

    Raises TrackerRefused with the tracker's reason, or TrackerError ("tracker.bad-reply").
    """
    reply = _read_dictionary(body)
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
        external_host=_host(reply.get(b"external ip")),
    )


def scrape_url(tracker: str, wire_hashes: tuple[bytes, ...]) -> str:
    """The URL of a scrape (BEP 48), by the rule that everybody follows: "announce" becomes "scrape" where it begins
    the last part of the path.

    Raises TrackerError ("tracker.no-scrape") when it does not, or ("tracker.bad-url").
    """
    base, mark, query = _base_of(tracker).partition("?")
    folder, slash, last = base.rpartition("/")
    if not last.startswith("announce"):
        raise TrackerError("tracker.no-scrape", "the URL of this tracker does not tell where it is scraped")
    fields = [f"info_hash={quote_from_bytes(wire_hash, safe='')}" for wire_hash in wire_hashes]
    return f"{folder}{slash}scrape{last[len('announce'):]}?{'&'.join(filter(None, (query, *fields)))}"


def read_scrape(body: bytes, wire_hashes: tuple[bytes, ...]) -> dict[bytes, SwarmCounts]:
    """Counts of those torrents that were asked for and are told of.

    Raises TrackerError: what the tracker refused it with, or "tracker.bad-reply".
    """
    files = _read_dictionary(body).get(b"files")
    if not isinstance(files, dict):
        raise TrackerError("tracker.bad-reply", "the answer to the scrape tells of no torrents")
    told = {wire_hash: files[wire_hash] for wire_hash in wire_hashes if isinstance(files.get(wire_hash), dict)}
    return {
        wire_hash: SwarmCounts(
            _count(figures.get(b"complete")), _count(figures.get(b"incomplete")), _count(figures.get(b"downloaded")))
        for wire_hash, figures in told.items()
    }


def _base_of(tracker: str) -> str:
    """The tracker's URL, safe to send. Raises TrackerError ("tracker.bad-url")."""
    try:
        base = quote(tracker.partition("#")[0], safe=_URL_CHARACTERS)
        is_usable = usable_url(base.encode(), _SCHEMES) is not None
    except ValueError:                 # also of what is no text of Unicode
        is_usable = False
    if not is_usable:
        raise TrackerError("tracker.bad-url", "not the URL of an HTTP tracker")
    return base


def _read_dictionary(body: bytes) -> dict[bytes, Any]:
    try:
        reply = bencode.decode(body, limits=_LIMITS, lenient=True)
    except BencodeError as error:
        raise TrackerError("tracker.bad-reply", f"the answer is not bencoded: {error.detail}") from None
    if not isinstance(reply, dict):
        raise TrackerError("tracker.bad-reply", "the answer is no dictionary")
    if b"failure reason" in reply:
        raise refusal(_text(reply[b"failure reason"]), read_retry(reply.get(b"retry in")))
    return reply


def _host(packed: object) -> str:
    """An address as 4 or 16 bytes (BEP 24), as text; empty when it is none."""
    if not isinstance(packed, bytes) or len(packed) not in (4, 16):
        return ""
    return str(ipaddress.ip_address(packed))


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
    # With a zone one host would have as many addresses as it likes.
    return (text, port) if text.isascii() and text.isprintable() and not set(text) & set(" %") else ("", 0)


def _seconds(value: object, default: int) -> int:
    return clamped_interval(value) if isinstance(value, int) else default


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _text(value: object) -> str:
    return value[:MAX_TEXT_BYTES].decode("utf-8", "replace") if isinstance(value, bytes) else ""
