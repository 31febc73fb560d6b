"""How long an answer takes, and how long to wait for one. BEP 29 with the gains of RFC 6298."""

from __future__ import annotations

FIRST_S = 1.0                          # before anything is known
LEAST_S, MOST_S = 0.5, 16.0
ROUND_TRIPS = 2                        # without an answer: it is time to ask
ANSWER_DELAY_S, LONE_DELAY_S = 0.025, 0.12                 # that a peer may take to answer many packets, or one


class RoundTrip:
    """`smoothed_s` is None until there is a sample. Samples come from packets that were sent once only."""

    __slots__ = ("smoothed_s", "variance_s", "_timeout_s", "_backoff")

    def __init__(self) -> None:
        self.smoothed_s: float | None = None
        self.variance_s = 0.0
        self._timeout_s = FIRST_S
        self._backoff = 1

    @property
    def timeout_s(self) -> float:
        """How long to wait for an acknowledgement."""
        return min(MOST_S, self._timeout_s * self._backoff)

    def patience_s(self, packets: int) -> float | None:
        """How long to wait before one of so many packets on their way is sent again, only to hear what became of them
        (RFC 8985, section 7.2). None when there is no sample, or the time-out comes first."""
        if self.smoothed_s is None:
            return None
        wait_s = ROUND_TRIPS * self.smoothed_s + (LONE_DELAY_S if packets == 1 else ANSWER_DELAY_S)
        return wait_s if self._backoff == 1 and wait_s < self._timeout_s else None

    def on_sample(self, sample_s: float) -> None:
        smoothed = self.smoothed_s
        if smoothed is None:
            self.smoothed_s, self.variance_s = sample_s, sample_s / 2
        else:
            error = sample_s - smoothed
            self.variance_s += (abs(error) - self.variance_s) / 4
            self.smoothed_s = smoothed + error / 8
        self._timeout_s = max(LEAST_S, self.smoothed_s + 4 * self.variance_s)

    def on_timeout(self) -> None:
        """Wait twice as long the next time."""
        self._backoff = min(64, 2 * self._backoff)

    def on_progress(self) -> None:
        """Something new was acknowledged."""
        self._backoff = 1
