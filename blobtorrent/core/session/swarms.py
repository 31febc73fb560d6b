"""SwarmManager: opens and closes the live sides of torrents and shares connections among them. Owned by `core`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from blobtorrent import __version__
from blobtorrent.core.session.connections import ConnectionManager
from blobtorrent.core.session.history import Heard
from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.picking import changed_weights
from blobtorrent.core.session.torrent import HELD_BY_DISK, HELD_BY_SPACE, Torrent
from blobtorrent.core.session.wanted import piece_priorities
from blobtorrent.core.swarm.messages import (
    AskPeers,
    ChangeSwarm,
    CloseSwarm,
    DropPeers,
    KnownAddress,
    LosePieces,
    OpenSwarm,
    PeersFound,
    PeerSource,
    RetireSwarm,
    SwarmReport,
    SwarmSettings,
    Totals,
    TreatPeer,
    WantPieces,
)
from blobtorrent.core.swarm.peers import MAX_KEPT
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.model.urls import host_of
from blobtorrent.runtime.clock import Clock

if TYPE_CHECKING:
    from blobtorrent.core.session.slots import SlotManager
    from blobtorrent.core.swarm.metadatamessages import MetadataReport
    from blobtorrent.model.details import PeerTreatment

CLIENT_VERSION = f"BlobTorrent {__version__}".encode()     # as peers are told (BEP 10)
MAX_METADATA_LINKS = 50                # of one torrent whose metadata is fetched
_UP, _DOWN = "up", "down"
_ON_THE_WAY = (TorrentState.METADATA, TorrentState.LOADING, TorrentState.WAITING, TorrentState.HASHING)
KEEP_AFTER_S = 3.0                     # unfinished pieces are made durable when they are so old


class SwarmManager:
    """All swarms together have at most `max_links` connections, one of them `settings.max_links`, and one that seeds
    `max_seed_links`, unless that is 0."""

    def __init__(self, outlets: Outlets, *, peer_id: PeerId, settings: SwarmSettings, max_links: int,
                 max_seed_links: int = 0, clock: Clock) -> None:
        self._listen_port = 0
        self._own_hosts: tuple[str, ...] = ()
        self.dht_ports: Callable[[], tuple[int, int] | None] = lambda: None        # as in SwarmSettings
        self.down_bytes_per_s = 0      # of all open swarms, as of their last reports
        self.up_bytes_per_s = 0
        self._outlets = outlets
        self._peer_id = peer_id
        self._clock = clock
        self._settings = settings
        self._max_seed_links = max_seed_links
        self._connections = ConnectionManager(max_links, settings.max_links)
        self.at_open: list[Callable[[Torrent], None]] = []             # a torrent wants peers, of its metadata or all
        self.at_close: list[Callable[[Torrent], None]] = []            # it wants none any more
        self._open: dict[InfoHash, Torrent] = {}
        self._asked: dict[InfoHash, Torrent] = {}          # what they are: their metadata is fetched
        self._rates: dict[InfoHash, tuple[int, int]] = {}
        self._promised = {_UP: 0, _DOWN: 0}                # slots of each torrent, at least
        self._slots: dict[str, SlotManager] = {}           # by direction, while there are only so many for all

    @property
    def listen_port(self) -> int:
        """Where peers reach us; all swarms tell theirs."""
        return self._listen_port

    @listen_port.setter
    def listen_port(self, port: int) -> None:
        if port != self._listen_port:
            self._listen_port = port
            for torrent in self._open.values():
                self.change(torrent)

    def tell_own_hosts(self, hosts: tuple[str, ...]) -> None:
        """Others see us at these addresses."""
        self._own_hosts = hosts
        for torrent in self._open.values():
            self.change(torrent)

    def exchanges_peers(self, torrent: Torrent) -> bool:
        """Whether peers of the torrent are told of each other, unless it is private."""
        wish = torrent.record.wishes.exchanges_peers
        return self._settings.exchanges_peers if wish is None else wish

    def apply(self, settings: SwarmSettings, max_links: int, max_seed_links: int) -> None:
        """Other settings for all swarms."""
        self._settings, self._max_seed_links = settings, max_seed_links
        self._connections.apply(max_links, settings.max_links)
        for torrent in (*self._open.values(), *self._asked.values()):
            self.change(torrent)

    def share_slots(self, *, up: int, down: int, weights: Mapping[str, float] = {}, least_up: int = 0,
                    least_down: int = 0) -> None:
        """Peers of all torrents together that may be sent to, and asked for data, at the same time; 0: any number.
        Groups of torrents have weights, 1 unless said. Each torrent is promised `least` of these, unless its owner
        wants another number."""
        self._promised = {_UP: least_up, _DOWN: least_down}
        had = set(self._slots)
        for way, limit in ((_UP, up), (_DOWN, down)):
            if not limit:
                self._slots.pop(way, None)
                continue
            if way in self._slots:
                self._slots[way].apply(limit)
            else:
                self._slots[way] = self._shared_slots(way, limit)
            self._slots[way].weights = weights
        if had != set(self._slots):
            for torrent in self._open.values():
                self.change(torrent)

    def _shared_slots(self, way: str, limit: int) -> SlotManager:
        from blobtorrent.core.session.slots import SlotManager

        slots = SlotManager(limit)
        for torrent in self._open.values():
            report = torrent.report
            useful = 0 if report is None else self._useful(torrent, way, report)
            slots.on_report(torrent.info_hash, useful, torrent.record.wishes.group, self._least_slots(torrent, way))
        return slots

    def _least_slots(self, torrent: Torrent, way: str) -> int:
        """How many it is promised."""
        wishes = torrent.record.wishes
        wanted = wishes.min_upload_slots if way == _UP else wishes.min_download_slots
        return self._promised[way] if wanted is None else wanted

    def _useful(self, torrent: Torrent, way: str, report: SwarmReport) -> int:
        """How many slots it could use."""
        if way == _UP:
            return min(report.takers, self._max_slots(torrent))
        return min(report.givers, self._max_download_slots(torrent) or report.givers)

    def _granted(self, torrent: Torrent, way: str) -> int | None:
        return self._slots[way].granted(torrent.info_hash) if way in self._slots else None

    def open(self, torrent: Torrent) -> None:
        """Start the swarm and tell it the peers we know."""
        info_hash, record = torrent.info_hash, torrent.record
        assert torrent.metainfo is not None and torrent.store is not None
        keeps = self._outlets.state is not None
        totals = Totals(
            record.lifetime.downloaded_bytes, record.lifetime.uploaded_bytes, record.lifetime.wasted_bytes)
        torrent.swarm_is_open = True
        torrent.metadata_is_open = False                   # its links go to the swarm
        torrent.losses = 0
        self._open[info_hash] = torrent
        if self._asked.pop(info_hash, None) is not None:
            self._connections.close(info_hash)             # more is of use to it from now on
        self._connections.open(info_hash)
        for slots in self._slots.values():
            slots.open(info_hash, record.wishes.group)
        live = None
        if self._outlets.live is not None:
            from blobtorrent.storage.live.tally import Tally

            live = self._outlets.live.torrent(info_hash, Tally(*totals))
        self._outlets.shard_of(info_hash).post(OpenSwarm(
            info_hash=info_hash,
            metainfo=torrent.metainfo,
            store=torrent.store,
            have=record.have.copy(),
            peer_id=self._peer_id,
            settings=self._settings_of(torrent),
            report_to=self._outlets.inbox,
            client_version=CLIENT_VERSION,
            partial=torrent.partial,
            skipped=torrent.skipped,
            priorities=piece_priorities(torrent.metainfo, record.wishes),
            peers=_kept_peers(torrent),
            totals=totals,
            live=live,
            keep_after_s=KEEP_AFTER_S if keeps else None,
        ))
        self._tell_open(torrent)

    def open_metadata(self, torrent: Torrent) -> None:
        """Ask peers what the torrent is; MetadataFound comes to the inbox."""
        from blobtorrent.core.swarm.metadatamessages import OpenMetadata

        torrent.metadata_is_open = True
        self._asked[torrent.info_hash] = torrent
        self._connections.open(torrent.info_hash, MAX_METADATA_LINKS)
        self._outlets.shard_of(torrent.info_hash).post(OpenMetadata(
            info_hash=torrent.info_hash,
            peer_id=self._peer_id,
            report_to=self._outlets.inbox,
            max_links=self.most_peers(torrent),
            listen_port=self.listen_port,
            client_version=CLIENT_VERSION,
            peers=torrent.peers,
            metainfo=torrent.lacks_layers,
        ))
        self._tell_open(torrent)

    def fetch_layers(self, torrent: Torrent) -> None:
        """Ask the same peers for its piece layers; LayersFound comes to the inbox."""
        from blobtorrent.core.swarm.metadatamessages import FetchLayers

        assert torrent.lacks_layers is not None
        self._outlets.shard_of(torrent.info_hash).post(FetchLayers(torrent.info_hash, torrent.lacks_layers))

    def close_metadata(self, torrent: Torrent) -> None:
        """Give that up, or the links that it left."""
        from blobtorrent.core.swarm.metadatamessages import CloseMetadata

        torrent.metadata_is_open = False
        torrent.metadata = None
        del self._asked[torrent.info_hash]
        self._connections.close(torrent.info_hash)
        self._tell_closed(torrent)
        self._outlets.shard_of(torrent.info_hash).post(CloseMetadata(torrent.info_hash))

    def tell_peers(self, torrent: Torrent, peers: tuple[Endpoint, ...], source: PeerSource, tracker: str = "") -> None:
        """Hand addresses to the torrent's swarm, if it is open; `tracker` is the host of the one that named them."""
        if peers:
            torrent.heard[source] = Heard(len(peers), self._clock.now())
        if peers and torrent.has_peers:
            self._outlets.shard_of(torrent.info_hash).post(PeersFound(torrent.info_hash, peers, source, tracker))
        elif peers and torrent.state in _ON_THE_WAY:       # a private torrent has no swarm between two
            found = tuple(KnownAddress(peer, source, tracker=tracker) for peer in peers)
            torrent.peers = (torrent.peers + found)[:MAX_KEPT]

    def drop_peers(self, torrent: Torrent) -> None:
        """Have its swarm, if it is open, part with the peers that its former tracker named."""
        if torrent.swarm_is_open:
            self._outlets.shard_of(torrent.info_hash).post(DropPeers(torrent.info_hash))

    def treat_peer(self, torrent: Torrent, peer: Endpoint, treatment: PeerTreatment) -> None:
        """Have its swarm, if it is open, deal with a peer in another way."""
        if torrent.swarm_is_open:
            self._outlets.shard_of(torrent.info_hash).post(TreatPeer(torrent.info_hash, peer, treatment))

    def change(self, torrent: Torrent) -> None:
        """Tell the torrent's swarm its settings anew, if it is open."""
        info_hash = torrent.info_hash
        if torrent.swarm_is_open:
            self._outlets.shard_of(info_hash).post(ChangeSwarm(info_hash, self._settings_of(torrent)))
        elif torrent.metadata_is_open:
            from blobtorrent.core.swarm.metadatamessages import ChangeMetadata

            self._outlets.shard_of(info_hash).post(
                ChangeMetadata(info_hash, self._max_links(torrent, self._connections.granted(info_hash))))

    def on_other_phase(self, torrent: Torrent) -> None:
        """It seeds from now on, or does no more."""
        if self._max_seed_links:
            self.change(torrent)

    def want(self, torrent: Torrent) -> None:
        """Tell the torrent's swarm which pieces are wanted now, if it is open."""
        if torrent.swarm_is_open:
            assert torrent.metainfo is not None
            priorities = piece_priorities(torrent.metainfo, torrent.record.wishes)
            self._outlets.shard_of(torrent.info_hash).post(
                WantPieces(torrent.info_hash, torrent.skipped, priorities))

    def lose(self, torrent: Torrent, mask: int) -> None:
        """These pieces may not be on disk: have its swarm fetch them again, if it is open."""
        if torrent.swarm_is_open:
            torrent.losses += 1
            self._outlets.shard_of(torrent.info_hash).post(LosePieces(torrent.info_hash, mask))

    def ask_peers(self, torrent: Torrent) -> None:
        """Have the peers told that are worth keeping: PeersKept comes to the inbox."""
        self._outlets.shard_of(torrent.info_hash).post(AskPeers(torrent.info_hash, self._outlets.inbox))

    def retire(self, torrent: Torrent, timeout_s: float) -> None:
        """Have its swarm finish what it began within so many seconds; SwarmRetired comes to the inbox."""
        self._outlets.shard_of(torrent.info_hash).post(
            RetireSwarm(torrent.info_hash, timeout_s, self._outlets.inbox))

    def close(self, torrent: Torrent) -> None:
        """Drain the swarm; SwarmClosed comes to the inbox, and PeersKept before it if anything is kept."""
        info_hash = torrent.info_hash
        if self._outlets.state is not None:
            self.ask_peers(torrent)
        torrent.swarm_is_open = False
        self._tell_closed(torrent)
        del self._open[info_hash]
        self._forget_rates(info_hash)
        self._connections.close(info_hash)
        for slots in self._slots.values():
            slots.close(info_hash)
        self._outlets.shard_of(info_hash).post(CloseSwarm(info_hash, self._outlets.inbox))

    def running(self) -> list[Torrent]:
        """All whose swarms are open."""
        return list(self._open.values())

    def rebalance(self) -> None:
        """Now and then: give connections and slots to those that need them."""
        for slots in self._slots.values():
            for info_hash in slots.share_out(self._clock.now()):
                self.change(self._open[info_hash])
        for grant in self._connections.share_out():
            self.change(self._open.get(grant.info_hash) or self._asked[grant.info_hash])

    def count(self, torrent: Torrent, report: SwarmReport) -> None:
        """Keep the sums of the rates, and what each swarm could use."""
        useful = self._max_links(torrent, report.peers_known)
        self._connections.on_report(torrent.info_hash, report.links, useful)
        group = torrent.record.wishes.group
        gained = [slots.on_report(torrent.info_hash, self._useful(torrent, way, report), group,
                                  self._least_slots(torrent, way))
                  for way, slots in self._slots.items()]
        if any(gained):
            self.change(torrent)
        self._forget_rates(torrent.info_hash)
        rates = self._rates[torrent.info_hash] = (report.down_bytes_per_s, report.up_bytes_per_s)
        self.down_bytes_per_s += rates[0]
        self.up_bytes_per_s += rates[1]

    def count_metadata(self, torrent: Torrent, report: MetadataReport) -> None:
        """The same of one whose metadata is fetched: it moves nothing that counts."""
        self._connections.on_report(torrent.info_hash, report.links, self._max_links(torrent, report.peers_known))

    def rates_of(self, torrents: Iterable[Torrent]) -> tuple[int, int]:
        """What these receive and send, together, in bytes a second."""
        rates = [self._rates.get(torrent.info_hash, (0, 0)) for torrent in torrents]
        return sum(down for down, _ in rates), sum(up for _, up in rates)

    def _tell_open(self, torrent: Torrent) -> None:
        self.tell_peers(torrent, torrent.record.wishes.static_peers, PeerSource.STATIC)
        for step in self.at_open:
            step(torrent)

    def _tell_closed(self, torrent: Torrent) -> None:
        for step in self.at_close:
            step(torrent)

    def _forget_rates(self, info_hash: InfoHash) -> None:
        down, up = self._rates.pop(info_hash, (0, 0))
        self.down_bytes_per_s -= down
        self.up_bytes_per_s -= up

    def most_peers(self, torrent: Torrent) -> int:
        """How many peers an open torrent may have now."""
        return self._max_links(torrent, self._connections.granted(torrent.info_hash))

    def _max_links(self, torrent: Torrent, granted: int) -> int:
        """What is granted, or less if its owner wants that, or it seeds."""
        wanted = torrent.record.wishes.max_peers
        if wanted is None and torrent.state is TorrentState.SEEDING:
            wanted = self._max_seed_links
        return min(granted, wanted or granted)

    def _max_slots(self, torrent: Torrent) -> int:
        wanted = torrent.record.wishes.upload_slots
        return 0 if torrent.record.is_paused else self._settings.upload_slots if wanted is None else wanted

    def _may_grow(self, torrent: Torrent) -> bool:
        """Nobody says how many slots it has at most."""
        return _UP not in self._slots and torrent.record.wishes.upload_slots is None

    def _max_download_slots(self, torrent: Torrent) -> int:
        """0: any number."""
        wanted = torrent.record.wishes.download_slots
        return self._settings.download_slots if wanted is None else wanted

    def _settings_of(self, torrent: Torrent) -> SwarmSettings:
        record, wishes = torrent.record, torrent.record.wishes
        return self._settings._replace(
            max_links=self.most_peers(torrent),
            upload_slots=self._max_slots(torrent),
            most_slots=self._settings.most_slots if self._may_grow(torrent) else 0,
            granted_slots=self._granted(torrent, _UP),
            download_slots=self._max_download_slots(torrent),
            granted_download_slots=self._granted(torrent, _DOWN),
            picker=changed_weights(self._settings.picker, wishes.picker or {}),
            is_sequential=wishes.is_sequential,
            super_seeding=wishes.super_seeding,
            exchanges_peers=self.exchanges_peers(torrent),
            may_download=not record.is_paused and torrent.held_by not in (HELD_BY_SPACE, HELD_BY_DISK),
            down_bytes_per_s=wishes.down_bytes_per_s,
            up_bytes_per_s=wishes.up_bytes_per_s,
            group=wishes.group,
            listen_port=self._listen_port,
            own_hosts=self._own_hosts,
            dht_ports=None if record.facts.is_private else self.dht_ports(),
        )


def _kept_peers(torrent: Torrent) -> tuple[KnownAddress, ...]:
    """Whom an earlier run knew. Of a private torrent only those named by its owner or its trackers (BEP 27)."""
    if not torrent.record.facts.is_private:
        return torrent.peers
    trackers = {host_of(url) for tier in torrent.tiers for url in tier}
    return tuple(peer for peer in torrent.peers
                 if peer.source is PeerSource.STATIC or peer.source is PeerSource.TRACKER and peer.tracker in trackers)
