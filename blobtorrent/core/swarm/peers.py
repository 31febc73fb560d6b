"""PeerManager: the addresses of one torrent, whom to dial next, and who is not to be seen again.

Owned by a swarm. It decides; the swarm sends the dials. What is worth it is told to the core, which keeps it for the
next run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_address

from blobtorrent.core.swarm.messages import KnownAddress, PeerSource
from blobtorrent.model.address import Endpoint
from blobtorrent.model.addressfilter import Gate
from blobtorrent.model.ids import PeerId

MAX_DIALS = 50                         # of one torrent at once
MAX_KNOWN = 4000
MAX_KEPT = 200                         # for the next run
FIRST_RETRY_S = 1.0                    # after a failure, doubled each time
LONGEST_RETRY_S = 1800.0
STATIC_RETRY_S = 15.0                  # longest for an address that the user named
OF_PRIVATE = (PeerSource.TRACKER, PeerSource.STATIC)       # where peers of private torrents may come from (BEP 27)
MAX_HEARSAY = {PeerSource.PEX: MAX_KNOWN // 2, PeerSource.LSD: 500}        # of these, on the word of anybody
MAX_FAILURES = 8                       # in a row, then a found address is forgotten
MAX_FAILURES_HEARSAY = 3               # the same for one that never worked: it may be a trick to have somebody dialled
MAX_OWN = 64                           # addresses of our own that are remembered
LOW_PORT_S = 30.0                      # hearsay of a port below 1024, where no peer listens, waits so long
REDIAL_S = 10.0                        # after a link that had been fine
REDIAL_TWIN_S = 300.0                  # while the same peer is connected by another link


class KnownPeer:
    """One address. `next_dial_at` is monotonic seconds, `last_good_at` seconds since 1970."""

    __slots__ = ("endpoint", "failures", "is_busy", "is_linked", "is_useless", "last_good_at", "next_dial_at", "source",
                 "tracker")

    def __init__(self, endpoint: Endpoint, source: PeerSource, next_dial_at: float) -> None:
        self.endpoint = endpoint
        self.source = source
        self.tracker = ""              # host name of the one that named it last
        self.failures = 0
        self.next_dial_at = next_dial_at
        self.last_good_at = 0.0        # a link to it worked
        self.is_busy = False           # being dialled, or connected
        self.is_linked = False         # connected
        self.is_useless = False        # a seed while we seed: no reason to dial


class PeerManager:
    """Everything that is known of who may have the torrent."""

    def __init__(self) -> None:
        self.gate = Gate()             # the host puts that of its thread here
        self.filtered = 0              # how often it refused an address
        self._known: dict[Endpoint, KnownPeer] = {}
        self._banned: set[Endpoint | str | bytes | None] = set()       # endpoints, hosts and peer ids
        self._twins: dict[PeerId, dict[Endpoint, None]] = {}           # other addresses of peers that are connected
        self._own: dict[Endpoint, None] = {}               # where we met ourselves
        self.dialing = 0
        self.revision = 0              # another one: other peers are worth keeping

    def __len__(self) -> int:
        return len(self._known)

    def source_of(self, endpoint: Endpoint) -> PeerSource | None:
        """Where an address came from; None for one that is not known."""
        known = self._known.get(endpoint)
        return None if known is None else known.source

    def num_by_source(self) -> dict[str, int]:
        """How many addresses are known of each source that told of any."""
        return dict(Counter(known.source.value for known in self._known.values()))

    def num_resting(self, now: float) -> int:
        """Addresses that failed and wait for the next try."""
        return sum(known.failures > 0 and known.next_dial_at > now and not known.is_busy
                   for known in self._known.values())

    def found(self, endpoints: tuple[Endpoint, ...], source: PeerSource, now: float, *,
              tracker: str = "") -> list[Endpoint]:
        """Learn addresses; returns those that are new. The user's own are kept whatever happens, others up to a limit.
        """
        room = MAX_KNOWN - len(self._known)
        if source in MAX_HEARSAY:
            room = min(room, MAX_HEARSAY[source] - sum(known.source is source for known in self._known.values()))
        learned: list[Endpoint] = []
        for endpoint in endpoints:
            known = self._known.get(endpoint)
            if known is not None:
                if source is PeerSource.STATIC:
                    known.source = source
                known.tracker = tracker or known.tracker
            elif (source is PeerSource.STATIC or len(learned) < room) and self._may_learn(endpoint, source):
                is_odd = source in MAX_HEARSAY and endpoint.port < 1024
                self._known[endpoint] = KnownPeer(endpoint, source, next_dial_at=now + LOW_PORT_S * is_odd)
                self.revision += 1
                self._known[endpoint].tracker = tracker
                learned.append(endpoint)
        return learned

    def _may_learn(self, endpoint: Endpoint, source: PeerSource) -> bool:
        return endpoint not in self._own and (source is PeerSource.STATIC or not self.refuses(endpoint))

    def wants_nothing(self, endpoint: Endpoint) -> None:
        """Who is at an address that was just learned is said to be complete: no reason to dial it while we are."""
        self._known[endpoint].is_useless = True

    def was_good(self, endpoint: Endpoint) -> bool | None:
        """Whether an address that was found led to a peer; None while that is open."""
        known = self._known.get(endpoint)
        if known is None:
            return False
        return True if known.is_linked or known.last_good_at else None

    def restore(self, addresses: Iterable[KnownAddress], now: float) -> None:
        """Know again what an earlier run kept. Those that worked last go first; one that failed waits its time."""
        for address in sorted(addresses, key=lambda address: -address.last_good_at)[:MAX_KNOWN]:
            known = KnownPeer(address.endpoint, address.source, now)
            known.last_good_at = address.last_good_at
            known.tracker = address.tracker
            known.failures = min(address.failures, MAX_FAILURES)
            if known.failures:
                known.next_dial_at = now + _pause_s(known)
            self._known.setdefault(address.endpoint, known)

    def kept(self, incoming: Iterable[Endpoint], wall: float, *, seeding: bool) -> tuple[KnownAddress, ...]:
        """What is worth keeping for the next run, best first.

        `incoming` are where connected peers that dialled us say that they listen; `wall` is seconds since 1970.
        """
        kept = {endpoint: KnownAddress(endpoint, PeerSource.INCOMING, 0, wall) for endpoint in incoming}
        for known in self._known.values():
            if not (self.is_banned(known.endpoint) or seeding and known.is_useless):
                good_at = wall if known.is_linked or known.endpoint in kept else known.last_good_at
                kept[known.endpoint] = KnownAddress(
                    known.endpoint, known.source, known.failures, good_at, known.tracker)
        best = sorted(kept.values(), key=lambda address: (-address.last_good_at, address.failures))
        return tuple(best[:MAX_KEPT])

    def next_dial_at(self, *, seeding: bool) -> float | None:
        """When somebody is to be dialled next, as far as it is known now."""
        return min((known.next_dial_at for known in self._known.values() if self._may_dial(known, seeding)),
                   default=None)

    def _may_dial(self, known: KnownPeer, seeding: bool) -> bool:
        return not (known.is_busy or seeding and known.is_useless or self.is_banned(known.endpoint))

    def to_dial(self, room: int, now: float, *, seeding: bool) -> list[Endpoint]:
        """Up to `room` addresses to dial now; they count as being dialled from here on."""
        room = min(room, MAX_DIALS - self.dialing)
        if room <= 0:
            return []
        ready = [known for known in self._known.values()
                 if known.next_dial_at <= now and self._may_dial(known, seeding)]
        ready.sort(key=lambda known: (known.failures, known.next_dial_at))
        chosen = []
        for known in ready[:room]:
            if not self.refuses(known.endpoint):
                known.is_busy = True
                chosen.append(known.endpoint)
            elif known.source is PeerSource.STATIC:
                known.next_dial_at = now + STATIC_RETRY_S  # the filter may change
            else:
                self.forget(known.endpoint)
        self.dialing += len(chosen)
        return chosen

    def dialled(self) -> None:
        """A dial ended, one way or the other."""
        self.dialing -= 1

    def linked(self, endpoint: Endpoint) -> None:
        """A dial led to a link."""
        known = self._known.get(endpoint)
        if known is not None:
            known.is_linked = True
            self.revision += 1

    def adopt(self, endpoint: Endpoint, source: PeerSource, now: float) -> None:
        """A link that somebody else dialled comes here: as if we had."""
        known = self._known.setdefault(endpoint, KnownPeer(endpoint, source, now))
        known.is_busy = True
        self.dialing += 1

    def introduced(self) -> None:
        """A peer that dialled us has said where it listens."""
        self.revision += 1

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """A dial failed, or a link ended badly: later, or never again."""
        known = self._known.get(endpoint)
        if known is None:
            return
        known.is_busy = known.is_linked = False
        known.failures += 1
        if known.source is not PeerSource.STATIC and known.failures > _patience(known):
            del self._known[endpoint]
            return
        known.next_dial_at = now + _pause_s(known)

    def ended(self, endpoint: Endpoint, now: float, wall: float, *, useless: bool) -> None:
        """A link that worked ended."""
        known = self._known.get(endpoint)
        if known is not None:
            known.is_busy = known.is_linked = False
            known.failures = 0
            known.last_good_at = wall
            known.is_useless = useless
            known.next_dial_at = now + REDIAL_S
            self.revision += 1

    def is_here(self, endpoint: Endpoint, peer_id: PeerId, now: float) -> None:
        """The peer behind an address is connected already, by another link: no hurry to try again."""
        known = self._known.get(endpoint)
        if known is not None:
            known.is_busy = False
            known.failures = 0
            known.next_dial_at = now + REDIAL_TWIN_S
            self._twins.setdefault(peer_id, {})[endpoint] = None

    def left(self, peer_id: PeerId) -> list[Endpoint]:
        """A peer's link ended, and that counts for these addresses too: they were dialled for it in vain."""
        twins = self._twins.pop(peer_id, ())
        return [endpoint for endpoint in twins if endpoint in self._known and not self._known[endpoint].is_busy]

    def is_us(self, endpoint: Endpoint) -> None:
        """The address is our own, whoever tells of it again."""
        self.forget(endpoint)
        self._own[endpoint] = None
        if len(self._own) > MAX_OWN:
            del self._own[next(iter(self._own))]

    def forget(self, endpoint: Endpoint) -> None:
        """The address is our own, or filtered."""
        self._known.pop(endpoint, None)
        self.revision += 1

    def ban(self, endpoint: Endpoint, peer_id: PeerId) -> None:
        """Never dial or admit this peer again: its host, but on loopback, where all share one, just the peer."""
        self.revision += 1
        self._banned.add(peer_id)
        self._banned.add(endpoint)
        if not ip_address(endpoint.host).is_loopback:
            self._banned.add(endpoint.host)

    def refuses(self, endpoint: Endpoint) -> bool:
        """Whether the filter lists let us have nothing to do with an address; a refusal is counted."""
        is_refused = self.gate.refuses(endpoint.host)
        self.filtered += is_refused
        return is_refused

    def is_banned(self, endpoint: Endpoint, peer_id: PeerId | None = None) -> bool:
        return endpoint in self._banned or endpoint.host in self._banned or peer_id in self._banned


def _patience(known: KnownPeer) -> int:
    """How often in a row one that was found may fail."""
    return MAX_FAILURES_HEARSAY if known.source in MAX_HEARSAY and not known.last_good_at else MAX_FAILURES


def _pause_s(known: KnownPeer) -> float:
    """How long one that failed is left alone."""
    longest = STATIC_RETRY_S if known.source is PeerSource.STATIC else LONGEST_RETRY_S
    return min(longest, FIRST_RETRY_S * 2.0 ** min(known.failures - 1, 16))
