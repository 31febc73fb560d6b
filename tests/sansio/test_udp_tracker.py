"""What UDP trackers may send: whatever it is, it is an answer, a refusal with a code, or passed over."""

from __future__ import annotations

import random
import struct
from typing import Any

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import TrackerError
from blobtorrent.model.ids import PeerId
from blobtorrent.protocol.tracker.announce import (
    MAX_INTERVAL_S,
    MAX_PEERS,
    MIN_INTERVAL_S,
    AnnounceQuery,
    AnnounceReply,
)
from blobtorrent.protocol.tracker.udp import announce_request, read_announced
from blobtorrent.protocol.tracker.udpclient import Path, Question, UdpTrackerClient
from blobtorrent.runtime.timers import TimerWheel

TRACKER = Endpoint("10.0.0.1", 6969)
QUERY = AnnounceQuery(bytes(20), PeerId(bytes(20)), 1, 0, 0, 0)
DATAGRAMS = 20_000


def test_random_datagrams_from_a_tracker_end_questions_in_order_or_not_at_all() -> None:
    rng = random.Random(20_06)
    timers, sent, results = TimerWheel(), list[bytes](), list[Any]()
    client = UdpTrackerClient(timers, rng.getrandbits, lambda _, packet: sent.append(packet))
    asked, now = 0, 0.0
    for _ in range(DATAGRAMS):
        if len(client) < 3:
            asked += 1
            client.ask(Question(
                Path("", TRACKER), lambda number, transaction: announce_request(number, transaction, QUERY, b"/x"),
                lambda data: read_announced(data, is_ipv6=False), results.append), 50.0, now)
        transaction = struct.unpack_from(">I", sent[-1], 12)[0] if rng.random() < 0.7 else rng.getrandbits(32)
        action = rng.choice((0, 1, 2, 3, rng.getrandbits(32)))
        data = struct.pack(">II", action, transaction) + rng.randbytes(rng.choice((0, 3, 8, 12, 18, 100)))
        client.on_datagram(data[:rng.choice((1, 7, 8, 200))], "", TRACKER, now)
        now += rng.random()
        timers.expire(now)
        del sent[:-1]
    assert asked - len(client) == len(results) > 1000
    assert len(timers) < 500
    for result in results:
        if isinstance(result, AnnounceReply):
            assert MIN_INTERVAL_S <= result.interval_s <= MAX_INTERVAL_S and len(result.endpoints) <= MAX_PEERS
        else:
            assert isinstance(result, TrackerError)
