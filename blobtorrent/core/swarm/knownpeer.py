"""KnownPeer: one address that may have the torrent, and what is believed of it, by where it came from."""

from __future__ import annotations

from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.model.address import Endpoint

# Whom to believe, best first: who is named by several counts as named by the best of them.
TRUST = {source: rank for rank, source in enumerate((
    PeerSource.STATIC, PeerSource.TRACKER, PeerSource.DNS, PeerSource.INCOMING, PeerSource.MAGNET, PeerSource.DHT,
    PeerSource.LSD, PeerSource.PEX))}
HEARSAY = (PeerSource.DHT, PeerSource.LSD, PeerSource.PEX)             # the word of anybody
STRANGERS = (*HEARSAY, PeerSource.MAGNET)              # and of whoever wrote a link
FIRST_RETRY_S = 1.0                    # after a failure, doubled each time
LONGEST_RETRY_S = 1800.0
STATIC_RETRY_S = 15.0                  # longest for an address that the user named
MAX_FAILURES = 8                       # in a row, then a found address is forgotten
MAX_FAILURES_HEARSAY = 3               # the same for one that never worked: it may be a trick to have somebody dialled
CLAIM_S = 1800.0                       # another peer's word that somebody is complete is believed so long


class KnownPeer:
    """One address. `next_dial_at` is monotonic seconds, `last_good_at` seconds since 1970."""

    __slots__ = ("claimed_until", "endpoint", "failures", "is_busy", "is_linked", "is_punched", "is_useless",
                 "last_good_at", "next_dial_at", "received_bytes", "source", "speaks_utp", "tracker")

    def __init__(self, endpoint: Endpoint, source: PeerSource, next_dial_at: float) -> None:
        self.endpoint = endpoint
        self.source = source
        self.tracker = ""              # host name of the one that named it last
        self.failures = 0
        self.next_dial_at = next_dial_at
        self.last_good_at = 0.0        # a link to it worked
        self.received_bytes = 0        # payload that it gave us; what earlier runs got counts less with each of them
        self.is_busy = False           # being dialled, or connected
        self.is_linked = False         # connected
        self.is_useless = False        # a seed, as we saw while we seeded: no reason to dial
        self.speaks_utp = False        # it was connected by uTP, or others say so
        self.is_punched = False        # it opens its NAT for us just now: dial it by uTP alone (BEP 55)
        self.claimed_until = 0.0       # until then it is one on the word of another peer

    def dial_at(self, *, seeding: bool) -> float:
        return max(self.next_dial_at, self.claimed_until) if seeding else self.next_dial_at

    @property
    def is_untried(self) -> bool:
        """Nothing speaks for it but the word of somebody."""
        return not (self.is_busy or self.last_good_at)

    @property
    def patience(self) -> int:
        """How often in a row it may fail, if it was found."""
        return MAX_FAILURES_HEARSAY if self.source in HEARSAY and not self.last_good_at else MAX_FAILURES

    @property
    def pause_s(self) -> float:
        """How long it is left alone after its last failure."""
        longest = STATIC_RETRY_S if self.source is PeerSource.STATIC else LONGEST_RETRY_S
        return min(longest, FIRST_RETRY_S * 2.0 ** min(self.failures - 1, 16))
