"""The packets of UDP trackers (BEP 15, 41)."""

from __future__ import annotations

import struct
from functools import partial

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import TrackerError
from blobtorrent.model.ids import PeerId
from blobtorrent.protocol.tracker.announce import MAX_PEERS, AnnounceEvent, AnnounceQuery, SwarmCounts
from blobtorrent.protocol.tracker.udp import (
    announce_request,
    connect_request,
    read_announced,
    read_connected,
    read_scraped,
    scrape_request,
    split_tracker_url,
    transaction_of,
)

QUERY = AnnounceQuery(b"h" * 20, PeerId(b"-BQ0100-abcdefghijkl"), 6881, uploaded=3, downloaded=1, left=2,
                      event=AnnounceEvent.STARTED, num_want=50, key=7)


def test_a_connect_request_is_the_magic_the_action_and_the_transaction() -> None:
    assert connect_request(0x01020304).hex() == "0000041727101980" "00000000" "01020304"


def test_an_announce_has_its_fields_where_the_bep_wants_them() -> None:
    packet = announce_request(5, 6, QUERY, b"")
    assert len(packet) == 98
    assert struct.unpack(">QII20s20sQQQIIIiH", packet) == (
        5, 1, 6, QUERY.wire_hash, bytes(QUERY.peer_id), 1, 2, 3, 2, 0, 7, 50, 6881)


@pytest.mark.parametrize(("event", "number"), [
    (AnnounceEvent.NONE, 0), (AnnounceEvent.COMPLETED, 1), (AnnounceEvent.STARTED, 2), (AnnounceEvent.STOPPED, 3)])
def test_events_have_the_numbers_of_the_bep(event: AnnounceEvent, number: int) -> None:
    assert announce_request(5, 6, QUERY._replace(event=event), b"")[83] == number


def test_the_rest_of_the_url_follows_in_options_of_at_most_255_bytes() -> None:
    options = announce_request(5, 6, QUERY, b"/" + b"x" * 299)[98:]
    assert options == b"\x02\xff/" + b"x" * 254 + b"\x02\x2d" + b"x" * 45


@pytest.mark.parametrize(("url", "parts"), [
    ("udp://t.example:80", ("t.example", 80, b"")),
    ("udp://t.example:80/", ("t.example", 80, b"")),
    ("udp://t.example:80/announce?key=1", ("t.example", 80, b"/announce?key=1")),
    ("udp://[::1]:6969/announce", ("::1", 6969, b"/announce")),
])
def test_the_url_of_a_udp_tracker_is_taken_apart(url: str, parts: tuple[str, int, bytes]) -> None:
    assert split_tracker_url(url) == parts


@pytest.mark.parametrize("url", ["udp://t.example", "udp://t.example:0", "udp://:80", "http://t.example:80", "",
                                 "udp://t.example:99999", "udp://[::1:80/", "udp://t:1/" + "x" * 1100])
def test_what_is_no_url_of_a_udp_tracker_is_refused(url: str) -> None:
    with pytest.raises(TrackerError) as caught:
        split_tracker_url(url)
    assert caught.value.code == "tracker.bad-url"


def answer(action: int, body: bytes) -> bytes:
    return struct.pack(">II", action, 9) + body


def test_the_connection_id_is_read() -> None:
    assert read_connected(answer(0, bytes(7) + b"\x08" + b"longer is legal")) == 8


@pytest.mark.parametrize(("is_ipv6", "peers"), [
    (False, [Endpoint("1.2.3.4", 5)]), (True, [Endpoint("2001:db8::1", 6)])])
def test_the_length_of_a_peer_follows_the_family_of_the_packet(is_ipv6: bool, peers: list[Endpoint]) -> None:
    body = struct.pack(">III", 900, 4, 3) + b"".join(peer.compact for peer in peers) + b"rag"
    reply = read_announced(answer(1, body), is_ipv6=is_ipv6)
    assert list(reply.endpoints) == peers
    assert (reply.interval_s, reply.leechers, reply.seeds) == (900, 4, 3)


@pytest.mark.parametrize("is_ipv6", [False, True])
def test_a_giant_answer_names_a_bounded_number_of_peers(is_ipv6: bool) -> None:
    peer = Endpoint("2001:db8::1" if is_ipv6 else "1.2.3.4", 5)
    body = struct.pack(">III", 900, 4, 3) + peer.compact * (MAX_PEERS + 1)
    assert read_announced(answer(1, body), is_ipv6=is_ipv6).endpoints == (peer,) * MAX_PEERS


@pytest.mark.parametrize("interval", [0, 1, 2**32 - 1])
def test_an_interval_is_kept_within_reason(interval: int) -> None:
    assert 60 <= read_announced(answer(1, struct.pack(">III", interval, 0, 0)), is_ipv6=False).interval_s <= 86_400


def test_counts_come_in_the_order_of_the_question() -> None:
    body = struct.pack(">IIIIII", 1, 2, 3, 4, 5, 6)
    assert read_scraped(answer(2, body + b"extra"), 2) == (SwarmCounts(1, 3, 2), SwarmCounts(4, 6, 5))
    assert read_scraped(answer(2, body), 1) == (SwarmCounts(1, 3, 2),)
    assert scrape_request(5, 6, (b"a" * 20, b"b" * 20))[16:] == b"a" * 20 + b"b" * 20


def test_an_error_tells_its_reason_by_code() -> None:
    with pytest.raises(TrackerError, match="Torrent not registered") as caught:
        read_announced(answer(3, b"Torrent not registered\0"), is_ipv6=False)
    assert caught.value.code == "tracker.unregistered"


@pytest.mark.parametrize("data", [answer(0, b"1234567"), answer(1, bytes(12)), answer(2, bytes(12)), answer(9, b"")])
def test_an_answer_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(TrackerError) as caught:
        read_connected(data)
    assert caught.value.code == "tracker.bad-reply"


@pytest.mark.parametrize("size", range(8))
def test_an_answer_that_is_shorter_than_its_head_is_refused(size: int) -> None:
    data = answer(0, b"")[:size]
    for read in (read_connected, partial(read_announced, is_ipv6=False), partial(read_scraped, num_hashes=1)):
        with pytest.raises(TrackerError) as caught:
            read(data)
        assert caught.value.code == "tracker.bad-reply"


def test_what_is_too_short_answers_nothing() -> None:
    assert transaction_of(bytes(7)) is None
    assert transaction_of(answer(0, b"")) == 9


@pytest.mark.parametrize(("host", "field"), [
    ("192.0.2.7", bytes((192, 0, 2, 7))), ("2001:db8::7", bytes(4)), ("", bytes(4)),
])
def test_the_address_that_we_want_to_be_named_by_is_told_where_there_is_room_for_it(host: str, field: bytes) -> None:
    assert announce_request(1, 2, QUERY._replace(own_host=host), b"")[84:88] == field
