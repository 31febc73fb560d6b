"""How much we hear and answer: so many datagrams a second of one host, so many answers for it and for all, so many
bytes for all and for a host that proved nothing. The limits of uploads do not count these bytes: they are few.

The address of a query can be forged. Whoever did so would have us send to somebody else, so what we send to a host that
never showed that it receives it is at most three times what came, counted as the network carries it.
"""

from __future__ import annotations

from blobtorrent.protocol.dht.ids import host_key

HEARD_PER_S, HEARD_BURST = 50.0, 100.0                     # datagrams of one host that are read
MUTED_S = 60.0                         # that a host which sent more is not heard at all
PER_HOST_PER_S, HOST_BURST = 10.0, 20.0                    # answers
TOTAL_PER_S, TOTAL_BURST = 100.0, 200.0
BYTES_PER_S, BYTES_BURST = 40_000.0, 100_000.0             # of all answers
MAX_HOSTS = 4096                       # remembered; the one that was quiet for longest is forgotten
AMPLIFICATION = 3
HEADER_BYTES = 28                      # of IPv4 and UDP, on the way in and on the way out
PROOF_S = 600.0                        # that a host receives at its address is believed for so long


class Allowance:
    """What may be done now; refilled with time."""

    __slots__ = ("_per_s", "_burst", "_left", "_at_s")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at_s = now

    def has_some(self, now: float) -> bool:
        self._left = min(self._burst, self._left + (now - self._at_s) * self._per_s)
        self._at_s = now
        return self._left >= 1

    def take(self, now: float, amount: float = 1.0) -> bool:
        """False when nothing is left; the last one to take may take more than there is."""
        if not self.has_some(now):
            return False
        self._left -= amount
        return True


class _Host:
    __slots__ = ("heard", "owed", "answered", "muted_until_s")

    def __init__(self, now: float) -> None:
        self.heard = Allowance(HEARD_PER_S, HEARD_BURST, now)
        self.owed = Allowance(PER_HOST_PER_S, HOST_BURST, now)
        self.answered = Allowance(PER_HOST_PER_S, HOST_BURST, now)
        self.muted_until_s = now


class AnswerLimits:
    """Keyed by host (`ids.host_key`)."""

    def __init__(self, now: float) -> None:
        self._total = Allowance(TOTAL_PER_S, TOTAL_BURST, now)
        self._bytes = Allowance(BYTES_PER_S, BYTES_BURST, now)
        self._hosts: dict[bytes, _Host] = {}
        self._proved: dict[bytes, float] = {}              # host -> until when

    def may_be_heard(self, packed: bytes, now: float, *, is_owed: bool) -> bool:
        """Whether a datagram of this host is worth reading: that costs more than to send it. Of one that must be silent
        we hear what it owes us: others may have sent in its name."""
        host = self._host(packed, now)
        if now < host.muted_until_s:
            return is_owed and host.owed.take(now)
        if host.heard.take(now):
            return True
        host.muted_until_s = now + MUTED_S
        return is_owed

    def may_answer(self, packed: bytes, now: float) -> bool:
        """Whether one more query of this host is answered; the host's own limit is looked at first."""
        return self._host(packed, now).answered.take(now) and self._bytes.has_some(now) and self._total.take(now)

    def on_answered(self, num_bytes: int, now: float) -> None:
        self._bytes.take(now, num_bytes + HEADER_BYTES)

    def prove(self, packed: bytes, now: float) -> None:
        """The host answered us, or showed a token that we had sent it."""
        self._proved.pop(packed, None)
        self._proved[packed] = now + PROOF_S
        if len(self._proved) > MAX_HOSTS:
            del self._proved[next(iter(self._proved))]

    def room_for(self, packed: bytes, query_bytes: int, most: int, now: float) -> int:
        """Bytes that we may send to who sent a query of so many bytes."""
        if self._proved.get(packed, 0.0) > now:
            return most
        return min(most, AMPLIFICATION * (query_bytes + HEADER_BYTES) - HEADER_BYTES)

    def _host(self, packed: bytes, now: float) -> _Host:
        key = host_key(packed)
        host = self._hosts.pop(key, None) or _Host(now)
        self._hosts[key] = host        # the last one is the one heard last
        if len(self._hosts) > MAX_HOSTS:
            del self._hosts[next(iter(self._hosts))]
        return host
