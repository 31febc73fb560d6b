"""Whatever a tracker answers: a reply within bounds, or a TrackerError."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model.errors import TrackerError
from blobtorrent.protocol import bencode
from blobtorrent.protocol.tracker.announce import MAX_INTERVAL_S, MIN_INTERVAL_S
from blobtorrent.protocol.tracker.http import read_reply

SCALARS = st.one_of(st.integers(-2**63, 2**63 - 1), st.binary(max_size=40))
PEER = st.dictionaries(st.sampled_from([b"ip", b"port", b"peer id"]), SCALARS)
VALUES = SCALARS | st.lists(SCALARS, max_size=4) | st.dictionaries(st.binary(max_size=5), SCALARS, max_size=4)
KEYS = st.sampled_from([
    b"interval", b"min interval", b"peers", b"peers6", b"complete", b"incomplete", b"tracker id", b"warning message",
])


def read(body):
    try:
        return read_reply(body)
    except TrackerError as error:
        assert error.code.startswith("tracker.")
        return None


@given(st.dictionaries(KEYS, VALUES | st.lists(PEER, max_size=5)))
def test_any_dictionary_is_a_reply_within_bounds(facts):
    reply = read(bencode.encode(facts))
    assert reply is not None
    assert MIN_INTERVAL_S <= reply.min_interval_s <= reply.interval_s <= MAX_INTERVAL_S
    for endpoint in reply.endpoints:
        assert str(ipaddress.ip_address(endpoint.host)) == endpoint.host
        assert 0 < endpoint.port < 65536


@given(st.binary(max_size=300))
def test_rubbish_is_refused_or_read(body):
    read(body)


@given(st.dictionaries(KEYS, VALUES), st.integers(0, 10**6), st.integers(0, 255))
def test_a_flipped_byte_is_refused_or_read(facts, at, value):
    body = bytearray(bencode.encode(facts))
    body[at % len(body)] = value
    read(bytes(body))
