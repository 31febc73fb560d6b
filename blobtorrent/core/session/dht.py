"""DhtManager: which torrents are looked for and announced in the DHT, and when; never private ones. Owned by `core`.

Nothing of the DHT is loaded and no datagram sent before the first torrent that may use it has run for a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import NodeNamed, PeerSource
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.timers import Timer, TimerWheel

if TYPE_CHECKING:
    from random import Random

    from blobtorrent.core.session.situation import DhtRound
    from blobtorrent.discovery.dhtmessages import DhtAddress, DhtPeers, DhtSearched

log = get_logger(__name__)

FIRST_S = 0.3                          # a torrent that is done by then needed nobody
REPEAT_S = 900.0                       # nodes forget who does not announce again within half an hour
FIRST_RETRY_S = 15.0                   # when no node answered, few took our name, or a download found nobody; doubled
FEW_NODES = 4                          # of the eight that are to know of us
SEARCHES_PER_S = 2.0                   # of all torrents together: what a node does beside other work
MAX_NAMED = 50                         # nodes of a torrent's peers that wait for the first question
FORCED_S = 5.0                         # however often somebody wants it

_RUNNING = (TorrentState.METADATA, TorrentState.DOWNLOADING, TorrentState.SEEDING)
_ENDED = (TorrentState.STOPPED, TorrentState.CLOSING, TorrentState.REMOVING)


class Sought:
    """A torrent that runs, as the DHT knows it: how the last round of searches went, and when the next one is due."""

    __slots__ = ("timer", "is_urgent", "asked_s", "round", "unanswered", "nodes", "peers", "announced", "retry_s",
                 "named")

    def __init__(self) -> None:
        self.timer: Timer | None = None
        self.is_urgent = True          # somebody waits for it
        self.asked_s: float | None = None
        self.round = 0
        self.unanswered = 0            # searches of the round under way
        self.nodes = 0                 # that answered
        self.peers = 0                 # that they named
        self.announced = 0             # nodes that know of us
        self.retry_s = FIRST_RETRY_S
        self.named: list[Endpoint] = []                    # nodes that peers named before we asked


class DhtManager:
    """Every torrent is announced under each of its wire forms; those that begin are looked for before others."""

    def __init__(self, roster: Roster, outlets: Outlets, swarms: SwarmManager, *, clock: Clock, timers: TimerWheel,
                 rng: Random) -> None:
        # The session's table, set by who builds it: what takes the answers comes into it with the first question.
        self.messages: dict[type[Any], Callable[[Any], None]] = {}
        self.public_ports: Callable[[], tuple[int, int]] = lambda: (0, 0)          # by IPv4 and by IPv6; 0 for none
        self.on_address: Callable[[str, str], None] = lambda host, by: None        # who sees us at which address
        self._roster = roster
        self._outlets = outlets
        self._swarms = swarms
        self._clock = clock
        self._timers = timers
        self._rng = rng
        self._sought: dict[InfoHash, Sought] = {}
        for state in _RUNNING:
            roster.at_entry(state, self._begin)
        for state in _ENDED:
            roster.at_entry(state, self._end)
        swarms.at_close.append(self._drop)

    def last_round(self, info_hash: InfoHash) -> DhtRound | None:
        """How a torrent stands, if it is looked for."""
        from blobtorrent.core.session.situation import DhtRound

        sought = self._sought.get(info_hash)
        if sought is None:
            return None
        now = self._clock.now()
        return DhtRound(
            sought.nodes, sought.peers, sought.announced,
            asked_s=None if sought.asked_s is None else now - sought.asked_s,
            next_s=None if sought.timer is None else max(0.0, sought.timer.deadline_s - now))

    def again(self, torrent: Torrent) -> bool:
        """Look for it now; False when it is not looked for at all."""
        sought = self._sought.get(torrent.info_hash)
        if sought is None:
            return False
        now = self._clock.now()
        if sought.asked_s is None or now - sought.asked_s >= FORCED_S:
            sought.is_urgent = True
            self._set_timer(torrent.info_hash, sought, 0.0)
        return True

    def on_node(self, message: NodeNamed) -> None:
        """A peer is a node, too: where all that we know are gone or blocked, it leads us to others."""
        sought = self._sought.get(message.info_hash)
        if sought is None:
            return
        if sought.asked_s is not None:
            from blobtorrent.discovery.dhtmessages import TryNode

            self._outlets.udp.post(TryNode(message.endpoint))
        elif len(sought.named) < MAX_NAMED:
            sought.named.append(message.endpoint)

    def _begin(self, torrent: Torrent, event: TorrentEvent) -> None:
        if torrent.record.facts.is_private:
            self._end(torrent, event)
        elif torrent.info_hash not in self._sought:
            sought = self._sought[torrent.info_hash] = Sought()
            self._set_timer(torrent.info_hash, sought, FIRST_S)

    def _end(self, torrent: Torrent, _event: TorrentEvent) -> None:
        self._drop(torrent)

    def _drop(self, torrent: Torrent) -> None:
        """It wants no peers any more, or turned out to be private."""
        sought = self._sought.pop(torrent.info_hash, None)
        if sought is None:
            return
        if sought.timer is not None:
            sought.timer.cancel()
        if sought.asked_s is not None:
            from blobtorrent.discovery.dhtmessages import ForgetPeers

            self._outlets.udp.post(ForgetPeers(torrent.info_hash))

    def _set_timer(self, info_hash: InfoHash, sought: Sought, wait_s: float) -> None:
        if sought.timer is not None:
            sought.timer.cancel()
        spread = 1.0 if wait_s <= FIRST_S else 0.9 + 0.2 * self._rng.random()
        sought.timer = self._timers.at(self._clock.now() + wait_s * spread, lambda: self._ask(info_hash, sought))

    def _ask(self, info_hash: InfoHash, sought: Sought) -> None:
        from blobtorrent.discovery.dhtmessages import DhtAddress, DhtPeers, DhtSearched, FindPeers, TryNode

        self.messages.update({
            DhtPeers: self._on_peers, DhtSearched: self._on_searched, DhtAddress: self._on_address})
        torrent = self._roster.known(info_hash)
        is_urgent, sought.is_urgent = sought.is_urgent, False
        sought.asked_s = self._clock.now()
        sought.nodes = sought.peers = sought.announced = 0
        sought.round += 1
        sought.unanswered = len(info_hash.wire_forms)
        is_seed = torrent.state is TorrentState.SEEDING
        for wire_hash in info_hash.wire_forms:
            self._outlets.udp.post(FindPeers(
                info_hash, wire_hash, sought.round, *self.public_ports(), is_seed, is_urgent, self._outlets.inbox))
        for endpoint in sought.named:
            self._outlets.udp.post(TryNode(endpoint))
        sought.named.clear()
        self._set_timer(info_hash, sought, self._repeat_s)

    @property
    def _repeat_s(self) -> float:
        """Where there are too many torrents for that, each has its turn later rather than some never."""
        return max(REPEAT_S, len(self._sought) / SEARCHES_PER_S)

    # ---- answers

    def _on_peers(self, message: DhtPeers) -> None:
        torrent = self._roster.get(message.info_hash)
        if torrent is not None and message.info_hash in self._sought:
            self._swarms.tell_peers(torrent, message.endpoints, PeerSource.DHT)

    def _on_address(self, message: DhtAddress) -> None:
        for voter in message.voters:
            self.on_address(message.host, voter)

    def _on_searched(self, message: DhtSearched) -> None:
        """One search of a round has ended; hybrids have two."""
        sought = self._sought.get(message.info_hash)
        if sought is None or message.round != sought.round:
            return
        sought.nodes += message.nodes
        sought.peers += message.peers
        sought.announced += message.announced
        sought.unanswered -= 1
        log.debug("searched the DHT", torrent=message.info_hash, nodes=message.nodes, peers=message.peers,
                  announced=message.announced)
        if sought.unanswered:
            return
        is_lonely = not sought.peers and self._roster.known(message.info_hash).state is not TorrentState.SEEDING
        # We listen only now, or the search began with the first node that we met, and led no further.
        is_unknown = sought.announced < FEW_NODES and any(self.public_ports())
        if sought.nodes and not is_lonely and not is_unknown:
            sought.retry_s = FIRST_RETRY_S
            self._set_timer(message.info_hash, sought, self._repeat_s)
        else:                          # who has it may come to the network only now, as we may
            self._set_timer(message.info_hash, sought, sought.retry_s)
            sought.retry_s = min(self._repeat_s, 2 * sought.retry_s)
