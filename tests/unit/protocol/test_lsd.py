"""Local discovery: the announcement, and how often which torrent is announced."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import FormatError
from blobtorrent.protocol.lsd import (
    GROUP_V4,
    GROUP_V6,
    MAX_BYTES,
    MAX_HASHES,
    MAX_READ,
    PACKET_BURST,
    PACKET_INTERVAL_S,
    TORRENT_INTERVAL_S,
    Allowance,
    AnnouncePlan,
    LocalAnnouncement,
)

HASHES = tuple(bytes((number,)) * 20 for number in range(200))
ONE = LocalAnnouncement(6881, HASHES[:2], "abc123")


@pytest.mark.parametrize("group", [GROUP_V4, GROUP_V6])
def test_what_is_announced_arrives(group):
    assert LocalAnnouncement.decode(ONE.encode(group)) == ONE


def test_it_is_written_as_the_bep_has_it():
    assert ONE.encode(GROUP_V6) == (
        b"BT-SEARCH * HTTP/1.1\r\nHost: [ff15::efc0:988f]:6771\r\nPort: 6881\r\n"
        b"Infohash: " + b"00" * 20 + b"\r\nInfohash: " + b"01" * 20 + b"\r\ncookie: abc123\r\n\r\n\r\n")


def test_as_many_torrents_as_we_name_fit_into_a_datagram():
    assert len(LocalAnnouncement(65535, HASHES[:MAX_HASHES], "x" * 32).encode(GROUP_V6)) <= MAX_BYTES


def test_headers_come_in_any_order_and_case_and_unknown_ones_do_not_matter():
    told = b"BT-SEARCH * HTTP/1.1\r\nINFOHASH:" + b"0a" * 20 + b"\r\nX: y\r\nport: 7 \r\nInfohash: short\r\n" \
        b"Infohash: " + b"zz" * 20 + b"\r\n\r\n"
    assert LocalAnnouncement.decode(told) == LocalAnnouncement(7, (b"\n" * 20,))


@pytest.mark.parametrize("data", [
    b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, b"BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n\r\n",
    b"BT-SEARCH * HTTP/1.1\r\nInfohash: " + b"00" * 20, b"BT-SEARCH * HTTP/1.1\r\nPort: 0\r\nInfohash: " + b"00" * 20,
    b"BT-SEARCH * HTTP/1.1\r\nPort: 65536\r\nInfohash: " + b"00" * 20,
    b"BT-SEARCH * HTTP/1.1\r\nPort: 6881\r\nInfohash: " + b"00" * 20 + bytes(MAX_BYTES),
    b"BT-SEARCH * HTTP/1.1\r\nPort: 6881\r\nInfohash: " + b"00" * 18 + b"\n \t 00",
    b"BT-SEARCH * HTTP/1.1\r\nPort: 6881\r\nInfohash: " + b"0x" * 20,
])
def test_what_makes_no_sense_is_refused(data):
    with pytest.raises(FormatError) as caught:
        LocalAnnouncement.decode(data)
    assert caught.value.code == "lsd.bad-announce"


def test_only_so_many_torrents_are_read_and_each_once():
    lines = b"".join(b"\ninfohash:".replace(b"\n", b"\r\n") + one.hex().encode() for one in HASHES[:26])
    told = LocalAnnouncement.decode(b"BT-SEARCH\r\nport:1" + lines[:MAX_BYTES - 20])
    assert len(told.hashes) <= MAX_READ
    twice = b"BT-SEARCH\r\nport:1" + 2 * (b"\r\ninfohash:" + b"00" * 20)
    assert LocalAnnouncement.decode(twice).hashes == (bytes(20),)


def test_a_torrent_is_announced_at_once_and_then_every_five_minutes():
    plan = AnnouncePlan(0.0)
    plan.add(HASHES[:1])
    assert plan.next_at(0.0) == 0.0
    assert plan.take(0.0) == HASHES[:1]
    assert plan.take(0.0) == () and plan.next_at(0.0) == TORRENT_INTERVAL_S
    assert plan.take(TORRENT_INTERVAL_S) == HASHES[:1]


def test_few_datagrams_go_at_once_and_then_one_a_minute_new_torrents_first():
    plan = AnnouncePlan(0.0)
    plan.add(HASHES)
    sent = [plan.take(0.0) for _ in range(PACKET_BURST + 2)]
    assert [len(hashes) for hashes in sent] == [MAX_HASHES] * PACKET_BURST + [0, 0]
    now = TORRENT_INTERVAL_S + 1
    for _ in range(PACKET_BURST):
        plan.take(now)
    plan.add([b"\xff" * 20])
    assert plan.next_at(now) == pytest.approx(now + PACKET_INTERVAL_S)
    assert b"\xff" * 20 in plan.take(now + PACKET_INTERVAL_S)


def test_every_torrent_gets_its_turn_when_there_are_too_many_for_five_minutes():
    plan, now, seen = AnnouncePlan(0.0), 0.0, set()
    plan.add(HASHES)
    for _ in range(len(HASHES) // MAX_HASHES):
        now = plan.next_at(now)
        seen.update(plan.take(now))
    assert seen == set(HASHES)


def test_a_torrent_that_is_gone_is_announced_no_more():
    plan = AnnouncePlan(0.0)
    plan.add(HASHES[:2])
    plan.take(0.0)
    plan.remove(HASHES[:2])
    assert plan.next_at(0.0) is None and HASHES[0] not in plan
    assert plan.take(10 * TORRENT_INTERVAL_S) == ()


def test_of_a_flood_only_so_many_are_looked_at():
    allowance = Allowance(10, 20, 0.0)
    assert sum(allowance.take(0.0) for _ in range(1000)) == 20
    assert sum(allowance.take(1.0) for _ in range(1000)) == 10
