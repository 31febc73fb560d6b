"""How large a datagram the path takes: a search with packets that no router may cut. RFC 8899, as BEP 29 clients do.

The first attempt is the largest that can be, which most paths take; then halves of what is left. A probe carries data
of the stream. One that is lost is sent again without the mark, so that the path cuts it, and does not count as
congestion.
"""

from __future__ import annotations

IP_UDP_BYTES, IP6_UDP_BYTES = 28, 48   # headers below ours
LEAST_PATH, LEAST_PATH6 = 576, 1280    # every network carries them whole
ETHERNET = 1500
CLOSE_ENOUGH = 16                      # bytes between what works and what does not
TRIES = 2                              # of the largest size: a loss may be mere chance
AGAIN_S = 600.0                        # routes change; the search begins anew


class MtuSearch:
    """Sizes are of datagrams, our header included. `floor` is known to pass, more than `ceiling` is not tried."""

    __slots__ = ("floor", "ceiling", "_least", "_most", "_is_out", "_tries", "_again_s")

    def __init__(self, least: int, most: int) -> None:
        self.floor = min(least, most)
        self.ceiling = most
        self._least = self.floor
        self._most = most
        self._is_out = False
        self._tries = TRIES
        self._again_s: float | None = None

    def raise_ceiling(self, most: int) -> None:
        """The peer takes larger datagrams than we knew."""
        if most > self._most:
            self._most = self.ceiling = most

    def probe_bytes(self, now: float) -> int:
        """What is to be tried now; 0: nothing."""
        if self._is_out:
            return 0
        if self.ceiling - self.floor <= CLOSE_ENOUGH and not (self.ceiling == self._most and self.floor < self._most):
            if self._again_s is None:
                self._again_s = now + AGAIN_S
            if now < self._again_s or self.floor >= self._most:
                return 0
            self._again_s, self.ceiling, self._tries = None, self._most, TRIES
        return self.ceiling if self.ceiling == self._most else (self.floor + self.ceiling + 1) // 2

    def on_sent(self) -> None:
        """A probe is under way; until it is heard of there is no other."""
        self._is_out = True

    def on_delivered(self, probe_bytes: int) -> None:
        self._is_out = False
        self.floor = max(self.floor, min(probe_bytes, self._most))
        self.ceiling = max(self.ceiling, self.floor)

    def on_lost(self, probe_bytes: int) -> None:
        self._is_out = False
        if probe_bytes == self._most and self._tries > 1:
            self._tries -= 1
        elif probe_bytes > self.floor:
            self.ceiling = max(self.floor, probe_bytes - 1)

    def on_black_hole(self) -> None:
        """Nothing passes any more, and size may be why: begin anew from the least."""
        self._is_out = False
        self.floor, self.ceiling, self._tries = self._least, self._most, TRIES
        self._again_s = None
