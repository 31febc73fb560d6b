"""What trackers say, over HTTP and UDP, and how it goes on with them."""

from __future__ import annotations

import struct
from random import Random
from typing import Any

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError, TrackerError
from blobtorrent.model.ids import PeerId
from blobtorrent.model.urls import TRACKER_SCHEMES, usable_url
from blobtorrent.protocol.bencode import encode
from blobtorrent.protocol.httpanswer import HttpAnswer
from blobtorrent.protocol.tracker import udp
from blobtorrent.protocol.tracker.announce import (
    MAX_INTERVAL_S,
    MAX_PEERS,
    MIN_INTERVAL_S,
    AnnounceQuery,
    AnnounceReply,
    is_tracker_path,
)
from blobtorrent.protocol.tracker.http import announce_url, read_reply, read_scrape, scrape_url
from blobtorrent.protocol.tracker.tiers import TrackerSchedule, TrackerTiers
from blobtorrent.protocol.tracker.udpclient import Path, Question, UdpTrackerClient
from blobtorrent.runtime.timers import TimerWheel
from tests.fuzz.registry import Shape, target
from tests.fuzz.shapes import read_events, write_events

HASHES = (b"h" * 20, b"i" * 20)
QUERY = AnnounceQuery(HASHES[0], PeerId(bytes(20)), 6881, 1, 2, 3, key=5)
TRACKER = Endpoint("10.0.0.1", 6969)
KEYS = (b"peers", b"peers6", b"interval", b"min interval", b"complete", b"incomplete", b"downloaded", b"failure reason",
        b"warning message", b"tracker id", b"external ip", b"ip", b"port", b"peer id", b"retry in", b"files", b"flags",
        b"never", b"host.invalid", b"127.0.0.1", b"::1", HASHES[0])


def _check(reply: AnnounceReply) -> str:
    assert MIN_INTERVAL_S <= reply.interval_s <= MAX_INTERVAL_S and len(reply.endpoints) <= MAX_PEERS
    assert len(reply.hostnames) <= MAX_PEERS
    for endpoint in reply.endpoints:
        assert 0 < endpoint.port < 65536
    return f"peers {bool(reply.endpoints)} names {bool(reply.hostnames)} {bool(reply.warning)} {bool(reply.tracker_id)}"


def replies() -> list[bytes]:
    return [encode(value) for value in (
        {b"interval": 1800, b"peers": b"\x0a\0\0\1\x1a\xe1" * 3, b"peers6": bytes(15) + b"\1\x1a\xe1"},
        {b"interval": 900, b"min interval": 60, b"complete": 5, b"incomplete": 6, b"downloaded": 7, b"tracker id": b"x",
         b"peers": [{b"ip": b"10.0.0.1", b"port": 6881, b"peer id": bytes(20)}, {b"ip": b"host.invalid", b"port": 1}]},
        {b"failure reason": b"no", b"retry in": b"never"}, {b"failure reason": b"busy", b"retry in": 5},
        {b"warning message": b"slow down", b"peers": b"", b"external ip": b"\xcb\0\x71\1"},
        {b"interval": 1 << 70, b"peers": [], b"min interval": -1},
    )]


@target("trackers.http", errors=(TrackerError,), seeds=replies, tokens=KEYS, shape=Shape.BENCODE)
def _http(data: bytes) -> str:
    return _check(read_reply(data))


@target("trackers.scrape", errors=(TrackerError,), tokens=KEYS, shape=Shape.BENCODE,
        seeds=lambda: [encode(value) for value in (
    {b"files": {HASHES[0]: {b"complete": 1, b"incomplete": 2, b"downloaded": 3}, b"x": {}}},
    {b"failure reason": b"no"}, {b"files": {}, b"flags": {b"min_request_interval": 300}})])
def _scrape(data: bytes) -> str:
    counts = read_scrape(data, HASHES)
    assert set(counts) <= set(HASHES)
    return f"{len(counts)}"


@target("trackers.url", errors=(TrackerError,), seeds=lambda: [
    b"http://t.invalid/announce", b"http://t.invalid/x/announce.php?passkey=a&b", b"udp://t.invalid:80/announce?x=1",
    b"http://[::1]:80/announce#f", b"https://u:p@t.invalid/a/announce/"],
    tokens=(b"announce", b"?", b"&", b"#", b"/", b"%", b"[", b"]", b":", b"\xc3\xbc", b"udp://", b"/../", b"%2e%2e",
            b";"))
def _url(data: bytes) -> str:
    """Of URLs that were kept: `usable_url` has seen them."""
    url = usable_url(data, TRACKER_SCHEMES)
    if url is None:
        return "unusable"
    is_tracker_path(url)
    if url.startswith("udp:"):
        assert len(udp.split_tracker_url(url).url_data) <= udp.MAX_URL_DATA
        return "udp"
    written = announce_url(url, QUERY)
    assert written.isascii() and written.isprintable() and " " not in written
    return f"scrape {bool(scrape_url(url, HASHES))}"


def datagrams() -> list[bytes]:
    return [
        struct.pack(">IIQ", 0, 7, 99), struct.pack(">IIIII", 1, 7, 1800, 3, 4) + b"\x0a\0\0\1\x1a\xe1" * 4,
        struct.pack(">II", 2, 7) + struct.pack(">III", 1, 2, 3) * 2, struct.pack(">II", 3, 7) + b"go away\0",
        struct.pack(">IIIII", 1, 7, 1800, 3, 4) + bytes(15) + b"\1\x1a\xe1",
    ]


