"""A TCP that fills its queue until it overflows, then halves: what uTP has to give way to. A model, RFC 5681."""

from __future__ import annotations

from functools import partial

from tests.simulation.swarmlab.events import US, Events
from tests.simulation.utplab.pipe import Pipe
from tests.simulation.utplab.world import Arrivals

PACKET_BYTES = 1460
HEADER_BYTES = 12                      # that TCP's is longer than UDP's
FIRST_PACKETS = 10
DUPLICATES = 3
TIMEOUT_S = 1.0


class Reno:
    """Sends for ever from `begin`. The receiver acknowledges every packet by its number, as with SACK."""

    def __init__(self, events: Events, there: Pipe, back: Pipe) -> None:
        self._events = events
        self._there = there
        self._back = back
        self.received = Arrivals()
        self.window = float(FIRST_PACKETS)
        self._threshold = float("inf")
        self._next = 0
        self._out: dict[int, int] = {}                     # number -> packets acknowledged behind it
        self._recovers_at = 0                              # no second cut for packets below that number
        self._heard_us = 0

    def begin(self) -> None:
        self._heard_us = self._events.now_us
        self._send()
        self._events.after(int(TIMEOUT_S * US), self._watch)

    def _send(self) -> None:
        while len(self._out) < int(self.window):
            self._out[self._next] = 0
            self._there.send(PACKET_BYTES + HEADER_BYTES, partial(self._arrive, self._next))
            self._next += 1

    def _arrive(self, number: int) -> None:
        self.received.add(self._events.now_us, PACKET_BYTES)
        self._back.send(HEADER_BYTES, partial(self._on_ack, number))

    def _on_ack(self, number: int) -> None:
        self._heard_us = self._events.now_us
        if self._out.pop(number, None) is None:
            return
        self.window += 1.0 if self.window < self._threshold else 1.0 / self.window
        lost = []
        for other in self._out:
            if other > number:
                break
            self._out[other] += 1
            if self._out[other] >= DUPLICATES:
                lost.append(other)
        for other in lost:             # what it carried goes with another number: only rates count here
            del self._out[other]
            self._cut(other)
        self._send()

    def _cut(self, lost: int) -> None:
        if lost >= self._recovers_at:
            self._recovers_at = self._next
            self.window = self._threshold = max(2.0, self.window / 2)

    def _watch(self) -> None:
        if self._out and self._events.now_us - self._heard_us >= TIMEOUT_S * US:
            self._out.clear()
            self._threshold, self.window = max(2.0, self.window / 2), 1.0
            self._send()
        self._events.after(int(TIMEOUT_S * US), self._watch)
