"""Packets on their way: what arrived, what is lost, how long it took."""

from __future__ import annotations

from random import Random

import pytest

from blobtorrent.protocol.utp.flight import Flight, Sent, SentRun
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


def test_packets_of_a_run_leave_as_they_are_acknowledged():
    flight = Flight(FIRST)
    flight.add_run(SentRun(FIRST, 5, 100, bytes(range(250)) * 2, 1.0))
    flight.add_run(SentRun(FIRST + 5, 1, 40, bytes(40), 2.0))
    assert (len(flight), flight.next, flight.bytes_out, flight.unacked_bytes) == (6, FIRST + 6, 540, 540)
    assert ack(flight, 1) == 200 and flight.round_trip_s == 9.0
    assert flight.oldest.number == FIRST + 2
    assert bytes(flight.oldest.payload) == bytes(range(200, 250)) + bytes(range(50))
    assert ack(flight, 5) == 340 and flight.round_trip_s == 8.0
    assert (len(flight), flight.first, flight.bytes_out, flight.unacked_bytes) == (0, FIRST + 6, 0, 0)


@pytest.mark.parametrize("seed", range(30))
def test_a_run_is_the_same_as_its_packets_one_by_one(seed):
    rng = Random(seed)
    flights = Flight(FIRST), Flight(FIRST)
    now = 1.0
    for _ in range(120):
        now += rng.random() / 100
        kind = rng.random()
        if kind < 0.4:
            count, size = rng.randint(1, 9), rng.choice((100, 40))
            data = rng.randbytes(count * size)
            flights[0].add_run(SentRun(flights[0].next, count, size, data, now))
            for at in range(0, count * size, size):
                flights[1].add(Sent(flights[1].next, DATA, data[at:at + size], now))
        elif kind < 0.88:
            first, outstanding = flights[0].first, flights[0].next - flights[0].first
            through = first - 1 + rng.choice((0, 0, rng.randint(0, outstanding)))
            most = max(0, flights[0].next - through - 2)
            beyond = rng.getrandbits(min(most, 12)) if most and rng.random() < 0.3 else 0
            is_duplicate = rng.random() < 0.5
            acked = [one.on_ack(through, beyond, now, is_duplicate=is_duplicate) for one in flights]
            assert acked[0] == acked[1]
            found = [one.find_lost(0.01) if beyond or is_duplicate else [] for one in flights]
            assert [packet.number for packet in found[0]] == [packet.number for packet in found[1]]
        elif kind < 0.95:
            again = [one.repeat_last(now) for one in flights]
            assert len({packet and (packet.number, bytes(packet.payload)) for packet in again}) == 1
        elif kind < 0.98:
            for one in flights:
                while one.lost:
                    packet = one.lost.popleft()
                    if packet.is_lost:
                        one.resend(packet, now)
        else:
            for one in flights:
                one.lose_all()
        assert len({(len(one), one.first, one.next, one.bytes_out, one.unacked_bytes, one.round_trip_s)
                    for one in flights}) == 1
    for one in flights:
        one.lose_all()
    assert ([(packet.number, bytes(packet.payload)) for packet in flights[0].lost]
            == [(packet.number, packet.payload) for packet in flights[1].lost])


def test_the_last_sent_twice_tells_of_all_that_was_lost_before_it():
    flight = Flight(FIRST)
    flight.add_run(SentRun(FIRST, 6, 100, bytes(600), 1.0))
    ack(flight, 0, now=1.1)
    packet = flight.repeat_last(1.3)
    assert packet is not None and packet.number == FIRST + 5 and (flight.bytes_out, flight.unacked_bytes) == (500, 500)
    assert flight.repeat_last(1.4) is None, "once"
    assert ack(flight, 0, 0b1000, now=1.4) == 100 and flight.round_trip_s is None
    assert lost(flight, 0.01) == [1, 2, 3, 4] and flight.bytes_out == 0
    assert flight.repeat_last(1.5) is None, "they are sent again anyway"


def test_who_waits_for_packets_sent_later_takes_none_of_them_for_lost():
    flight = Flight(FIRST)
    flight.add_run(SentRun(FIRST, 3, 100, bytes(300), 1.0))
    assert flight.repeat_last(1.3) is not None
    flight.add_run(SentRun(FIRST + 3, 2, 100, bytes(200), 1.31))
    ack(flight, -1, 0b10, now=1.4)
    assert lost(flight, 0.01) == [0, 1]
    assert len(flight) == 4 and ack(flight, 4, now=1.5) == 400 and flight.bytes_out == flight.unacked_bytes == 0


def test_nothing_on_its_way_and_a_probe_are_not_repeated():
    flight = Flight(FIRST)
    assert flight.repeat_last(1.0) is None
    flight.add(Sent(FIRST, DATA, bytes(1452), 0.0, 1472))
    assert flight.repeat_last(1.0) is None


def test_the_last_sent_twice_is_no_sample_of_the_round_trip_and_those_before_and_behind_it_are():
    flight = Flight(FIRST)
    flight.add_run(SentRun(FIRST, 3, 100, bytes(300), 1.0))
    packet = flight.repeat_last(1.3)
    assert packet is not None and packet.number == FIRST + 2 and len(packet.payload) == 100
    flight.add_run(SentRun(FIRST + 3, 1, 100, bytes(100), 1.4))
    ack(flight, 1, now=1.5)
    assert flight.round_trip_s == 0.5
    ack(flight, 2, now=1.5)
    assert flight.round_trip_s is None
    ack(flight, 3, now=1.5)
    assert flight.round_trip_s == pytest.approx(0.1)
