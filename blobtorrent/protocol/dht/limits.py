"""How much we answer: so many queries a second for one host and for all, so many bytes for a host that proved nothing.

The address of a query can be forged. Whoever did so would have us send to somebody else, so an answer to a host that
never showed that it receives what we send is at most three times what came, counted as the network carries it.
"""

from __future__ import annotations

from blobtorrent.protocol.dht.ids import host_key

PER_HOST_PER_S, HOST_BURST = 10.0, 20.0
TOTAL_PER_S, TOTAL_BURST = 100.0, 200.0
MAX_HOSTS = 4096                       # remembered; the one that was quiet for longest is forgotten
AMPLIFICATION = 3
HEADER_BYTES = 28                      # of IPv4 and UDP, on the way in and on the way out
PROOF_S = 600.0                        # that a host receives at its address is believed for so long


class _Allowance:
    """Queries that may be answered now; refilled with time."""

    __slots__ = ("left", "at_s")

    def __init__(self, left: float, now: float) -> None:
        self.left = left
        self.at_s = now

    def take(self, per_s: float, burst: float, now: float) -> bool:
        self.left = min(burst, self.left + (now - self.at_s) * per_s)
        self.at_s = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class AnswerLimits:
    """Keyed by host (`ids.host_key`)."""

    def __init__(self, now: float) -> None:
        self._total = _Allowance(TOTAL_BURST, now)
        self._hosts: dict[bytes, _Allowance] = {}
        self._proved: dict[bytes, float] = {}              # host -> until when
        self.refused = 0

    def may_answer(self, packed: bytes, now: float) -> bool:
        """Whether one more query of this host is answered; the host's own limit is looked at first."""
        key = host_key(packed)
        allowance = self._hosts.pop(key, None) or _Allowance(HOST_BURST, now)
        self._hosts[key] = allowance                       # the last one is the one heard last
        if len(self._hosts) > MAX_HOSTS:
            del self._hosts[next(iter(self._hosts))]
        if allowance.take(PER_HOST_PER_S, HOST_BURST, now) and self._total.take(TOTAL_PER_S, TOTAL_BURST, now):
            return True
        self.refused += 1
        return False

    def prove(self, packed: bytes, now: float) -> None:
        """The host answered us, or showed a token that we had sent it."""
        self._proved.pop(packed, None)
        self._proved[packed] = now + PROOF_S
        if len(self._proved) > MAX_HOSTS:
            del self._proved[next(iter(self._proved))]

    def room_for(self, packed: bytes, query_bytes: int, most: int, now: float) -> int:
        """Bytes that the answer to a query of so many bytes may have."""
        if self._proved.get(packed, 0.0) > now:
            return most
        return min(most, AMPLIFICATION * (query_bytes + HEADER_BYTES) - HEADER_BYTES)
