"""Packets on their way: what arrived, what is lost, how long it took."""

from __future__ import annotations

import pytest

from blobtorrent.protocol.utp.flight import Flight, Sent
from blobtorrent.protocol.utp.packet import DATA

FIRST = 0xFFFE                         # so that numbers pass 16 bits


def flight_of(count: int, gap_s: float = 0.1) -> Flight:
    """So many packets of 100 bytes, sent at 0.0 and every `gap_s` after."""
    flight = Flight(FIRST)
    for number in range(count):
        flight.add(Sent(flight.next, DATA, bytes(100), number * gap_s))
    return flight


def lost(flight: Flight, patience_s: float = 0.0) -> list[int]:
    return [packet.number - FIRST for packet in flight.find_lost(patience_s)]


def ack(flight: Flight, through: int, beyond: int = 0, now: float = 10.0, *, is_duplicate: bool = False) -> int:
    return flight.on_ack(FIRST + through, beyond, now, is_duplicate=is_duplicate)


def test_what_is_acknowledged_has_left():
    flight = flight_of(5)
    assert ack(flight, 2) == 300
    assert (len(flight), flight.bytes_out, flight.unacked_bytes, flight.first) == (2, 200, 200, FIRST + 3)
    assert flight.round_trip_s == pytest.approx(10.0 - 0.2), "of the newest"
    assert ack(flight, 2) == 0 and flight.round_trip_s is None


def test_packets_beyond_a_hole_count_once():
    flight = flight_of(8)
    assert ack(flight, -1, 0b11) == 200
    assert ack(flight, -1, 0b111) == 100
    assert ack(flight, 2, 0) == 100, "the first and only; 1 to 3 arrived before"
    assert flight.first == FIRST + 4, "3 arrived, though the peer seems to have forgotten it"
    assert flight.oldest.number == FIRST + 4 and ack(flight, 3) == 0


@pytest.mark.parametrize(("beyond", "expected"), [
    (0b1, []), (0b11, []), (0b111, [0]), (0b11100, [0, 1, 2]), (0b1110, [0, 1]), (0b10101, [0]), (0b110010, [0, 1]),
])
def test_a_packet_is_lost_when_three_behind_it_arrived(beyond, expected):
    flight = flight_of(12)
    ack(flight, -1, beyond)
    assert lost(flight) == expected
    assert lost(flight) == [], "once"
    assert flight.bytes_out == 1200 - 100 * (len(expected) + beyond.bit_count())


def test_with_few_packets_left_fewer_tell():
    flight = flight_of(3)
    ack(flight, -1, 0b1)
    assert lost(flight) == []
    ack(flight, -1, 0b11)
    assert lost(flight) == [0]
    flight = flight_of(2)
    ack(flight, -1, 0b1)
    assert lost(flight) == [0]


def test_three_duplicates_tell_where_there_is_no_sack():
    flight = flight_of(6)
    ack(flight, 0)
    for expected in ([], [], [1]):
        ack(flight, 0, is_duplicate=True)
        assert lost(flight) == expected


def test_one_that_was_sent_again_is_lost_again_when_one_sent_later_arrived():
    flight = flight_of(6)
    ack(flight, -1, 0b111)
    (packet,) = flight.find_lost(0.0)
    flight.resend(packet, 2.0)
    flight.add(Sent(flight.next, DATA, bytes(100), 2.01))
    flight.add(Sent(flight.next, DATA, bytes(100), 3.0))
    ack(flight, -1, 0b1111 | 1 << 5)
    assert lost(flight, 0.1) == [], "0.01 s is no time: they may have overtaken each other"
    ack(flight, -1, 0b1111 | 0b11 << 5)
    assert lost(flight, 0.1) == [0]
    assert packet.times == 2


def test_what_was_lost_and_arrives_late_is_not_sent_again():
    flight = flight_of(6)
    ack(flight, -1, 0b111)
    (packet,) = flight.find_lost(0.0)
    assert list(flight.lost) == [packet] and packet.is_lost
    assert ack(flight, 3) == 100
    assert not packet.is_lost and flight.bytes_out == 200


def test_a_packet_that_was_sent_twice_is_no_sample():
    flight = flight_of(1)
    flight.resend(flight.oldest, 5.0)
    ack(flight, 0)
    assert flight.round_trip_s is None


def test_after_a_time_out_all_is_to_be_sent_again_in_order():
    flight = flight_of(5)
    ack(flight, 0, 0b10)
    flight.lose_all()
    assert [packet.number - FIRST for packet in flight.lost] == [1, 2, 4]
    assert flight.bytes_out == 0 and flight.unacked_bytes == 300


def test_a_probe_that_arrived_is_told():
    flight = Flight(FIRST)
    flight.add(Sent(FIRST, DATA, bytes(1452), 0.0, 1472))
    flight.add(Sent(FIRST + 1, DATA, bytes(528), 0.0))
    ack(flight, 0)
    assert flight.delivered_probe == 1472
    ack(flight, 1)
    assert flight.delivered_probe == 0
