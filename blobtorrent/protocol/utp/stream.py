"""One stream of uTP: bytes in order, both ways, over packets that may be lost. Owned by its `UtpNode`. BEP 29."""

from __future__ import annotations

from collections.abc import Iterable

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.utp.exchange import Exchange
from blobtorrent.protocol.utp.inbound import MAX_AHEAD, Inbound
from blobtorrent.protocol.utp.packet import DATA, FIN, RESET, SEQUENCE_MASK, STATE, SYN, TIME_MASK, Buffer, Fields
from blobtorrent.protocol.utp.sending import BUFFER_BYTES, MOST_BUFFER_BYTES, Sender
from blobtorrent.protocol.utp.states import (
    OVER,
    UTP_STREAM,
    Connected,
    Ended,
    Readable,
    UtpHappening,
    UtpState,
    UtpStats,
    Writable,
)

FREED_BYTES = BUFFER_BYTES // 4        # read since we told our room: time to tell it again
ROOMY_BYTES = BUFFER_BYTES // 4        # of the send buffer, before a writer who waits is called
WINDOW_ROUND_TRIPS = 1.5               # who fills our whole buffer in less waits for us to make room
ACK_PACKETS = 16                       # that one acknowledgement may stand for
ACK_DELAY_S = 0.02                     # that a single packet waits for data to carry its acknowledgement
OLD_ACKS = 2048                        # packets; an acknowledgement that is older is no straggler
SYN_TRIES, TRIES = 3, 7                # time-outs in a row with nothing heard
LAST_TRIES = 3                         # when the peer has closed, too: libtorrent 2.1 is deaf then
KEEP_ALIVE_S = 29.0                    # network address translators forget after 30
LINGER_S = 5.0                         # answer a FIN that is repeated because our acknowledgement was lost
FIN_PATIENCE_S = 60.0                  # for the peer's FIN after ours


