"""The sending half of a stream: what waits, what is on its way, how much may be, and the packets made of it. BEP 29."""

from __future__ import annotations

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.exchange import Exchange, Run
from blobtorrent.protocol.utp.flight import Flight, Sent, SentRun
from blobtorrent.protocol.utp.inbound import Inbound
from blobtorrent.protocol.utp.ledbat import Ledbat
from blobtorrent.protocol.utp.mtu import ETHERNET, IP6_UDP_BYTES, IP_UDP_BYTES, LEAST_PATH, LEAST_PATH6, MtuSearch
from blobtorrent.protocol.utp.outbound import Outbound
from blobtorrent.protocol.utp.packet import (
    DATA,
    FIN,
    HEADER,
    HEADER_BYTES,
    LARGE,
    NUMBERS,
    SACK,
    SEQUENCE_MASK,
    STATE,
    SYN,
    Buffer,
    write_sack,
)
from blobtorrent.protocol.utp.rtt import RoundTrip

BUFFER_BYTES = 1 << 20                 # each way; a fast path, or a long one, takes more:
MOST_BUFFER_BYTES = 4 << 20
GATHER_PACKETS = 4                     # with so many under way the next one waits until it is full
SENDINGS = 12                          # of one packet
PROBE_FOLLOWERS = 3                    # packets behind a probe, so that its loss shows


