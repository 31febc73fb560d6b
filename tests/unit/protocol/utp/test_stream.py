"""The life of a stream: windows that close and open, ends of both kinds, time-outs, acknowledgements."""

from __future__ import annotations

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.packet import DATA, HEADER, STATE
from blobtorrent.protocol.utp.sending import BUFFER_BYTES
from blobtorrent.protocol.utp.states import Readable, UtpState, Writable
from blobtorrent.protocol.utp.stream import ACK_PACKETS, KEEP_ALIVE_S, UtpStream
from tests.support.utplink import A, B, Link, Party, lossy, perfect


def connected(**options: int) -> tuple[Link, UtpStream, UtpStream]:
    link = Link(Party(A, 1, **options), Party(B, 2, **options), perfect)
    stream = link.parties[A].node.connect(B, link.now)
    link.parties[A].send(stream, b"hello", link.now, close=False)
    link.run(5.0)
    (other,) = link.parties[B].accepted
    return link, stream, other


def kinds(link: Link) -> list[int]:
    """First bytes of the datagrams that are under way."""
    return [data[0] for _, _, _, _, data in sorted(link._heap)]


def test_a_reader_who_does_not_read_stops_the_writer_and_lets_him_go_on():
    link, stream, other = connected()
    a, b = link.parties[A], link.parties[B]
    b.reads = False
    data = bytes(3 * BUFFER_BYTES)
    a.send(stream, data, link.now)
    link.run(20.0)
    assert other._inbound.buffered <= BUFFER_BYTES + (1 << 17)
    assert stream in a.to_write, "and the send buffer is full"
    assert sum(isinstance(one, Readable) and one.stream is other for one in b.events) == 2, "told once"
    link.run(300.0)
    assert stream.state is UtpState.CONNECTED, "to have no room for minutes is no failure"
    b.reads = True
    b.read(other, link.now)
    link.run(60.0)
    assert bytes(b.received[other]) == b"hello" + data
    assert a.ended(stream) == [None]


def test_write_takes_what_fits_and_calls_when_there_is_room():
    link, stream, _ = connected()
    a = link.parties[A]
    assert stream.write(bytes(BUFFER_BYTES + 500)) == BUFFER_BYTES
    assert stream.write(b"more") == 0
    link.run(30.0)
    assert [one.stream for one in a.events if isinstance(one, Writable)] == [stream]
    assert stream.write(b"more") == 4


def test_one_side_may_close_and_still_receive():
    link, stream, other = connected()
    a, b = link.parties[A], link.parties[B]
    b.closes_at_end = False
    stream.close(link.now)
    assert stream.write(b"too late") == 0
    link.run(2.0)
    assert other.is_eof and other.state is UtpState.CONNECTED and stream.state is UtpState.FIN_SENT
    b.send(other, bytes(100_000), link.now)
    link.run(10.0)
    assert len(a.received[stream]) == 100_000
    assert (a.ended(stream), b.ended(other)) == ([None], [None])


def test_to_close_before_there_is_an_answer_ends_it():
    party = Party(A, 1)
    stream = party.node.connect(B, 5.0)
    stream.close(5.1)
    party.on_events(5.1)
    assert party.ended(stream) == [None] and stream.state is UtpState.CLOSED


def test_an_abort_resets_the_other_side_though_much_is_under_way():
    link, stream, other = connected()
    a, b = link.parties[A], link.parties[B]
    b.send(other, bytes(2_000_000), link.now, close=False)
    link.run(0.5)
    stream.abort(link.now)
    link.run(2.0)
    assert (a.ended(stream), b.ended(other)) == (["aborted"], ["reset by the peer"])
    link.run(2.0)
    assert (len(a.node), len(b.node)) == (0, 0)


def test_all_can_be_broken_off():
    link, stream, other = connected()
    link.parties[B].node.close_all(link.now)
    link.run(1.0)
    assert link.parties[A].ended(stream) == ["reset by the peer"]
    assert other.state is UtpState.RESET


def test_who_does_not_answer_is_given_up_after_three_syns():
    link = Link(Party(A, 1), Party(B, 2), lossy(1.0))
    a = link.parties[A]
    stream = a.node.connect(B, link.now)
    link.run(6.9)
    assert a.ended(stream) == [] and a.sent_bytes == 3 * 20
    link.run(0.2)
    assert a.ended(stream) == ["no answer"]
    link.run(1.0)
    assert len(a.node) == 0 and a.node.next_due is None


