"""Tracker answers: intervals and peers within bounds, and no stranger who speaks in a tracker's name."""

from __future__ import annotations

import secrets
import struct
from random import Random
from typing import Any

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import TrackerError
from blobtorrent.model.ids import PeerId
from blobtorrent.protocol import bencode
from blobtorrent.protocol.tracker.announce import AnnounceQuery
from blobtorrent.protocol.tracker.http import read_reply, read_scrape
from blobtorrent.protocol.tracker.udp import announce_request, read_announced
from blobtorrent.protocol.tracker.udpclient import Path, Question, UdpTrackerClient
from blobtorrent.runtime.timers import TimerWheel

TRACKER, HERE = Endpoint("20.0.0.1", 6969), "10.0.0.2"
QUERY = AnnounceQuery(b"h" * 20, PeerId(b"p" * 20), 6881, 0, 0, 1)
MAX_PEERS = 2000
SPOOFED, SPOOFED_IN_A_FULL_RUN = 20_000, 1_000_000
DAY_S = 86_400


@pytest.mark.parametrize("seconds", [-(2**63), -1, 0, 1, 59, 10**6, 2**31, 2**63, 10**400, b"soon", None, [1]])
def test_an_interval_is_a_minute_at_least_and_a_day_at_most(seconds: Any) -> None:
    fields = {} if seconds is None else {b"interval": seconds, b"min interval": seconds}
    try:
        reply = read_reply(bencode.encode({**fields, b"peers": b""}))
    except TrackerError:               # a number of more than 64 bits is none
        assert isinstance(seconds, int) and seconds >= 2**63
        return
    assert 60 <= reply.interval_s <= DAY_S
    assert 0 < reply.min_interval_s <= DAY_S


def test_no_more_than_two_thousand_peers_are_read() -> None:
    rng = Random(1)
    packed = b"".join(bytes(rng.choices(range(1, 224), k=4)) + b"\x1a\xe1" for _ in range(20_000))
    listed = [{b"ip": b"20.%d.%d.1" % (n >> 8, n & 255), b"port": 6881} for n in range(5000)]
    for answer in ({b"peers": packed}, {b"peers": listed}, {b"peers": b"", b"peers6": packed[:18 * 5000]}):
        reply = read_reply(bencode.encode({b"interval": 900, **answer}))
        assert 0 < len(reply.endpoints) + len(reply.hostnames) <= MAX_PEERS
    udp = read_announced(struct.pack(">IIIII", 1, 7, 900, 1, 1) + packed, is_ipv6=False)
    assert len(udp.endpoints) <= MAX_PEERS


@pytest.mark.parametrize("answer", [
    b"", b"de", b"d5:files" + b"le" + b"e", b"d5:filesd1:xi1eee", b"d5:filesd20:" + b"h" * 20 + b"d8:completei-1eeee",
    b"d5:filesd20:" + b"h" * 20 + b"d8:completei" + b"9" * 400 + b"eeee", b"<html>",
])
def test_a_scrape_is_judged(answer: bytes) -> None:
    try:
        counts = read_scrape(answer, (b"h" * 20,))
    except TrackerError:
        return
    assert set(counts) <= {b"h" * 20}
    for count in counts.values():
        assert all(number is None or 0 <= number < 2**63 for number in count if not isinstance(number, str))


class Rig:
    """A client that waits for its tracker, with the ids that it chose as in earnest."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, int, int]] = []
        self.results: list[Any] = []
        self.client = UdpTrackerClient(TimerWheel(), secrets.SystemRandom().getrandbits, self._take)
        self.client.ask(Question(
            Path("", TRACKER), lambda connection, transaction: announce_request(connection, transaction, QUERY, b""),
            lambda data: read_announced(data, is_ipv6=False), self.results.append), 60.0, 0.0)

    def _take(self, _path: Path, data: bytes) -> None:
        self.sent.append(struct.unpack_from(">QII", data))

    def hear(self, data: bytes, source: Endpoint = TRACKER) -> None:
        self.client.on_datagram(data, HERE, source, 0.0)


def test_of_twenty_thousand_forged_answers_none_is_taken(is_full_run: bool) -> None:
    """From the tracker's own address: only the transaction id tells them from it."""
    rig, rng = Rig(), Random(2)
    spoofed = SPOOFED_IN_A_FULL_RUN if is_full_run else SPOOFED
    ((_, _, connecting),) = rig.sent
    for _ in range(spoofed // 2):
        guess = rng.getrandbits(32)
        if guess != connecting:
            rig.hear(struct.pack(">IIQ", 0, guess, 666))
    assert len(rig.sent) == 1
    rig.hear(struct.pack(">IIQ", 0, connecting, 7))
    announcing = rig.sent[1][2]
    lie = struct.pack(">III", 60, 0, 0) + Endpoint("6.6.6.6", 6).compact
    for _ in range(spoofed // 2):
        guess = rng.getrandbits(32)
        if guess != announcing:
            rig.hear(struct.pack(">II", rng.choice((1, 3)), guess) + lie)
    for source in (Endpoint("20.0.0.2", 6969), Endpoint("20.0.0.1", 53)):
        rig.hear(struct.pack(">II", 1, announcing) + lie, source)
    assert rig.results == []
    assert rig.client.strays >= spoofed
    rig.hear(struct.pack(">IIIII", 1, announcing, 900, 0, 0) + Endpoint("20.7.7.7", 7).compact)
    assert rig.results[0].endpoints == (Endpoint("20.7.7.7", 7),)


def test_ids_are_not_to_be_foreseen() -> None:
    seen = {rig.sent[0][2] for rig in (Rig() for _ in range(500))}
    assert len(seen) >= 499
    assert sum(seen) / len(seen) > 2**30, "all 32 bits are used"