@target("trackers.udp", seeds=datagrams, tokens=tuple(number.to_bytes(4, "big") for number in (0, 1, 2, 3, 4, 7)))
def _udp(data: bytes) -> str:
    """Each reader by itself, also with what the client would not hand to it."""
    words = []
    for read in (udp.read_connected, lambda data: udp.read_announced(data, is_ipv6=False),
                 lambda data: udp.read_announced(data, is_ipv6=True), lambda data: udp.read_scraped(data, 2)):
        try:
            answer = read(data)
            words.append(_check(answer) if isinstance(answer, AnnounceReply) else type(answer).__name__)
        except TrackerError as error:
            words.append(error.code)
    assert udp.transaction_of(data) is None or len(data) >= 8
    return " ".join(words)


def conversations() -> list[bytes]:
    return [
        write_events([b"a", b"c" + bytes(8), b"r" + struct.pack(">III", 1800, 1, 1) + bytes(6), b"t\x20"]),
        write_events([b"a", b"t\x40", b"c" + bytes(8), b"e" + b"connection id", b"c" + bytes(8), b"s" + bytes(12)]),
        write_events([b"a", b"a", b"x" + datagrams()[0], b"e" + b"no", b"t\xff", b"t\xff", b"c"]),
    ]


@target("trackers.udp_client", shape=Shape.EVENTS, seeds=conversations, tokens=(b"connection", bytes(8), b"a", b"c",
                                                                                b"t\xff"))
def _udp_client(data: bytes) -> str:
    """a: ask; c, r, s, e: an answer of this kind to what was sent last; x: any datagram; t: time passes."""
    rng, timers = Random(1), TimerWheel()
    sent: list[bytes] = []
    results: list[Any] = []
    client = UdpTrackerClient(timers, rng.getrandbits, lambda _, packet: sent.append(packet))
    now, asked = 0.0, 0
    for event in read_events(data)[:200]:
        kind, body = event[:1], event[1:]
        if kind == b"a":
            asked += 1
            client.ask(Question(
                Path("", TRACKER), lambda number, transaction: udp.announce_request(number, transaction, QUERY, b"/x"),
                lambda data: udp.read_announced(data, is_ipv6=False), results.append), 50.0, now)
        elif kind == b"t":
            now += (body[:1] or b"\1")[0] / 4
            timers.expire(now)
        elif kind == b"x":
            client.on_datagram(body, "", TRACKER, now)
        elif kind in (b"c", b"r", b"s", b"e") and sent:
            action = b"crse".index(kind)
            client.on_datagram(struct.pack(">I", action) + sent[-1][12:16] + body, "", TRACKER, now)
    assert asked == len(results) + len(client)
    for result in results:
        assert isinstance(result, TrackerError) or _check(result)
    return f"{min(len(results), 3)} {len(client)}"


@target("trackers.tiers", shape=Shape.EVENTS, seeds=lambda: [
    write_events([b"s", b"d", b"r\x07\x08", b"t\xff", b"d", b"f\x00", b"t\xff", b"d", b"p"]),
    write_events([b"s", b"t\x01", b"d", b"n", b"h", b"d", b"f\x01", b"p", b"s"])], tokens=(b"s", b"p", b"f\xff", b"h"))
def _tiers(data: bytes) -> str:
    """s, p: start and stop; d: what is due; r, f: it answered, or not; h, n: somebody wants it now; t: time passes."""
    schedule = TrackerSchedule()
    tiers = TrackerTiers([["http://a/", "http://b/"], ["udp://c:1", "http://a/"], []], Random(1))
    now = 0.0
    for event in read_events(data)[:200]:
        kind, value = event[:1], int.from_bytes(event[1:9], "big")
        if kind == b"s" and schedule.is_idle:
            schedule.start(now)
        elif kind == b"d":
            schedule.expire(now)
        elif kind == b"r":
            schedule.on_reply(now, interval_s=float(value) if value else None, least_s=float(value & 255))
            tiers.on_reply(("http://a/", "http://b/", "udp://c:1", "x")[value & 3])
        elif kind == b"f":
            schedule.on_failure(now, rest_s=(None, float(value), float("inf"))[value % 3])
        elif kind == b"h":
            schedule.force(now)
        elif kind == b"n":
            schedule.hasten(now)
        elif kind == b"p":
            schedule.stop()
        elif kind == b"t":
            now += min(value, 1 << 40)
    assert sorted(tiers) == ["http://a/", "http://b/", "udp://c:1"]
    return f"{schedule.state}"


def answers() -> list[bytes]:
    return [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.0 404 Not Found\nServer: x\n\nbody up to the end",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://b/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-4/10\r\nContent-Length: 5\r\n"
        b"Content-Encoding: gzip\r\n\r\nhello",
    ]


HTTP_WORDS = (b"\r\n", b"\n", b"\r\n\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n",
              b"HTTP/1.1 200 OK\r\n",
              b"HTTP/1.1 100 C\r\n\r\n", b"0\r\n\r\n", b"ffffffffffffff\r\n", b"-1", b"Content-Encoding: gzip\r\n",
              b": ",
              b"\0", b" ", b"Connection: close\r\n")


@target("trackers.http_answer", errors=(NetworkError,), seeds=answers, tokens=HTTP_WORDS)
def _http_answer(data: bytes) -> str:
    whole, parts = HttpAnswer(10_000), HttpAnswer(10_000)
    whole.feed(data)
    for at in range(0, len(data), 5):
        parts.feed(data[at:at + 5])
    assert (whole.is_done, whole.status, whole.headers) == (parts.is_done, parts.status, parts.headers)
    assert whole.body == parts.body and len(whole.body) <= 10_000
    if not whole.is_done:
        whole.end()
    return f"{whole.status} {whole.can_go_on}"
