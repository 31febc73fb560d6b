"""What is on its way to the peer: packets that were sent and not acknowledged, and which of them are lost.

Numbers are those of the wire without the wrap: they only grow. BEP 29: three packets that came behind a hole say that
it is lost (the third duplicate of an acknowledgement, where the peer does not tell which came).
"""

from __future__ import annotations

from collections import deque

from blobtorrent.protocol.utp.packet import DATA, Buffer

DUPLICATES = 3


class Sent:
    """A packet that may have to be sent again: it keeps its number and its content."""

    __slots__ = ("number", "kind", "payload", "size", "sent_s", "times", "is_lost", "probe_bytes")

    def __init__(self, number: int, kind: int, payload: Buffer, sent_s: float, probe_bytes: int = 0) -> None:
        self.number = number
        self.kind = kind               # first byte of the packet
        self.payload = payload
        self.size = len(payload)
        self.sent_s = sent_s           # the last time
        self.times = 1
        self.is_lost = False           # and waits to be sent again
        self.probe_bytes = probe_bytes # of the datagram; 0: not sent to find out whether its size passes


class SentRun:
    """DATA packets with consecutive numbers and payloads of one size, sent together and once, of which nothing is known
    yet. Nearly all packets live and leave as a part of one; `Flight` takes it apart when it has to look closer."""

    __slots__ = ("first", "count", "size", "data", "sent_s")

    def __init__(self, first: int, count: int, size: int, data: Buffer, sent_s: float) -> None:
        self.first = first
        self.count = count
        self.size = size               # of a payload
        self.data = data               # all payloads, one behind the other
        self.sent_s = sent_s

    def drop(self, count: int) -> None:
        """The first so many arrived."""
        self.first += count
        self.count -= count
        self.data = self.data[count * self.size:]

    def packet(self, place: int) -> Sent:
        size = self.size
        return Sent(self.first + place, DATA, self.data[place * size:(place + 1) * size], self.sent_s)

    def packets(self) -> list[Sent]:
        return [self.packet(place) for place in range(self.count)]


