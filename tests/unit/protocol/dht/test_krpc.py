"""Messages of the DHT: those that we send are read back, those that nobody should send are refused."""

from __future__ import annotations

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import DhtError
from blobtorrent.protocol.bencode import encode
from blobtorrent.protocol.dht.krpc import (
    Failure,
    NodeInfo,
    Query,
    Response,
    pack_nodes,
    read_message,
    read_nodes,
    read_values,
    write_failure,
    write_query,
    write_response,
)

ID = b"abcdefghij0123456789"
V4 = Endpoint("9.8.7.6", 5)
V6 = Endpoint("2a01:4f8::1", 6)
SENDER = b"\x08\x08\x08\x08"


def test_a_ping_is_as_the_bep_has_it():
    assert write_query(b"aa", b"ping", {b"id": ID}) == b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"


def test_what_is_written_is_read_back():
    assert read_message(write_query(b"t", b"find_node", {b"id": ID, b"target": ID}, is_read_only=True)) == Query(
        b"t", b"find_node", {b"id": ID, b"target": ID}, ID, True)
    assert read_message(write_response(b"t", {b"id": ID}, V4)) == Response(b"t", {b"id": ID}, ID, bytes([9, 8, 7, 6]))
    assert read_message(write_failure(b"t", 203, "no")) == Failure(b"t", 203, b"no")


@pytest.mark.parametrize("error", [[], 3, [b"x"], [201], b"gone", {}])
def test_a_malformed_error_is_an_error_all_the_same(error):
    message = read_message(encode({"t": "t", "y": "e", "e": error}))
    assert isinstance(message, Failure)
    assert message.code == 201


@pytest.mark.parametrize(
    "data",
    [
        b"", b"d", b"de", b"le", b"i1e", b"d1:y1:qe",
        encode({"t": 1, "y": "q"}),
        encode({"t": "t", "y": "q", "q": "ping"}),
        encode({"t": "t", "y": "q", "q": "ping", "a": {"id": "short"}}),
        encode({"t": "t", "y": "q", "q": 1, "a": {"id": ID}}),
        encode({"t": "t", "y": "r", "r": []}),
        encode({"t": "t", "y": "r", "r": {"id": 20}}),
        encode({"t": "t", "y": "x"}),
        b"d" * 2000,
        b"l" * 1000 + b"e" * 1000,
        encode({"t": "t" * 3000, "y": "e", "e": [1, "x"]}),
    ],
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(DhtError) as caught:
        read_message(data)
    assert caught.value.code == "dht.bad-message"


def test_nodes_of_both_families_are_read_and_nonsense_is_left_out():
    values = {b"nodes": pack_nodes([NodeInfo(ID, V4), NodeInfo(ID, Endpoint("127.0.0.1", 9)),
                                    NodeInfo(ID, Endpoint("7.7.7.7", 0))]),
              b"nodes6": pack_nodes([NodeInfo(ID, V6)])}
    assert read_nodes(values, SENDER, is_ipv6=False) == [NodeInfo(ID, V4)]
    assert read_nodes(values, SENDER, is_ipv6=True) == [NodeInfo(ID, V6)]
    assert read_nodes({b"nodes": b"x" * 27}, SENDER, is_ipv6=False) == []
    assert read_nodes({b"nodes": [b"x" * 26]}, SENDER, is_ipv6=False) == []


def test_peers_may_be_of_both_families():
    values = {b"values": [V4.compact, V6.compact, b"short", 7, Endpoint("10.0.0.1", 5).compact]}
    assert read_values(values, SENDER) == [V4, V6]
    assert read_values({b"values": V4.compact}, SENDER) == []
