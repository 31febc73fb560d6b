"""The congestion window: as much as fits on the path without a queue of more than 100 ms. BEP 29, RFC 6817.

A newcomer that meets the queue of another takes it for the path, and drives it out. Therefore a window shrinks in
proportion to itself when the delay is over the target, and is closed for two round trips from time to time, so that
the queue drains and all see the path as it is (LEDBAT++, draft-irtf-iccrg-ledbat-plus-plus).
"""

from __future__ import annotations

from blobtorrent.protocol.utp.delay import DelayHistory

TARGET_US = 100_000
# A window shrinks from a delay of SHRINK_FROM on, in a round trip by SHRINK of the excess: it rests where that equals
# one packet, near the target. If that were steeper, a newcomer that is wrong about the path by one packet would get
# thrice as much as the others.
SHRINK_FROM = 0.8                      # of the target
SHRINK = 0.5
FIRST_PACKETS = 4
LEAST_PACKETS = 2                      # RFC 6817; with one, what is lost shows by a time-out only
FAST_UNTIL_US = 75_000                 # of delay, the window doubles with every round trip
SLOWDOWN_ROUND_TRIPS = 2
SLOWDOWN_SHARE = 9                     # the time between two is so many times that of one
SLOWDOWN_FROM_US = TARGET_US // 2      # a path whose queue was never longer is seen as it is
JOIN_FROM_US, JOIN_BELOW_US = 80_000, 60_000               # a queue that shrinks so: another slows down, join it
JOIN_SHARE = 3                         # but not in the first third of the time between two
MAX_WINDOW = 1 << 26


class Ledbat:
    """`window` is how many bytes of payload may be on the path."""

    __slots__ = ("window", "delay", "_threshold", "_cut_s", "_slow_until_s", "_slow_from_s", "_next_slowdown_s",
                 "_joins_from_s", "_worst_us")

    def __init__(self, packet_bytes: int) -> None:
        self.window = float(FIRST_PACKETS * packet_bytes)
        self.delay = DelayHistory()
        self._threshold = float(MAX_WINDOW)                # below it the window doubles
        self._cut_s = -1.0                                 # when it was last halved
        self._slow_until_s = 0.0                           # of the slowdown under way; 0: none is
        self._slow_from_s = 0.0                            # of the one whose end is not reached yet; 0: none
        self._next_slowdown_s: float | None = None
        self._joins_from_s = 0.0                           # when one of another may be joined
        self._worst_us = 0                                 # delay since the last slowdown

    def on_ack(self, acked_bytes: int, packet_bytes: int, round_trip_s: float, now: float, *, is_full: bool) -> None:
        """So many bytes arrived. `is_full`: the window was what kept us from sending more."""
        delay_us = self.delay.queueing_us or 0
        if delay_us > self._worst_us:
            self._worst_us = delay_us
        window = self.window
        if self._slow_until_s:
            if now < self._slow_until_s:
                return
            self._slow_until_s = 0.0
        if window < self._threshold:
            if delay_us > FAST_UNTIL_US:
                self._threshold = window
            elif is_full:
                window += acked_bytes
        if window >= self._threshold:
            self._reach_threshold(round_trip_s, now)
            excess = delay_us / TARGET_US - SHRINK_FROM
            growth = float(packet_bytes) if is_full else 0.0                               # of a round trip, as TCP
            if excess > 0:
                growth = max(growth - window * excess * SHRINK, -window / 2)
            window += growth * min(1.0, acked_bytes / window)
        self.window = min(float(MAX_WINDOW), max(window, float(LEAST_PACKETS * packet_bytes)))
        if self._next_slowdown_s is not None and (now >= self._next_slowdown_s or (
                delay_us < JOIN_BELOW_US and self._worst_us > JOIN_FROM_US and now >= self._joins_from_s)):
            self._slow_down(packet_bytes, round_trip_s, now)

    def on_loss(self, packet_bytes: int, sent_s: float, now: float) -> None:
        """A packet that was sent at `sent_s` is lost: halve, once for all that were on the path together."""
        if sent_s <= self._cut_s:
            return
        self._cut_s = now
        least = float(LEAST_PACKETS * packet_bytes)
        if self._slow_until_s:         # closed as it is: it was sent before
            self._threshold = max(self._threshold / 2, least)
            return
        self.window = max(self.window / 2, least)
        self._threshold = self.window

    def on_timeout(self, packet_bytes: int, now: float) -> None:
        """Nothing comes back: begin anew with the least, quickly up to half of what was."""
        self._cut_s = now
        least = float(LEAST_PACKETS * packet_bytes)
        self._threshold = max(self.window / 2, least)
        self.window = least
        self._slow_until_s = 0.0

    def on_idle(self, packet_bytes: int) -> None:
        """Nothing was sent for a while: what the path takes is not known any more. Quickly up to where it was."""
        first = float(FIRST_PACKETS * packet_bytes)
        if self.window > first:
            self._threshold = max(self._threshold, self.window)
            self.window = first

    def _reach_threshold(self, round_trip_s: float, now: float) -> None:
        """The window is where it was before the slowdown, or the first climb is over."""
        self._threshold = 0.0
        if self._slow_from_s:
            pause_s = SLOWDOWN_SHARE * (now - self._slow_from_s)
            self._joins_from_s, self._next_slowdown_s = now + pause_s / JOIN_SHARE, now + pause_s
            self._slow_from_s = 0.0
        elif self._next_slowdown_s is None:
            self._next_slowdown_s = now + SLOWDOWN_ROUND_TRIPS * round_trip_s

    def _slow_down(self, packet_bytes: int, round_trip_s: float, now: float) -> None:
        least = float(packet_bytes)    # a second one of another would look like the path
        if self._worst_us < SLOWDOWN_FROM_US or self.window <= LEAST_PACKETS * least:
            self._next_slowdown_s = now + max(1.0, SLOWDOWN_SHARE * round_trip_s)
            return
        self._worst_us = 0
        self._threshold, self.window = self.window, least
        self._slow_from_s = now
        self._slow_until_s = now + SLOWDOWN_ROUND_TRIPS * round_trip_s
        self._next_slowdown_s = None
