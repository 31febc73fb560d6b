"""PeerManager: the addresses of one torrent, whom to dial next, and who is not to be seen again.

Owned by a swarm. It decides; the swarm sends the dials. What is worth it is told to the core, which keeps it for the
next run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from blobtorrent.core.swarm.knownpeer import HEARSAY, MAX_FAILURES, STATIC_RETRY_S, STRANGERS, TRUST, KnownPeer
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource
from blobtorrent.core.swarm.variety import Variety, region_at
from blobtorrent.model.address import Endpoint
from blobtorrent.model.addressfilter import Gate
from blobtorrent.model.ids import PeerId
from blobtorrent.model.reach import FIRST_FREE_PORT
from blobtorrent.model.status import PeersFrom

if TYPE_CHECKING:
    from blobtorrent.core.swarm.bans import Bans
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.metadatalink import MetadataLink

MAX_DIALS = 50                         # of one torrent at once
MAX_KNOWN = 4000
MAX_OF_SOURCE = MAX_KNOWN // 2         # so that none of them fills the list alone; the user's own are not counted
MAX_LOCAL = 500                        # the same for the local network
MAX_KEPT = 200                         # for the next run
# Where peers of private torrents may come from (BEP 27).
OF_PRIVATE = (PeerSource.TRACKER, PeerSource.STATIC, PeerSource.DNS)
MAX_UNENCRYPTED = 1000                 # hosts that are counted
MAX_OWN = 64                           # addresses of our own that are remembered
LOW_PORT_S = 30.0                      # a port below 1024, where no peer listens, waits so long when strangers name it
DIALLED_US = "incoming"
DIALLED_US_BEFORE = "cache"            # in an earlier run: the address was kept, and now we may dial it
REDIAL_S = 10.0                        # after a link that had been fine
REDIAL_TWIN_S = 300.0                  # while the same peer is connected by another link


class PeerManager:
    """Everything that is known of who may have the torrent."""

    def __init__(self) -> None:
        self.gate = Gate()             # the host puts that of its thread here
        self.filtered = 0              # how often it refused an address
        self.off_limits = 0            # dials that failed because the settings rule out the way
        self.encryption_code = ""      # why a peer was lost last to what the settings say of encryption
        self._unencrypted: set[str] = set()                # the hosts of these peers
        self._known: dict[Endpoint, KnownPeer] = {}
        self._num_known: Counter[PeerSource] = Counter()
        self._bans: Bans | None = None # made for the first one
        self._twins: dict[PeerId, dict[Endpoint, None]] = {}           # other addresses of peers that are connected
        self._own: dict[Endpoint, None] = {}               # where we met ourselves
        self._dialing: set[Endpoint] = set()
        self.revision = 0              # another one: other peers are worth keeping

    def __len__(self) -> int:
        return len(self._known)

    def source_of(self, endpoint: Endpoint) -> PeerSource | None:
        """Where an address came from; None for one that is not known."""
        known = self._known.get(endpoint)
        return None if known is None else known.source

    def num_by_source(self) -> dict[str, int]:
        """How many addresses are known of each source that told of any."""
        return {source.value: number for source, number in self._num_known.items() if number}

    def source_name(self, link: PeerLink | MetadataLink) -> str:
        """What the source of a connected peer is called."""
        if link.is_incoming:
            return DIALLED_US
        return _name_of(self.source_of(link.endpoint) or PeerSource.INCOMING)

    def by_source(self, links: Iterable[PeerLink | MetadataLink]) -> tuple[PeersFrom, ...]:
        """How many addresses are known of each source, and how many of the links are theirs."""
        known = {_name_of(source): number for source, number in self._num_known.items() if number}
        connected = Counter(map(self.source_name, links))
        return tuple(PeersFrom(name, known.get(name, 0), connected[name]) for name in sorted({*known, *connected}))

    def num_resting(self, now: float) -> int:
        """Addresses that failed and wait for the next try."""
        return sum(known.failures > 0 and known.next_dial_at > now and not known.is_busy
                   for known in self._known.values())

    # ---- what is known

    def found(self, endpoints: tuple[Endpoint, ...], source: PeerSource, now: float, *,
              tracker: str = "") -> list[Endpoint]:
        """Learn addresses; returns those that are new.

        The user's own are kept whatever happens. Of every other source there are so many, and when the list is full, a
        better source takes the places of hearsay that nobody has tried.
        """
        learned: list[Endpoint] = []
        worse = self._replaceable_by(source)
        for endpoint in endpoints:
            known = self._known.get(endpoint)
            if known is not None:
                self._named_again(known, source, tracker)
            elif self._may_learn(endpoint, source) and (source is PeerSource.STATIC or self._make_place(worse)):
                is_odd = source in STRANGERS and endpoint.port < FIRST_FREE_PORT
                known = KnownPeer(endpoint, source, next_dial_at=now + LOW_PORT_S * is_odd)
                known.tracker = tracker
                self._add(known)
                self.revision += 1
                learned.append(endpoint)
        return learned

    def _may_learn(self, endpoint: Endpoint, source: PeerSource) -> bool:
        if endpoint in self._own:
            return False
        if source is PeerSource.STATIC:
            return True
        limit = MAX_LOCAL if source is PeerSource.LSD else MAX_OF_SOURCE
        return self._num_known[source] < limit and not self.refuses(endpoint)

    def _make_place(self, worse: Iterator[KnownPeer]) -> bool:
        if len(self._known) < MAX_KNOWN:
            return True
        loser = next(worse, None)
        if loser is not None:
            self._drop(loser)
        return loser is not None

    def _named_again(self, known: KnownPeer, source: PeerSource, tracker: str) -> None:
        """It is as good as the best who named it; what one peer claims of it stands while nobody else knows it."""
        if TRUST[source] < TRUST[known.source]:
            self._num_known[known.source] -= 1
            self._num_known[source] += 1
            known.source = source
        if source is not PeerSource.PEX:
            known.claimed_until = 0.0
        known.tracker = tracker or known.tracker

    def _replaceable_by(self, source: PeerSource) -> Iterator[KnownPeer]:
        """Hearsay of worse sources that has led to nobody so far, the worst first. Looked for when it is needed."""
        for worse in reversed(HEARSAY):
            if TRUST[worse] > TRUST[source]:
                for known in [known for known in self._known.values() if known.source is worse and known.is_untried]:
                    if known.source is worse:              # nobody better has named it meanwhile
                        yield known

    def _add(self, known: KnownPeer) -> None:
        self._known[known.endpoint] = known
        self._num_known[known.source] += 1

    def _drop(self, known: KnownPeer) -> None:
        del self._known[known.endpoint]
        self._num_known[known.source] -= 1

    def claim_complete(self, endpoint: Endpoint, until: float) -> None:
        """A peer says of another one, of which it told first, that it is complete: no reason to dial it while we are.
        """
        self._known[endpoint].claimed_until = until

    def doubt_complete(self, endpoint: Endpoint) -> None:
        """Another peer says that it is not."""
        known = self._known.get(endpoint)
        if known is not None:
            known.claimed_until = 0.0

    def note_utp(self, endpoint: Endpoint) -> None:
        """It speaks uTP, as it did to us, or as others say."""
        known = self._known.get(endpoint)
        if known is not None:
            known.speaks_utp = True

    def ways_to(self, endpoint: Endpoint) -> tuple[bool, bool]:
        """Of one that is about to be dialled: whether it speaks uTP, as far as is known, and whether it is to be met by
        that alone, which holds for one dial."""
        known = self._known.get(endpoint)
        if known is None:
            return False, False
        is_punched, known.is_punched = known.is_punched, False
        return known.speaks_utp, is_punched

    def punch(self, endpoint: Endpoint, source: PeerSource, now: float) -> bool:
        """A peer is about to dial us from there: dial it at the same time. False when that is of no use."""
        if endpoint not in self._known:
            self.found((endpoint,), source, now)
        known = self._known.get(endpoint)
        if known is None or known.is_busy or self.is_banned(endpoint) or self.refuses(endpoint):
            return False
        known.speaks_utp = known.is_punched = known.is_busy = True
        self._dialing.add(endpoint)
        return True

    def was_good(self, endpoint: Endpoint) -> bool | None:
        """Whether an address that was found led to a peer; None while that is open."""
        known = self._known.get(endpoint)
        if known is None:
            return False
        return True if known.is_linked or known.last_good_at else None

    def restore(self, addresses: Iterable[KnownAddress], now: float) -> None:
        """Know again what an earlier run kept. Those that gave us most go first, then those that worked last; one that
        failed waits its time."""
        for address in sorted(addresses, key=_merit)[:MAX_KNOWN]:
            known = KnownPeer(address.endpoint, address.source, now)
            known.last_good_at = address.last_good_at
            known.tracker = address.tracker
            known.received_bytes = address.received_bytes // 2
            known.is_useless = address.is_seed
            known.failures = min(address.failures, MAX_FAILURES)
            if known.failures:
                known.next_dial_at = now + known.pause_s
            if address.endpoint not in self._known:
                self._add(known)

    def kept(self, connected: Mapping[Endpoint, int], wall: float, *, seeding: bool) -> tuple[KnownAddress, ...]:
        """What is worth keeping for the next run, best first; while we are `seeding`, fellow seeds last.

        `connected` are where connected peers take connections, those too that dialled us and say so, with the bytes of
        payload that each gave us; `wall` is seconds since 1970.
        """
        kept = {endpoint: KnownAddress(endpoint, PeerSource.INCOMING, 0, wall, received_bytes=received_bytes)
                for endpoint, received_bytes in connected.items()}
        for known in self._known.values():
            if not self.is_banned(known.endpoint):
                good_at = wall if known.is_linked or known.endpoint in connected else known.last_good_at
                kept[known.endpoint] = KnownAddress(
                    known.endpoint, known.source, known.failures, good_at, known.tracker,
                    known.received_bytes + connected.get(known.endpoint, 0), known.is_useless)
        best = sorted(kept.values(), key=lambda address: (
            seeding and address.is_seed, *_merit(address), address.failures))
        return tuple(best[:MAX_KEPT])

    # ---- whom to dial

    def next_dial_at(self, *, seeding: bool) -> float | None:
        """When somebody is to be dialled next, as far as it is known now."""
        return min((known.dial_at(seeding=seeding) for known in self._known.values() if self._may_dial(known, seeding)),
                   default=None)

    def _may_dial(self, known: KnownPeer, seeding: bool) -> bool:
        return not (known.is_busy or seeding and known.is_useless or self.is_banned(known.endpoint))

    def to_dial(self, room: int, now: float, *, seeding: bool) -> list[Endpoint]:
        """Up to `room` addresses to dial now; they count as being dialled from here on.

        No source but the user gets more than half of the places that are filled by dialling while another one has
        somebody for them, and as far as that leaves a choice no region either: see `Variety`.
        """
        at_most = min(room, MAX_DIALS - len(self._dialing))
        ready = self._ready(now, seeding=seeding) if at_most > 0 else []
        if not ready:
            return []
        begun = self._variety(room).choose(ready, at_most, lambda known: self._begin(known, now))
        chosen = [known.endpoint for known in begun]
        self._dialing.update(chosen)
        return chosen

    def crowding(self, now: float, *, seeding: bool) -> PeerSource | None:
        """The source that has more than half of the places that are filled by dialling, all of them being taken, while
        another one has somebody for them."""
        source = self._variety().crowding_source()
        if source is None or all(known.source is source for known in self._ready(now, seeding=seeding)):
            return None
        return source

    def crowding_region(self, now: float, *, seeding: bool) -> str:
        """As `crowding`, for a region; empty when there is none such."""
        region = self._variety().crowding_region()
        if not region or all(region_at(known.endpoint.host) == region
                             for known in self._ready(now, seeding=seeding)):
            return ""
        return region

    def is_of(self, endpoint: Endpoint, region: str) -> bool:
        """Whether somebody whom the user did not name is of a region."""
        return region_at(endpoint.host) == region and self.source_of(endpoint) is not PeerSource.STATIC

    def _variety(self, free: int = 0) -> Variety:
        """Of those who have places that are filled by dialling, `free` ones being left."""
        return Variety((known for known in self._known.values() if known.is_busy), free)

    def _ready(self, now: float, *, seeding: bool) -> list[KnownPeer]:
        return [known for known in self._known.values()
                if known.dial_at(seeding=seeding) <= now and self._may_dial(known, seeding)]

    def _begin(self, known: KnownPeer, now: float) -> bool:
        """It is dialled, unless the filter lists are against it by now."""
        if not self.refuses(known.endpoint):
            known.is_busy = True
        elif known.source is PeerSource.STATIC:
            known.next_dial_at = now + STATIC_RETRY_S      # the filter may change
        else:
            self.forget(known.endpoint)
        return known.is_busy

    @property
    def dialing(self) -> int:
        """How many dials are under way."""
        return len(self._dialing)

    def dialled(self, endpoint: Endpoint) -> None:
        """A dial ended, one way or the other. One that an earlier swarm of the torrent began counts for nobody."""
        self._dialing.discard(endpoint)

    def is_dialing(self, endpoint: Endpoint) -> bool:
        return endpoint in self._dialing

    def linked(self, endpoint: Endpoint, *, by_utp: bool = False) -> None:
        """A dial led to a link."""
        known = self._known.get(endpoint)
        if known is not None:
            known.is_linked = True
            known.speaks_utp |= by_utp
            self.revision += 1

    def introduced(self) -> None:
        """A peer that dialled us has said where it listens, or one has given us so much that it is worth keeping."""
        self.revision += 1

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """A dial failed, or a link ended badly: later, or never again."""
        known = self._known.get(endpoint)
        if known is None:
            return
        known.is_busy = known.is_linked = False
        known.failures += 1
        if known.source is not PeerSource.STATIC and known.failures > known.patience:
            self._drop(known)
            return
        known.next_dial_at = now + known.pause_s

    def ended(self, endpoint: Endpoint, now: float, wall: float, *, useless: bool, received_bytes: int = 0) -> None:
        """A link that worked ended; it brought so much payload."""
        known = self._known.get(endpoint)
        if known is not None:
            known.is_busy = known.is_linked = False
            known.failures = 0
            known.last_good_at = wall
            known.is_useless = useless
            known.received_bytes += received_bytes
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
        known = self._known.get(endpoint)
        if known is not None:
            self._drop(known)
        self.revision += 1

    def forget_tracker(self) -> None:
        """What a tracker named counts no more; nor do dials to there that are under way."""
        for known in [known for known in self._known.values() if known.source is PeerSource.TRACKER]:
            self._drop(known)
        self._dialing &= self._known.keys()
        self.revision += 1

    def ban(self, endpoint: Endpoint, peer_id: PeerId) -> None:
        """Never dial or admit this peer again, nor its host."""
        from blobtorrent.core.swarm.bans import Bans

        self.revision += 1
        if self._bans is None:
            self._bans = Bans()
        self._bans.add(endpoint, peer_id)

    def refuses(self, endpoint: Endpoint) -> bool:
        """Whether the filter lists let us have nothing to do with an address; a refusal is counted."""
        is_refused = self.gate.refuses(endpoint.host)
        self.filtered += is_refused
        return is_refused

    def lost_to_encryption(self, endpoint: Endpoint, code: str) -> None:
        """A peer that we dialled or that came to us is no link, and encryption is the reason."""
        self.encryption_code = code
        if len(self._unencrypted) < MAX_UNENCRYPTED:
            self._unencrypted.add(endpoint.host)

    def met_in_plain(self) -> None:
        """So encryption is not required any more."""
        self._unencrypted.clear()

    @property
    def num_unencrypted(self) -> int:
        """How many hosts that happened to, since it is required."""
        return len(self._unencrypted)

    def is_banned(self, endpoint: Endpoint, peer_id: PeerId | None = None) -> bool:
        return self._bans is not None and self._bans.has(endpoint, peer_id)


def _name_of(source: PeerSource) -> str:
    return DIALLED_US_BEFORE if source is PeerSource.INCOMING else source.value


def _merit(address: KnownAddress) -> tuple[int, float]:
    """To sort by, best first."""
    return -address.received_bytes, -address.last_good_at