class Flight:
    """`first` is the oldest number that is not acknowledged, `next` the one to be used next: equal when all arrived.

    After `on_ack`: `round_trip_s` is a sample or None, `delivered_probe` the size of a probe that arrived or 0.
    """

    __slots__ = ("first", "next", "bytes_out", "unacked_bytes", "lost", "round_trip_s", "delivered_probe",
                 "_packets", "_runs", "_in_runs", "_known", "_newest_s", "_duplicates",
                 "_tail", "_tail_s", "_tail_arrived_s")

    def __init__(self, first: int) -> None:
        self.first = first
        self.next = first
        self.bytes_out = 0                                 # believed to be on the path
        self.unacked_bytes = 0                             # those and the lost
        self.lost: deque[Sent] = deque()                   # to be sent again; some may have arrived since
        self.round_trip_s: float | None = None
        self.delivered_probe = 0
        self._packets: dict[int, Sent] = {}                # in the order of their numbers
        self._runs: deque[SentRun] = deque()               # all behind those
        self._in_runs = 0                                  # packets
        self._known = 0                                    # arrived beyond the first; bit 0 is first + 1
        self._newest_s = -1.0                              # when the latest that arrived was sent
        self._duplicates = 0
        self._tail = -1                                    # number of the last, when that was sent twice to be heard of
        self._tail_s = 0.0                                 # and when
        self._tail_arrived_s: float | None = None          # the same: it came, and not all before it

    def __len__(self) -> int:
        return len(self._packets) + self._in_runs

    @property
    def oldest(self) -> Sent:
        if not self._packets:
            self._take_apart()
        return self._packets[self.first]

    def add(self, packet: Sent) -> None:
        """It is sent for the first time, with the number `next`."""
        self._take_apart()
        self._packets[self.next] = packet
        self.next += 1
        self.bytes_out += packet.size
        self.unacked_bytes += packet.size

    def add_run(self, run: SentRun) -> None:
        """It is sent for the first time, with the numbers from `next` on."""
        size = run.count * run.size
        self._runs.append(run)
        self._in_runs += run.count
        self.next += run.count
        self.bytes_out += size
        self.unacked_bytes += size

    def _take_apart(self) -> None:
        """Know every packet by itself."""
        for run in self._runs:
            for packet in run.packets():
                self._packets[packet.number] = packet
        if self._runs and self._tail >= self._runs[0].first:
            packet = self._packets[self._tail]
            packet.times, packet.sent_s = 2, self._tail_s
        self._runs.clear()
        self._in_runs = 0

    def resend(self, packet: Sent, now: float) -> None:
        packet.is_lost = False
        packet.times += 1
        packet.sent_s = now
        self.bytes_out += packet.size

    def repeat_last(self, now: float) -> Sent | None:
        """The last packet is to be sent a second time, though it is not known to be lost. None when it was already, or
        is a probe, or waits for that anyway."""
        if self.lost or self._tail == self.next - 1 or not len(self):
            return None
        if self._runs:
            packet = self._runs[-1].packet(self._runs[-1].count - 1)
        else:
            packet = next(reversed(self._packets.values()))
            if packet.probe_bytes or packet.times > 1:
                return None
            packet.times, packet.sent_s = 2, now
        self._tail, self._tail_s = packet.number, now
        return packet

    def on_ack(self, through: int, beyond: int, now: float, *, is_duplicate: bool) -> int:
        """All up to `through` arrived, and of those from `through` + 2 on the bits of `beyond`. How many bytes are new.

        `is_duplicate` when the packet told nothing else. Numbers must be among those sent.
        """
        if beyond:
            self._take_apart()
        packets, runs = self._packets, self._runs
        advance = through + 1 - self.first
        acked = self.unacked_bytes
        newest: Sent | None = None
        sent_s: float | None = None                        # of the newest that arrived, if that was sent once
        self.delivered_probe = 0
        if advance > 0:
            if packets:
                for number in range(self.first, min(through + 1, runs[0].first if runs else self.next)):
                    packet = packets.pop(number, None)
                    if packet is not None:
                        newest = packet
                        self._arrive(packet)
            while runs and runs[0].first <= through:
                sent_s, newest = runs[0].sent_s if through != self._tail else None, None
                self._arrive_together(through)
            self.first = through + 1
            self._known >>= advance
            self._duplicates = 0
            end = runs[0].first if runs else self.next
            while self.first < end and self.first not in packets:
                self.first += 1        # the peer told of these before, and now as if they had not come
                self._known >>= 1
        elif advance == 0 and is_duplicate and not beyond and len(self):
            self._duplicates += 1
        if beyond and advance >= 0:
            fresh = beyond & ~self._known
            self._known |= fresh
            base = self.first + 1
            while fresh:
                bit = fresh & -fresh
                fresh ^= bit
                packet = packets.pop(base + bit.bit_length() - 1, None)
                if packet is not None:
                    if packet.number == self._tail:
                        self._tail_arrived_s = packet.sent_s
                    newest = packet
                    self._arrive(packet)
        if newest is not None:
            sent_s = newest.sent_s if newest.times == 1 else None
        self.round_trip_s = None
        if sent_s is not None:
            self.round_trip_s = now - sent_s
            if sent_s > self._newest_s:
                self._newest_s = sent_s
        return acked - self.unacked_bytes

    def _arrive_together(self, through: int) -> None:
        """Packets of the first run did, all up to `through`."""
        run = self._runs[0]
        count = through + 1 - run.first
        if count < run.count:
            run.drop(count)
        else:
            count = run.count
            self._runs.popleft()
        self._in_runs -= count
        self.unacked_bytes -= count * run.size
        self.bytes_out -= count * run.size

    def _arrive(self, packet: Sent) -> None:
        self.unacked_bytes -= packet.size
        if packet.is_lost:
            packet.is_lost = False
        else:
            self.bytes_out -= packet.size
        if packet.probe_bytes:
            self.delivered_probe = packet.probe_bytes

    def find_lost(self, patience_s: float) -> list[Sent]:
        """Those of which it is known since the last call that they are lost; they wait in `lost`.

        One that was sent again is lost again when one sent `patience_s` later arrived.
        """
        found: list[Sent] = []
        if self._tail_arrived_s is not None:               # nothing was sent behind it: two round trips must do
            deadline_s = self._tail_arrived_s - patience_s
            found = [packet for packet in self._packets.values()
                     if not packet.is_lost and packet.sent_s < deadline_s]
            self._tail_arrived_s = None
            for packet in found:
                self._lose(packet)
            return found
        outstanding = self.next - self.first
        needed = DUPLICATES if outstanding > DUPLICATES else max(1, outstanding - 1)       # few are left: RFC 5827
        bits = self._known
        for _ in range(needed - 1):
            if not bits:
                break
            bits ^= 1 << bits.bit_length() - 1
        if bits:
            end = self.first + bits.bit_length()           # the number of the highest bit that is left
            deadline_s = self._newest_s - patience_s
            for number, packet in self._packets.items():
                if number >= end:
                    break
                if not packet.is_lost and (packet.times == 1 or packet.sent_s < deadline_s):
                    found.append(packet)
        elif self._duplicates >= needed and len(self):
            self._duplicates = 0
            packet = self.oldest
            if not packet.is_lost and packet.times == 1:
                found.append(packet)
        for packet in found:
            self._lose(packet)
        return found

    def lose_all(self) -> None:
        """Nothing was heard for too long: all is to be sent again, the oldest first."""
        self._take_apart()
        self.lost.clear()
        for packet in self._packets.values():
            if packet.is_lost:
                self.lost.append(packet)
            else:
                self._lose(packet)
        self._duplicates = 0

    def _lose(self, packet: Sent) -> None:
        packet.is_lost = True
        self.bytes_out -= packet.size
        self.lost.append(packet)
