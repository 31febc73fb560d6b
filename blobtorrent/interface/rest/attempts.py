"""How often an address may be wrong about a token. Pure; owned by whoever checks tokens."""

from __future__ import annotations

import math

FREE_ATTEMPTS = 5
ATTEMPTS_PER_S = 5 / 60
MAX_ADDRESSES = 1024


class Attempts:
    """Each address has FREE_ATTEMPTS, and gets them back at ATTEMPTS_PER_S.

    Only failures count, and only for their own address: nobody can lock out the others.
    """

    def __init__(self) -> None:
        self._failed: dict[str, tuple[float, float]] = {}  # attempts used up and when that was, the oldest first

    def wait_s(self, address: str, now: float) -> int:
        """Whole seconds until the address may be wrong again; 0: it may now."""
        excess = self._used(address, now) - FREE_ATTEMPTS + 1
        return max(0, math.ceil(excess / ATTEMPTS_PER_S))

    def fail(self, address: str, now: float) -> None:
        """The address was wrong."""
        used = self._used(address, now)
        self._failed.pop(address, None)
        if len(self._failed) >= MAX_ADDRESSES:
            del self._failed[next(iter(self._failed))]
        self._failed[address] = (min(used + 1, FREE_ATTEMPTS), now)

    def _used(self, address: str, now: float) -> float:
        used, since_s = self._failed.get(address, (0.0, now))
        return max(0.0, used - (now - since_s) * ATTEMPTS_PER_S)
