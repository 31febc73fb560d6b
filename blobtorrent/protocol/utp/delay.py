"""How long packets wait on their way to the peer: what they take now, less what they take when nothing is in the way.

The two clocks need not agree, only run equally fast: what a packet "takes" is off by their difference, which the
subtraction removes. The least that it took is kept by spans of time, so that what the clocks drift apart, or another
route, is forgotten after two minutes (BEP 29, RFC 6817 section 3.1).
"""

from __future__ import annotations

from collections import deque

from blobtorrent.protocol.utp.packet import TIME_MASK

SPAN_S, SPANS = 10.0, 12
RECENT = 3                             # samples; the least of them is the delay
HALF = 1 << 31
JUMP_US = 1_000_000                    # more than the round trip: a clock was set, and no queue is that long


class DelayHistory:
    """`queueing_us` is the delay of now, None until there is a sample. Microseconds."""

    __slots__ = ("queueing_us", "_first", "_spans", "_recent", "_span_ends_s")

    def __init__(self) -> None:
        self.queueing_us: int | None = None
        self._first = 0
        self._spans: deque[int] = deque(maxlen=SPANS)      # the least of each, newest last, relative to the first
        self._recent: deque[int] = deque(maxlen=RECENT)
        self._span_ends_s = 0.0

    def on_sample(self, sample_us: int, round_trip_s: float, now: float) -> None:
        """`sample_us` is the difference of two clocks, modulo 2^32, as the peer sent it back."""
        spans = self._spans
        if not spans:
            self._first = sample_us
        value = ((sample_us - self._first + HALF) & TIME_MASK) - HALF
        if now >= self._span_ends_s:
            self._span_ends_s = now + SPAN_S
            spans.append(value)
        elif value < spans[-1]:
            spans[-1] = value
        recent = self._recent
        recent.append(value)
        base = min(spans)
        queueing = min(recent) - base
        if queueing > round_trip_s * 1e6 + JUMP_US:
            spans.clear()
            spans.append(value)
            recent.clear()
            recent.append(value)
            queueing = 0
        self.queueing_us = queueing