def test_a_path_that_breaks_is_given_up_in_the_end():
    link, stream, _ = connected()
    a = link.parties[A]
    link.fate = lossy(1.0)
    a.send(stream, b"into the void", link.now, close=False)
    link.run(20.0)
    assert a.ended(stream) == [], "half a minute is nothing to a mobile network"
    link.run(100.0)
    assert a.ended(stream) == ["timed out"]


def test_a_path_that_comes_back_is_used_again():
    link, stream, other = connected()
    a, b = link.parties[A], link.parties[B]
    a.send(stream, bytes(1_000_000), link.now)
    link.run(0.2)
    link.fate = lossy(1.0)
    link.run(12.0)
    link.fate = perfect
    link.run(60.0)
    assert len(b.received[other]) == 1_000_005
    assert (a.ended(stream), b.ended(other)) == ([None], [None])


def test_the_last_acknowledgement_may_be_lost():
    link, stream, other = connected()
    a, b = link.parties[A], link.parties[B]
    dropped: list[int] = []

    def fate(datagram: bytes, rng: object) -> list[float]:
        if datagram[0] == STATE and len(dropped) < 2:
            dropped.append(STATE)
            return []
        return [0.01]

    link.fate = fate
    other.close(link.now)
    link.run(30.0)
    assert len(dropped) == 2 and (a.ended(stream), b.ended(other)) == ([None], [None])


def test_one_acknowledgement_stands_for_many_packets():
    link, _, other = connected()
    b = link.parties[B]
    b.reads = False
    number, ack = other._inbound.expected, other._sender.flight.next - 1
    for one in range(3 * ACK_PACKETS + 2):
        data = HEADER.pack(DATA, 0, other.receive_id, 1, 0, 1 << 20, number + one & 0xFFFF, ack & 0xFFFF) + b"x"
        b.node.receive(data, A, link.now)
    packets = [packet for _, run, _ in b.node.take_outgoing(link.now) for packet in run]
    assert [HEADER.unpack(one[:20])[7] for one in packets] == [
        number + count - 1 & 0xFFFF for count in (ACK_PACKETS, 2 * ACK_PACKETS, 3 * ACK_PACKETS, 3 * ACK_PACKETS + 2)]


def test_the_acknowledgement_of_one_packet_waits_for_data_to_carry_it():
    link, stream, other = connected()
    a, b = link.parties[A], link.parties[B]
    a.send(stream, b"question", link.now, close=False)
    link.run(0.0101)
    assert kinds(link) == [], "nothing comes back yet"
    b.send(other, b"answer", link.now, close=False)
    link.run(0.0001)
    assert kinds(link) == [DATA]
    link.run(0.05)
    assert bytes(a.received[stream]) == b"answer"


def test_who_is_silent_keeps_the_path_open():
    link, stream, other = connected()
    before = link.parties[A].sent_bytes
    link.run(KEEP_ALIVE_S * 3 + 1)
    assert link.parties[A].sent_bytes - before == 3 * 20
    link.run(600.0)
    assert stream.state is other.state is UtpState.CONNECTED


def test_small_messages_are_not_held_back_and_not_many():
    link, stream, other = connected()
    for _ in range(3):
        stream.write(b"m" * 17)
    packets = [packet for _, run, _ in link.parties[A].node.take_outgoing(link.now) for packet in run]
    assert [len(one) for one in packets] == [20 + 51]


def test_after_a_pause_not_all_is_sent_in_one_burst():
    link, stream, _ = connected()
    stream._sender.ledbat.window = 500_000.0
    stream._sender._sent_s = link.now
    for pause_s, least, most in ((0.3, 20, 60), (5.0, 1, 5)):
        link.run(pause_s)
        stream.write(bytes(30_000))
        runs = link.parties[A].node.take_outgoing(link.now)
        assert least <= sum(len(packets) for _, packets, _ in runs) <= most
        for _, packets, _ in runs:
            for packet in packets:
                link.inject(packet, A, B)
        link.run(1.0)


