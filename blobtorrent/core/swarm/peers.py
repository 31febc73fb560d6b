"""PeerManager: the addresses of one torrent, whom to dial next, and who is not to be seen again.

Owned by a swarm. It decides; the swarm sends the dials.
"""

from __future__ import annotations

from ipaddress import ip_address

from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import PeerId

MAX_DIALS = 50                         # of one torrent at once
MAX_KNOWN = 4000
FIRST_RETRY_S = 1.0                    # after a failure, doubled each time
LONGEST_RETRY_S = 1800.0
STATIC_RETRY_S = 15.0                  # longest for an address that the user named
MAX_FAILURES = 8                       # in a row, then a found address is forgotten
REDIAL_S = 10.0                        # after a link that had been fine
REDIAL_TWIN_S = 300.0                  # while the same peer is connected by another link


class KnownPeer:
    """One address. Times are monotonic seconds."""

    __slots__ = ("endpoint", "failures", "is_busy", "is_useless", "next_dial_at", "source")

    def __init__(self, endpoint: Endpoint, source: PeerSource, next_dial_at: float) -> None:
        self.endpoint = endpoint
        self.source = source
        self.failures = 0
        self.next_dial_at = next_dial_at
        self.is_busy = False           # being dialled, or connected
        self.is_useless = False        # a seed while we seed: no reason to dial


class PeerManager:
    """Everything that is known of who may have the torrent."""

    def __init__(self) -> None:
        self._known: dict[Endpoint, KnownPeer] = {}
        self._banned: set[Endpoint | str | bytes | None] = set()       # endpoints, hosts and peer ids
        self.dialing = 0

    def __len__(self) -> int:
        return len(self._known)

    def found(self, endpoints: tuple[Endpoint, ...], source: PeerSource, now: float) -> None:
        """Learn addresses. The user's own are kept whatever happens, others up to a limit."""
        for endpoint in endpoints:
            known = self._known.get(endpoint)
            if known is not None:
                if source is PeerSource.STATIC:
                    known.source = source
            elif source is PeerSource.STATIC or len(self._known) < MAX_KNOWN:
                self._known[endpoint] = KnownPeer(endpoint, source, next_dial_at=now)

    def to_dial(self, room: int, now: float, *, seeding: bool) -> list[Endpoint]:
        """Up to `room` addresses to dial now; they count as being dialled from here on."""
        room = min(room, MAX_DIALS - self.dialing)
        if room <= 0:
            return []
        ready = [known for known in self._known.values()
                 if not known.is_busy and known.next_dial_at <= now and not self.is_banned(known.endpoint)
                 and not (seeding and known.is_useless)]
        ready.sort(key=lambda known: (known.failures, known.next_dial_at))
        for known in ready[:room]:
            known.is_busy = True
        self.dialing += len(ready[:room])
        return [known.endpoint for known in ready[:room]]

    def dialled(self) -> None:
        """A dial ended, one way or the other."""
        self.dialing -= 1

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """A dial failed, or a link ended badly: later, or never again."""
        known = self._known.get(endpoint)
        if known is None:
            return
        known.is_busy = False
        known.failures += 1
        if known.source is not PeerSource.STATIC and known.failures > MAX_FAILURES:
            del self._known[endpoint]
            return
        longest = STATIC_RETRY_S if known.source is PeerSource.STATIC else LONGEST_RETRY_S
        known.next_dial_at = now + min(longest, FIRST_RETRY_S * 2 ** (known.failures - 1))

    def ended(self, endpoint: Endpoint, now: float, *, useless: bool) -> None:
        """A link that worked ended."""
        known = self._known.get(endpoint)
        if known is not None:
            known.is_busy = False
            known.failures = 0
            known.is_useless = useless
            known.next_dial_at = now + REDIAL_S

    def is_here(self, endpoint: Endpoint, now: float) -> None:
        """The peer behind an address is connected already, by a link that it dialled: no hurry to try again."""
        known = self._known.get(endpoint)
        if known is not None:
            known.is_busy = False
            known.failures = 0
            known.next_dial_at = now + REDIAL_TWIN_S

    def forget(self, endpoint: Endpoint) -> None:
        """The address is our own."""
        self._known.pop(endpoint, None)

    def ban(self, endpoint: Endpoint, peer_id: PeerId) -> None:
        """Never dial or admit this peer again: its host, but on loopback, where all share one, just the peer."""
        self._banned.add(peer_id)
        self._banned.add(endpoint)
        if not ip_address(endpoint.host).is_loopback:
            self._banned.add(endpoint.host)

    def is_banned(self, endpoint: Endpoint, peer_id: PeerId | None = None) -> bool:
        return endpoint in self._banned or endpoint.host in self._banned or peer_id in self._banned