class UtpStream:
    """`write`, `read`, `close` and `abort` are for the owner of the node, all else is the node's. What is to be sent is
    in the next `take_outgoing` of the node.
    """

    __slots__ = (
        "endpoint", "state", "receive_id", "send_id", "heap_s", "_exchange", "_inbound", "_sender", "_is_stirred",
        "_is_told", "_is_end_told", "_is_closing", "_wants_room", "_owed", "_ack_now", "_ack_s", "_timeout_s",
        "_gone_s", "_fin_s", "_timeouts", "_is_over", "_full_at_bytes", "_full_since_s",
        "_tail_s",
    )

    def __init__(
        self, exchange: Exchange, endpoint: Endpoint, *, receive_id: int, send_id: int, number: int,
    ) -> None:
        self.endpoint = endpoint
        self.state = UTP_STREAM.start
        self.receive_id = receive_id
        self.send_id = send_id
        self.heap_s: float | None = None                   # of its entry in the node's timers
        self._exchange = exchange
        self._inbound = Inbound(0, BUFFER_BYTES)
        self._sender = Sender(exchange, endpoint, self._inbound, receive_id=receive_id, send_id=send_id, number=number)
        self._is_stirred = False
        self._is_told = False                              # Readable was given out
        self._is_end_told = False
        self._is_closing = False                           # as soon as the SYN is answered
        self._wants_room = False
        self._owed = 0                                     # packets that came since we acknowledged any
        self._ack_now = False
        self._ack_s: float | None = None                   # deadlines
        self._timeout_s: float | None = None
        self._tail_s: float | None = None
        self._gone_s: float | None = None
        self._fin_s: float | None = None
        self._timeouts = 0                                 # in a row
        self._is_over = False                              # the state is an end
        self._full_at_bytes = BUFFER_BYTES                 # received in all: then another buffer of them came
        self._full_since_s = exchange.now

    def __repr__(self) -> str:
        return f"UtpStream({self.endpoint}, {self.receive_id}, {self.state.value})"

    # ---- for its owner

    @property
    def is_eof(self) -> bool:
        """All that the peer had to say was read."""
        return self._inbound.is_ended and not self._inbound.has_some

    @property
    def room(self) -> int:
        """How many bytes `write` has room for."""
        return self._sender.room

    @property
    def stats(self) -> UtpStats:
        sender = self._sender
        return UtpStats(
            sent_bytes=sender.sent_bytes,
            received_bytes=self._inbound.received_bytes,
            retransmits=sender.retransmits,
            delay_s=(sender.ledbat.delay.queueing_us or 0) / 1e6,
            window_bytes=int(sender.ledbat.window),
            mtu=sender.mtu.floor + sender.ip_bytes,
            rtt_s=sender.rtt.smoothed_s or 0.0,
        )

    def write(self, data: Buffer) -> int:
        """Take a copy of what fits into the send buffer; how many bytes that is. When it is less than all, `Writable`
        comes once there is room. Nothing is taken after `close`."""
        if self._is_closing or self.state not in (UtpState.CONNECTED, UtpState.SYN_SENT):
            return 0
        taken = min(len(data), self._sender.room)
        self._sender.outbound.add(bytes(data[:taken]))
        if taken < len(data):
            self._wants_room = True
        self._stir()
        return taken

    def read(self, limit: int) -> list[bytes]:
        """Up to `limit` bytes of what came, in order; empty when nothing is there."""
        inbound, sender = self._inbound, self._sender
        payloads = inbound.read(limit)
        if not inbound.has_some:
            self._is_told = False
        sender.freed_bytes += sum(map(len, payloads))
        if sender.freed_bytes >= FREED_BYTES and not self._is_over:
            self._ack_now = True
            self._stir()
        return payloads

    def close(self, now: float) -> None:
        """Say nothing more than what was written. `Ended` comes when the peer has closed, too."""
        self._exchange.set_time(now)
        if self.state is UtpState.SYN_SENT:
            if self._sender.outbound.size:
                self._is_closing = True
            else:
                self._end(UtpHappening.DONE, None)
        elif self.state is UtpState.CONNECTED:
            self.state = UTP_STREAM.next(self.state, UtpHappening.FINISH)
            self._stir()

    def abort(self, now: float) -> None:
        """Break the stream off, and tell the peer. `Ended` comes with a reason."""
        self._exchange.set_time(now)
        if not self._is_over:
            self._reset("aborted")

    # ---- for the node

    def dial(self, largest_bytes: Buffer) -> None:
        """Send the SYN. `largest_bytes` is the extension that says so, or empty."""
        self._sender.send_one(SYN, largest_bytes)
        self._stir()

    def refuse(self, reason: str) -> None:
        """It never begins."""
        self._end(UtpHappening.GIVE_UP, reason)

    def accept(self, expected: int) -> None:
        """The peer took the answer to its SYN. Its first packet has the number `expected`."""
        self.state = UtpState.CONNECTED
        self._inbound.expected = expected
        self._stir()

    def allow_datagrams(self, largest_bytes: int) -> None:
        """The peer takes larger ones than every path does."""
        self._sender.mtu.raise_ceiling(largest_bytes)

    @property
    def deadline_s(self) -> float | None:
        """When `expire` is to be called; None: never."""
        deadlines = [one for one in (self._ack_s, self._timeout_s, self._tail_s, self._gone_s, self._fin_s)
                     if one is not None]
        if self.state is UtpState.CONNECTED:
            deadlines.append(self._sender.spoke_s + KEEP_ALIVE_S)
        return min(deadlines, default=None)

    @property
    def is_gone(self) -> bool:
        """Nothing has to be answered for it any more."""
        return self._gone_s is not None and self._exchange.now >= self._gone_s

    def expire(self) -> None:
        """A deadline may be over."""
        now = self._exchange.now
        if self._gone_s is not None:
            return
        if self._ack_s is not None and now >= self._ack_s:
            self._ack_s = None
            self._ack_now = True
        if self._timeout_s is not None and now >= self._timeout_s:
            self._time_out()
        elif self._tail_s is not None and now >= self._tail_s:
            self._tail_s = None
            self._sender.send_tail()
        elif self._fin_s is not None and now >= self._fin_s:
            self._end(UtpHappening.GIVE_UP, None)
        elif self.state is UtpState.CONNECTED and now >= self._sender.spoke_s + KEEP_ALIVE_S:
            self._ack_now = True
        self._stir()

    def on_packet(
        self, kind: int, timestamp_us: int, difference_us: int, room: int, number: int, ack: int, sack: int,
        payload: bytes,
    ) -> None:
        """A packet with our address and id came."""
        exchange, sender, state = self._exchange, self._sender, self.state
        flight = sender.flight
        if kind == RESET:
            self._on_reset(ack)
            return
        if self._is_over or kind == SYN:
            if state is UtpState.CLOSED and kind in (DATA, FIN):
                self._ack_now = True
                self._stir()
            return
        if state is UtpState.SYN_SENT:
            if kind != STATE or ack != flight.first & SEQUENCE_MASK:
                exchange.counts["unexpected"] += 1
                return
            self._on_answer(number)
        outstanding = flight.next - flight.first
        advance = (ack + 1 - flight.first) & SEQUENCE_MASK
        is_old = advance > SEQUENCE_MASK - OLD_ACKS and advance > outstanding
        if is_old:
            advance = sack = 0
        elif advance > outstanding or sack.bit_length() >= max(1, outstanding - advance):
            exchange.counts["optimistic"] += 1             # of what was never sent: not from our peer, or a cheat
            return
        sender.reply_us = exchange.now_us - timestamp_us & TIME_MASK
        self._timeouts = 0
        if not is_old:
            is_duplicate = not advance and outstanding > 0 and kind == STATE and room == sender.peer_room
            sender.peer_room = room
            if advance or sack or is_duplicate:
                self._on_ack(flight.first + advance - 1, sack, difference_us, is_duplicate)
                if self._is_over:
                    return
        if kind in (DATA, FIN):
            self._on_data(number, payload, is_last=kind == FIN)
        if not self._is_stirred:
            self._is_stirred = True
            exchange.stirred.append(self)

    def on_run(self, packets: Iterable[Fields]) -> int:
        """Packets of the peer came together. Takes those from the first on that are DATA, the next in order, and say
        nothing else that is new; how many these are. The others are for `on_packet`."""
        if self._is_over or self.state is UtpState.SYN_SENT:
            return 0
        exchange, inbound, sender = self._exchange, self._inbound, self._sender
        our_id, room, ack = self.receive_id, sender.peer_room, sender.flight.first - 1 & SEQUENCE_MASK
        expected, stamp_us = inbound.expected & SEQUENCE_MASK, 0
        payloads: list[bytes] = []
        for kind, extension, to_id, timestamp_us, _, told_room, number, told_ack, payload in packets:
            if (number != expected or told_ack != ack or told_room != room or kind != DATA or extension
                    or to_id != our_id):
                break
            payloads.append(payload)
            expected, stamp_us = number + 1 & SEQUENCE_MASK, timestamp_us
        if not payloads or not inbound.take_run(payloads):
            return 0
        sender.reply_us = exchange.now_us - stamp_us & TIME_MASK
        self._timeouts = 0
        if inbound.received_bytes >= self._full_at_bytes:
            self._on_full(len(payloads[0]))
        self._owed += len(payloads)
        if self._owed >= ACK_PACKETS:
            self._acknowledge()        # once for all of them
        if not self._is_told:
            self._is_told = True
            exchange.events.append(Readable(self))
        self._stir()
        return len(payloads)

    # ---- what came

    def _on_answer(self, number: int) -> None:
        """Our SYN was answered; the first packet of the peer will have that number."""
        self.state = UTP_STREAM.next(self.state, UtpHappening.ANSWERED)
        self._inbound.expected = number
        self._ack_now = True           # proves that we are where the SYN came from
        self._exchange.events.append(Connected(self))
        if self._is_closing:
            self.state = UTP_STREAM.next(self.state, UtpHappening.FINISH)

    def _on_ack(self, through: int, sack: int, difference_us: int, is_duplicate: bool) -> None:
        sender = self._sender
        if not sender.on_ack(through, sack, difference_us, is_duplicate=is_duplicate):
            return
        self._timeout_s = self._exchange.now + sender.rtt.timeout_s if len(sender.flight) else None
        self._await_tail()
        if self._wants_room and sender.room >= ROOMY_BYTES:
            self._wants_room = False
            self._exchange.events.append(Writable(self))
        if sender.fin_number is not None and sender.is_fin_acked:
            if self._inbound.is_ended:
                self._end(UtpHappening.DONE, None)
            elif self._fin_s is None:
                self._fin_s = self._exchange.now + FIN_PATIENCE_S

    def _on_data(self, number: int, payload: bytes, *, is_last: bool) -> None:
        inbound = self._inbound
        had_holes = inbound.beyond
        if not inbound.take(number, payload, is_last=is_last):
            self._ack_now = True       # it came before, or there is no room: the peer should know
            return
        if inbound.received_bytes >= self._full_at_bytes:
            self._on_full(len(payload))
        self._owed += 1
        if had_holes or inbound.beyond or is_last:
            self._ack_now = True
        if self._owed >= ACK_PACKETS:
            self._acknowledge()
        if not self._is_told and inbound.has_some:
            self._is_told = True
            self._exchange.events.append(Readable(self))
        if inbound.is_ended:
            self._on_end()

    def _on_full(self, packet_bytes: int) -> None:
        """As much came as the buffer holds. If that took hardly more than a round trip, it is the buffer that holds the
        peer up: make it larger. More packets than can be told of behind a hole are of no use in it."""
        inbound, now, round_trip_s = self._inbound, self._exchange.now, self._sender.rtt.smoothed_s
        if round_trip_s is not None and now - self._full_since_s < WINDOW_ROUND_TRIPS * round_trip_s:
            inbound.limit = self._exchange.widen(inbound.limit, min(MOST_BUFFER_BYTES, MAX_AHEAD * packet_bytes))
        self._full_at_bytes = inbound.received_bytes + inbound.limit
        self._full_since_s = now

    def _on_end(self) -> None:
        """The peer has said all."""
        if not self._is_end_told:
            self._is_end_told = True
            if not self._is_told:
                self._exchange.events.append(Readable(self))
        if self._sender.is_fin_acked:
            self._end(UtpHappening.DONE, None)

    def _on_reset(self, ack: int) -> None:
        """Believe it only when it names a packet that we sent just now or wait to hear of: others guess."""
        if self._is_over:
            return
        flight = self._sender.flight
        behind = ack - (flight.first - 1) & SEQUENCE_MASK
        if behind > min(ACK_PACKETS, flight.next - flight.first) and (flight.next - ack & SEQUENCE_MASK) > 1:
            self._exchange.counts["reset-out-of-window"] += 1
            return
        self._end(UtpHappening.BREAK, None if self._is_complete else "reset by the peer")

    # ---- time and ends

    @property
    def _is_complete(self) -> bool:
        """Both sides have closed; only that the peer knows of our end is not certain."""
        return self.state is UtpState.FIN_SENT and self._inbound.is_ended

    def _time_out(self) -> None:
        """Nothing was acknowledged for too long."""
        self._timeouts += 1
        is_dialing = self.state is UtpState.SYN_SENT
        if self._timeouts >= (SYN_TRIES if is_dialing else LAST_TRIES if self._is_complete else TRIES):
            reason = "no answer" if is_dialing else "timed out"
            self._end(UtpHappening.GIVE_UP, None if self._is_complete else reason)
            return
        self._sender.on_timeout(self._timeouts)
        self._timeout_s = self._tail_s = None              # set anew when something is sent

    def _await_tail(self) -> None:
        """Something was sent or acknowledged: be patient from now on."""
        packets = len(self._sender.flight)
        patience_s = self._sender.rtt.patience_s(packets) if packets else None
        self._tail_s = None if patience_s is None else self._exchange.now + patience_s

    def _end(self, happening: UtpHappening, reason: str | None) -> None:
        self.state = UTP_STREAM.next(self.state, happening)
        self._is_over = self.state in OVER
        self._exchange.events.append(Ended(self, reason))
        self._sender.clear()
        self._exchange.spare_bytes += self._inbound.limit - BUFFER_BYTES
        self._inbound.limit = BUFFER_BYTES
        self._timeout_s = self._tail_s = self._fin_s = self._ack_s = None
        lingers = self.state is UtpState.CLOSED and self._inbound.is_ended
        self._gone_s = self._exchange.now + (LINGER_S if lingers else 0.0)
        if not lingers:
            self._acknowledged()       # there is nothing more to
        self._stir()

    def _reset(self, reason: str) -> None:
        if self.state is not UtpState.SYN_SENT:
            if self._owed:             # so that the number in the RESET is one that the peer knows
                self._acknowledge()
            self._sender.send_alone(RESET)
        self._end(UtpHappening.BREAK, reason)

    # ---- what goes

    def _stir(self) -> None:
        if not self._is_stirred:
            self._is_stirred = True
            self._exchange.stirred.append(self)

    def _acknowledge(self) -> None:
        self._sender.send_alone(STATE)
        self._acknowledged()

    def _acknowledged(self) -> None:
        self._owed = 0
        self._ack_now = False
        self._ack_s = None

    def flush(self) -> None:
        """Send what may be sent now."""
        self._is_stirred = False
        state, sender = self.state, self._sender
        if not self._is_over:
            if not sender.send_again():
                self._reset("timed out")
            elif state is not UtpState.SYN_SENT and sender.send_new(is_last=state is UtpState.FIN_SENT):
                self._await_tail()
                if not self._inbound.beyond:
                    self._acknowledged()                   # what was sent carries it
            if self._timeout_s is None and not self._is_over and (len(sender.flight) or sender.outbound.size):
                self._timeout_s = self._exchange.now + sender.rtt.timeout_s
        if self._ack_now or self._owed > 1:
            self._acknowledge()
        elif self._owed and self._ack_s is None:
            self._ack_s = self._exchange.now + ACK_DELAY_S