class Sender:
    """Owned by its stream, which tells it what came. `inbound` is the other half, whose state every packet carries."""

    __slots__ = (
        "flight", "outbound", "ledbat", "rtt", "mtu", "ip_bytes", "peer_room", "reply_us", "sent_bytes", "retransmits",
        "limit", "is_forced", "spoke_s", "freed_bytes", "fin_number", "receive_id", "send_id", "_endpoint", "_exchange",
        "_inbound", "_is_full", "_sent_s",
    )

    def __init__(
        self, exchange: Exchange, endpoint: Endpoint, inbound: Inbound, *, receive_id: int, send_id: int, number: int,
    ) -> None:
        is_ipv6 = endpoint.is_ipv6
        self.ip_bytes = IP6_UDP_BYTES if is_ipv6 else IP_UDP_BYTES
        self.mtu = MtuSearch((LEAST_PATH6 if is_ipv6 else LEAST_PATH) - self.ip_bytes, ETHERNET - self.ip_bytes)
        self.flight = Flight(number)
        self.outbound = Outbound()
        self.ledbat = Ledbat(self.payload_bytes)
        self.rtt = RoundTrip()
        self.peer_room = BUFFER_BYTES
        self.reply_us = 0              # what our clock is ahead of the last timestamp of the peer
        self.limit = BUFFER_BYTES      # of what is kept
        self.sent_bytes = 0            # payload, once
        self.retransmits = 0
        self.is_forced = False         # send one packet although the peer has no room
        self.spoke_s = exchange.now    # last
        self.freed_bytes = 0           # read since we told our room
        self.fin_number: int | None = None
        self.receive_id = receive_id
        self.send_id = send_id
        self._endpoint = endpoint
        self._exchange = exchange
        self._inbound = inbound
        self._is_full = False          # the congestion window kept us from sending more
        self._sent_s = exchange.now    # last, data

    @property
    def payload_bytes(self) -> int:
        """Of a full packet."""
        return self.mtu.floor - HEADER_BYTES

    @property
    def buffered_bytes(self) -> int:
        """That are kept, because they were not sent or may have to be again."""
        return self.outbound.size + self.flight.unacked_bytes

    @property
    def is_fin_acked(self) -> bool:
        return self.fin_number is not None and self.flight.first > self.fin_number

    @property
    def room(self) -> int:
        """For how many bytes more."""
        return max(0, self.limit - self.buffered_bytes)

    def clear(self) -> None:
        """Nothing is sent any more."""
        self._exchange.spare_bytes += self.limit - BUFFER_BYTES
        self.limit = BUFFER_BYTES
        self.flight = Flight(self.flight.next)
        self.outbound = Outbound()

    # ---- what came

    def on_ack(self, through: int, sack: int, difference_us: int, *, is_duplicate: bool) -> bool:
        """Packets up to `through` came, and those of `sack`. Whether any of them is news."""
        flight, ledbat, rtt, now = self.flight, self.ledbat, self.rtt, self._exchange.now
        before = flight.first
        acked = flight.on_ack(through, sack, now, is_duplicate=is_duplicate)
        if flight.round_trip_s is not None:
            rtt.on_sample(flight.round_trip_s)
        smoothed_s = rtt.smoothed_s or 0.0
        is_news = acked > 0 or flight.first != before
        if is_news:
            rtt.on_progress()
            if difference_us:
                ledbat.delay.on_sample(difference_us, smoothed_s, now)
            ledbat.on_ack(acked, self.payload_bytes, smoothed_s, now, is_full=self._is_full)
            if 2 * ledbat.window > self.limit and self._is_full:       # else the next round trip waits for the writer
                self.limit = self._exchange.widen(self.limit, MOST_BUFFER_BYTES)
            if flight.delivered_probe:
                self.mtu.on_delivered(flight.delivered_probe)
        if sack or is_duplicate:
            for packet in flight.find_lost(smoothed_s / 8):
                if packet.probe_bytes:
                    self._on_probe_lost(packet)
                else:
                    ledbat.on_loss(self.payload_bytes, packet.sent_s, now)
        return is_news

    def on_timeout(self, times: int) -> None:
        """Nothing was acknowledged for too long, `times` times in a row."""
        flight, now = self.flight, self._exchange.now
        self.rtt.on_timeout()
        if not len(flight):            # the peer has no room, and what told us of more may be lost
            self.is_forced = True
            return
        if flight.oldest.probe_bytes and times == 1:
            self._on_probe_lost(flight.oldest)
        else:
            self.ledbat.on_timeout(self.payload_bytes, now)
            if times > 1:
                self.mtu.on_black_hole()
        flight.lose_all()

    def _on_probe_lost(self, packet: Sent) -> None:
        self.mtu.on_lost(packet.probe_bytes)
        packet.probe_bytes = 0

    # ---- what goes

    def header(self, kind: int, number: int, extension: int = 0) -> bytes:
        exchange, inbound = self._exchange, self._inbound
        self.freed_bytes = 0
        self.spoke_s = exchange.now
        return HEADER.pack(
            kind, extension, self.receive_id if kind == SYN else self.send_id, exchange.now_us, self.reply_us,
            inbound.room, number & SEQUENCE_MASK, inbound.expected - 1 & SEQUENCE_MASK)

    def send_alone(self, kind: int) -> None:
        """A packet that takes no number: STATE, RESET."""
        beyond = self._inbound.beyond if kind == STATE else 0
        header = self.header(kind, self.flight.next, SACK if beyond else 0)
        self._exchange.outgoing.append(Run(self._endpoint, [header, write_sack(beyond) if beyond else b""]))

    def send_one(self, kind: int, payload: Buffer = b"", *, probe_bytes: int = 0) -> None:
        """A packet with the next number."""
        packet = Sent(self.flight.next, kind, payload, self._exchange.now, probe_bytes)
        self.flight.add(packet)
        self._emit(packet)

    def _emit(self, packet: Sent) -> None:
        extension = LARGE if packet.kind == SYN and packet.payload else 0
        header = self.header(packet.kind, packet.number, extension)
        self._exchange.outgoing.append(Run(self._endpoint, [header, packet.payload], bool(packet.probe_bytes)))

    def send_again(self) -> bool:
        """Repeat what is lost, as far as it may be on the path. False when it was in vain too often."""
        flight, now = self.flight, self._exchange.now
        self._is_full = False
        while flight.lost:
            packet = flight.lost[0]
            if packet.is_lost:
                if flight.bytes_out and flight.bytes_out + packet.size > self.ledbat.window:
                    self._is_full = True
                    break
                if not self.peer_room:
                    packet.times = 2   # it comes, and is refused: whoever has no room is no failure
                if packet.times >= SENDINGS:
                    return False
                flight.resend(packet, now)
                self.retransmits += 1
                self._emit(packet)
            flight.lost.popleft()
        return True

    def send_tail(self) -> None:
        """Nobody answers, and it is early for a time-out: perhaps the last packets are lost, and nothing behind them
        tells. The last one again does. It may be the only one; that a single one was lost cuts no window."""
        packet = self.flight.repeat_last(self._exchange.now) if self.peer_room else None
        if packet is not None:
            self.retransmits += 1
            self._emit(packet)

    def send_new(self, *, is_last: bool) -> bool:
        """Send what waits, as far as it may be on the path, and FIN behind it when it `is_last`. Whether anything was.
        """
        flight, outbound = self.flight, self.outbound
        if flight.lost:
            return False
        before = flight.next
        if outbound.size:
            if not len(flight) and self._exchange.now - self._sent_s > self.rtt.timeout_s:
                self.ledbat.on_idle(self.payload_bytes)
            self._sent_s = self._exchange.now
            self._send_probe()
            self._send_data(is_last)
        if is_last and self.fin_number is None and not outbound.size:
            self.fin_number = flight.next
            self.send_one(FIN)
        return flight.next != before

    def _send_probe(self) -> None:
        probe = self.mtu.probe_bytes(self._exchange.now)
        if not probe:
            return
        flight, size, full = self.flight, probe - HEADER_BYTES, self.payload_bytes
        needed = size + PROBE_FOLLOWERS * full
        # It takes the place of an ordinary packet: room for all of it is never free while much is sent.
        if (self.outbound.size >= needed and needed <= self.ledbat.window
                and flight.bytes_out + full <= self.ledbat.window and flight.unacked_bytes + needed <= self.peer_room):
            self.mtu.on_sent()
            self.sent_bytes += size
            self.send_one(DATA, self.outbound.cut(size), probe_bytes=probe)

    def _send_data(self, is_last: bool) -> None:
        """One run of packets of equal size; the last may be smaller."""
        flight, outbound = self.flight, self.outbound
        full, peer_room, window = self.payload_bytes, self.peer_room, int(self.ledbat.window)
        parts: list[Buffer] = []
        while outbound.size >= full:   # as nearly all is sent: many at once
            fitting = max((window - flight.bytes_out) // full, 0 if flight.bytes_out else 1)
            most = min(fitting, (peer_room - flight.unacked_bytes) // full, outbound.size // full)
            if most < 1:
                break
            data, count = outbound.cut_run(full, most)
            self._add_run(parts, data, full, count)
        while outbound.size:
            size = min(full, outbound.size)
            if flight.bytes_out and flight.bytes_out + size > window:
                self._is_full = True
                break
            if flight.unacked_bytes + size > peer_room and not self.is_forced:
                if flight.unacked_bytes or not peer_room:
                    break
                size = peer_room       # its buffer is smaller than a packet of ours
            if size < full and not is_last and flight.bytes_out >= GATHER_PACKETS * full:
                break
            self._add_run(parts, outbound.cut(size), size, 1)
        if parts:
            self._exchange.outgoing.append(Run(self._endpoint, parts))

    def _add_run(self, parts: list[Buffer], data: Buffer, size: int, count: int) -> None:
        """So many packets with payloads of `size` bytes, which `data` has one behind the other."""
        number = self.flight.next
        self.flight.add_run(SentRun(number, count, size, data, self._exchange.now))
        self.sent_bytes += len(data)
        self.is_forced = False
        ack = self._inbound.expected - 1 & SEQUENCE_MASK
        same, pack = self.header(DATA, number)[:-NUMBERS.size], NUMBERS.pack
        for start in range(0, count * size, size):
            parts += (same + pack(number & SEQUENCE_MASK, ack), data[start:start + size])
            number += 1
