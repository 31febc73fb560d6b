"""How long an answer takes, and how long to wait for one. BEP 29 with the gains of RFC 6298."""

from __future__ import annotations

FIRST_S = 1.0                          # before anything is known
LEAST_S, MOST_S = 0.5, 16.0


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