def test_runs_are_of_one_size_but_for_the_last():
    link, stream, _ = connected()
    stream._sender.ledbat.window = 1e6
    stream._sender._sent_s = link.now
    stream.write(bytes(100_000))
    runs = link.parties[A].node.take_outgoing(link.now)
    for to, packets, is_whole in runs:
        assert to == B and len({len(one) for one in packets[:-1]}) <= 1 and len(packets[-1]) <= len(packets[0])
        assert not is_whole or len(packets) == 1
    assert [len(packets) for _, packets, is_whole in runs if is_whole] == [1]


def test_a_probe_that_is_lost_is_no_congestion():
    link, stream, other = connected()
    a, b = link.parties[A], link.parties[B]
    stream._sender.ledbat.window = 30_000.0
    stream._sender._sent_s = link.now
    a.send(stream, bytes(2_000_000), link.now)
    smallest: list[int] = []
    seen: set[int] = set()

    def was_seen(datagram: bytes) -> bool:
        """It is sent again, without the mark: the path cuts it, and it arrives."""
        number = HEADER.unpack_from(datagram)[6]
        again = number in seen
        seen.add(number)
        return again

    link.fate = lambda datagram, _rng: [0.01] if len(datagram) <= 1000 or was_seen(datagram) else []

    def is_over() -> bool:
        smallest.append(stream.stats.window_bytes)
        return bool(b.ended(other))

    link.run(30.0, until=is_over)
    assert b.ended(other) == [None] and len(b.received[other]) == 2_000_005
    assert 900 <= stream.stats.mtu - 28 <= 1000
    assert min(smallest) >= 30_000


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_on_one_machine_packets_may_be_as_large_as_both_take(host):
    near_a, near_b = Endpoint(host, 1), Endpoint(host, 2)
    link = Link(Party(near_a, 1, largest_datagram=65_000), Party(near_b, 2, largest_datagram=30_000), perfect)
    a, b = link.parties[near_a], link.parties[near_b]
    stream = a.node.connect(near_b, link.now)
    a.send(stream, bytes(8_000_000), link.now)
    link.run(60.0)
    assert len(b.received[b.accepted[0]]) == 8_000_000
    assert stream.stats.mtu == 30_000 + (48 if ":" in host else 28)


def test_who_does_not_say_that_he_takes_large_packets_gets_none():
    near_a, near_b = Endpoint("127.0.0.1", 1), Endpoint("127.0.0.1", 2)
    link = Link(Party(near_a, 1, largest_datagram=65_000), Party(near_b, 2), perfect)
    a = link.parties[near_a]
    stream = a.node.connect(near_b, link.now)
    a.send(stream, bytes(1_000_000), link.now)
    link.run(30.0)
    assert a.ended(stream) == [None] and stream.stats.mtu == 1500


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_last_packets_are_missed_before_a_time_out(count):
    """Nothing behind them tells that they are lost. The last one, sent again, does."""
    link, stream, other = connected()
    a, b = link.parties[A], link.parties[B]
    stream._sender.mtu.on_delivered(1472)                  # no probes
    stream._sender.ledbat.window = 50_000.0
    stream._sender._sent_s = link.now
    to_lose = {stream._sender.flight.next + place & 0xFFFF for place in range(8 - count, 8)}

    def fate(datagram, _rng):
        kind, *_, number, _ = HEADER.unpack_from(datagram)
        if kind == DATA and number in to_lose:
            to_lose.remove(number)
            return []
        return [0.01]

    link.fate = fate
    size = 8 * stream._sender.payload_bytes
    a.send(stream, bytes(size), link.now, close=False)
    began_s, window = link.now, stream.stats.window_bytes
    link.run(5.0, until=lambda: len(b.received[other]) == 5 + size)
    assert not to_lose and link.now - began_s < 0.25, "a time-out would take 0.5 s"
    link.run(5.0)
    assert stream.stats.retransmits == count
    assert (stream.stats.window_bytes < window) == (count > 1), "what was sent again to be heard of is no loss"


def test_who_answers_late_is_asked_once_and_no_window_shrinks():
    link, stream, _ = connected()
    a = link.parties[A]
    stream._sender.mtu.on_delivered(1472)
    stream._sender.ledbat.window = 50_000.0
    stream._sender._sent_s = link.now
    link.fate = lambda datagram, _rng: [0.2]
    a.send(stream, bytes(8 * stream._sender.payload_bytes), link.now, close=False)
    link.run(0.6)
    assert not len(stream._sender.flight) and stream.stats.retransmits == 1
    assert stream.stats.window_bytes >= 50_000
