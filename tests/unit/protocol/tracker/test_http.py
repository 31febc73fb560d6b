"""The announce URL and the answers of HTTP trackers."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import TrackerError
from blobtorrent.model.ids import PeerId
from blobtorrent.protocol import bencode
from blobtorrent.protocol.tracker.announce import (
    DEFAULT_INTERVAL_S,
    MAX_INTERVAL_S,
    MAX_PEERS,
    MIN_INTERVAL_S,
    AnnounceEvent,
    AnnounceQuery,
    is_tracker_path,
)
from blobtorrent.protocol.tracker.http import MAX_REPLY_BYTES, announce_url, read_reply

WIRE_HASH = bytes(range(0, 260, 13))
PEER_ID = PeerId(b"-BQ0100-& =?\0\xff\x80/+%")
QUERY = AnnounceQuery(
    wire_hash=WIRE_HASH, peer_id=PEER_ID, port=6881, uploaded=1, downloaded=2, left=3,
    event=AnnounceEvent.STARTED, num_want=50, key=0xBEEF, tracker_id=b"a&b",
)


def asked(url):
    return parse_qs(urlsplit(url).query, encoding="latin-1", strict_parsing=True)


def test_every_fact_of_an_announce_is_in_its_url():
    fields = asked(announce_url("http://tracker.example/announce", QUERY))
    assert fields.pop("info_hash")[0].encode("latin-1") == WIRE_HASH
    assert fields.pop("peer_id")[0].encode("latin-1") == PEER_ID
    assert fields == {
        "port": ["6881"], "uploaded": ["1"], "downloaded": ["2"], "left": ["3"], "event": ["started"],
        "numwant": ["50"], "key": ["0000BEEF"], "trackerid": ["a&b"], "compact": ["1"], "no_peer_id": ["1"],
    }


def test_an_announce_without_an_event_does_not_name_one():
    query = AnnounceQuery(wire_hash=WIRE_HASH, peer_id=PEER_ID, port=1, uploaded=0, downloaded=0, left=0)
    fields = asked(announce_url("http://tracker.example/announce", query))
    assert "event" not in fields and "trackerid" not in fields


@pytest.mark.parametrize(("tracker", "start"), [
    ("http://t.example/announce", "http://t.example/announce?info_hash="),
    ("http://t.example/announce?", "http://t.example/announce?info_hash="),
    ("https://t.example:8/a?passkey=x%2Fy", "https://t.example:8/a?passkey=x%2Fy&info_hash="),
    ("http://t.example/announce#part", "http://t.example/announce?info_hash="),
    ("http://[::1]:8/announce", "http://[::1]:8/announce?info_hash="),
    ("http://t.example", "http://t.example?info_hash="),
])
def test_what_the_url_of_the_tracker_says_is_kept(tracker, start):
    assert announce_url(tracker, QUERY).startswith(start)


@pytest.mark.parametrize("tracker", [
    "http://t.example/a\r\nHost: evil.example\r\n\r\n", "http://t.example/a b", "http://t.example/\0\x7f",
    "http://t.example/é",
])
def test_nothing_in_the_url_of_a_tracker_can_split_the_request(tracker):
    url = announce_url(tracker, QUERY)
    assert all(0x20 < ord(letter) < 0x7F for letter in url)


@pytest.mark.parametrize("tracker", [
    "", "announce", "udp://t.example:80", "ftp://t.example/", "http://", "http:///announce", "http://t.example:0/",
    "http://t.example:99999/", "http://t.example:x/", "http://[::1/announce", "file:///etc/passwd",
])
def test_other_urls_are_refused(tracker):
    with pytest.raises(TrackerError) as caught:
        announce_url(tracker, QUERY)
    assert caught.value.code == "tracker.bad-url"


def test_a_compact_answer_is_read_in_full():
    reply = read_reply(bencode.encode({
        "interval": 900, "min interval": 300, "complete": 5, "incomplete": 7, "tracker id": b"id",
        "warning message": "slow down", "peers": bytes((10, 0, 0, 1, 0x1A, 0xE1)),
        "peers6": bytes(15) + b"\x01\x00\x50",
    }))
    assert reply.endpoints == (Endpoint("10.0.0.1", 6881), Endpoint("::1", 80))
    assert (reply.interval_s, reply.min_interval_s, reply.seeds, reply.leechers) == (900, 300, 5, 7)
    assert (reply.tracker_id, reply.warning) == (b"id", "slow down")


def test_a_list_of_dictionaries_is_read_and_names_are_kept_apart():
    reply = read_reply(bencode.encode({"interval": 900, "peers": [
        {"ip": "10.0.0.1", "port": 1, "peer id": bytes(20)},
        {"ip": "2001:DB8::1", "port": 2},
        {"ip": "peer.example", "port": 3},
    ]}))
    assert reply.endpoints == (Endpoint("10.0.0.1", 1), Endpoint("2001:db8::1", 2))
    assert reply.hostnames == (("peer.example", 3),)


@pytest.mark.parametrize("peers", [
    bytes((10, 0, 0, 1, 0, 0)),                        # port 0
    bytes((224, 0, 0, 1, 0, 1)),                       # multicast
    bytes((0, 0, 0, 0, 0, 1)),                         # nowhere
    bytes(5),                                          # ragged
    7, {}, [1, b"x", [], {}, {"ip": 7, "port": 1}, {"ip": b"10.0.0.1"}, {"ip": b"10.0.0.1", "port": b"1"},
            {"ip": b"10.0.0.1", "port": 0}, {"ip": b"10.0.0.1", "port": 65536}, {"ip": b"a b\n", "port": 1},
            {"ip": b"\xff", "port": 1}, {"ip": b"a" * 254, "port": 1}, {"ip": b"", "port": 1}],
])
def test_what_can_be_no_peer_is_dropped(peers):
    reply = read_reply(bencode.encode({"peers": peers}))
    assert reply.endpoints == () == reply.hostnames


def test_a_ragged_end_does_not_spoil_the_peers_before_it():
    assert len(read_reply(bencode.encode({"peers": bytes((10, 0, 0, 1, 0, 1)) * 2 + b"xyz"})).endpoints) == 2


def test_only_so_many_peers_are_read():
    many = bytes((10, 0, 0, 1, 0, 1)) * (MAX_PEERS + 5)
    assert len(read_reply(bencode.encode({"peers": many, "peers6": b"\x20" * 18 * 9})).endpoints) == MAX_PEERS


@pytest.mark.parametrize(("told", "interval_s", "min_interval_s"), [
    ({}, DEFAULT_INTERVAL_S, MIN_INTERVAL_S),
    ({"interval": 0}, MIN_INTERVAL_S, MIN_INTERVAL_S),
    ({"interval": -1, "min interval": -1}, MIN_INTERVAL_S, MIN_INTERVAL_S),
    ({"interval": 2**62}, MAX_INTERVAL_S, MIN_INTERVAL_S),
    ({"interval": 100, "min interval": 200}, 200, 200),
    ({"interval": b"100", "min interval": [1]}, DEFAULT_INTERVAL_S, MIN_INTERVAL_S),
])
def test_intervals_are_kept_within_bounds(told, interval_s, min_interval_s):
    reply = read_reply(bencode.encode(told))
    assert (reply.interval_s, reply.min_interval_s) == (interval_s, min_interval_s)


def test_counts_that_make_no_sense_are_unknown():
    reply = read_reply(bencode.encode({"complete": -1, "incomplete": b"7"}))
    assert reply.seeds is None and reply.leechers is None


def test_the_reason_of_a_refusal_is_told():
    with pytest.raises(TrackerError, match="unregistered torrent") as caught:
        read_reply(bencode.encode({"failure reason": "unregistered torrent", "interval": 7}))
    assert caught.value.code == "tracker.unregistered"


@pytest.mark.parametrize("body", [b"", b"<html>", b"le", b"i1e", b"d8:intervali1", b"d" + bytes(MAX_REPLY_BYTES)])
def test_nonsense_is_a_tracker_error(body):
    with pytest.raises(TrackerError) as caught:
        read_reply(body)
    assert caught.value.code == "tracker.bad-reply"


@pytest.mark.parametrize("tracker", ["http://\ud800/announce", "http://t.example/\udcff", "http://[1:2:3]/announce", "http://["])
def test_what_is_no_url_is_said_to_be_none(tracker):
    with pytest.raises(TrackerError) as caught:
        announce_url(tracker, QUERY)
    assert caught.value.code == "tracker.bad-url"


def test_one_host_has_not_as_many_addresses_as_it_likes():
    peers = [{"ip": f"2606:4700::1%{zone}".encode(), "port": 5} for zone in ("0", "1", "eth0")]
    reply = read_reply(bencode.encode({"peers": [*peers, {"ip": b"2606:4700::1", "port": 5}]}))
    assert (reply.endpoints, reply.hostnames) == ((Endpoint("2606:4700::1", 5),), ())


@pytest.mark.parametrize(("path", "verdict"), [
    ("/announce", True), ("/announce.php", True), ("/announce/0123-KEY_x", True), ("/scrape", True),
    ("/scrape.php/x", True),
    ("", False), ("/", False), ("/announcements/delete", False), ("/announce/../admin", False), ("/announce/..", False),
    ("/announce/%2e%2e/x", False), ("/announce%2f..%2fx", False), ("/announce//x", False), ("/announce\\..\\x", False),
    ("/announce/a/b", False), ("/announce;x", False), ("/x/announce", False), ("/announce\n", False),
])
def test_what_looks_like_a_tracker(path, verdict):
    assert is_tracker_path(path) is verdict


@pytest.mark.parametrize(("host", "written"), [
    ("192.0.2.7", "&ip=192.0.2.7"), ("2001:db8::7", "&ip=2001%3Adb8%3A%3A7"),
])
def test_the_address_that_we_want_to_be_named_by_is_told(host: str, written: str) -> None:
    assert written in announce_url("http://a.test/announce", QUERY._replace(own_host=host))
    assert "&ip=" not in announce_url("http://a.test/announce", QUERY)
