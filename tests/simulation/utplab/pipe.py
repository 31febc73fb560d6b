"""A direction of a path: a bottleneck with a queue before it, a distance behind it, and losses of its own."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.simulation.swarmlab.events import US, Events

HEADERS_BYTES = 28                     # of IP and UDP


class Pipe:
    """Whoever comes when the queue holds `buffer_s` of work is dropped, and a share `loss` of all at random.

    `jitter_s` is by how much packets may overtake each other. `waited_us` has the queue's length, by when it was met.
    """

    def __init__(
        self, events: Events, bytes_per_s: float, delay_s: float, *, buffer_s: float = 10.0, loss: float = 0.0,
        jitter_s: float = 0.0, mtu: int = 1500, seed: int = 1,
    ) -> None:
        self._events = events
        self._bytes_per_s = bytes_per_s
        self._delay_us = int(delay_s * US)
        self._buffer_us = int(buffer_s * US)
        self._loss = loss
        self._jitter_us = int(jitter_s * US)
        self._mtu = mtu
        self._rng = Random(seed)
        self._free_us = 0              # when all that is in the queue has gone
        self.dropped = 0
        self.waited_us: list[tuple[int, int]] = []         # (when, how long)

    def send(self, size: int, deliver: Callable[[], None], *, is_whole: bool = False) -> None:
        """A packet with a payload of that many bytes, headers of IP and UDP not counted."""
        now_us = self._events.now_us
        waits_us = max(0, self._free_us - now_us)
        if size + HEADERS_BYTES > self._mtu and is_whole:
            self.dropped += 1
            return
        if waits_us > self._buffer_us or self._rng.random() < self._loss:
            self.dropped += 1
            return
        self.waited_us.append((now_us, waits_us))
        takes_us = int((size + HEADERS_BYTES) / self._bytes_per_s * US)
        self._free_us = now_us + waits_us + takes_us
        jitter_us = int(self._rng.random() * self._jitter_us) if self._jitter_us else 0
        self._events.at(self._free_us + self._delay_us + jitter_us, deliver)

    def waits(self, from_s: float, to_s: float) -> list[float]:
        """Queueing delay that packets met between two times, sorted, in seconds."""
        return sorted(us / US for when, us in self.waited_us if from_s * US <= when < to_s * US)
