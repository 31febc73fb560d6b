"""A sample of the info-hashes that we keep (BEP 51), the same for everybody until the interval is over."""

from __future__ import annotations

from blobtorrent.protocol.dht.ids import Randomness

SAMPLE_SIZE = 20
INTERVAL_S = 21_600


class Sampler:
    def __init__(self, rng: Randomness) -> None:
        self._rng = rng
        self._sample: list[bytes] = []
        self._until_s = 0.0

    def sample(self, known: list[bytes], now: float) -> tuple[list[bytes], int]:
        """Info-hashes of `known`, and after how many seconds there will be others."""
        is_poor = len(self._sample) < min(SAMPLE_SIZE, len(known))     # it is no secret yet which there are
        if now >= self._until_s or is_poor:
            self._sample = self._rng.sample(known, min(SAMPLE_SIZE, len(known)))
            self._until_s = now + INTERVAL_S
        return self._sample, max(0, int(self._until_s - now))
