"""Builds the session: all its managers, and the tables that say who takes which command and message.

An engine that keeps nothing, as the one behind `blobtorrent get`, does without the parts that only a daemon needs, and
does not even load them.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import os
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from blobtorrent.config.cautions import unchecked_servers
from blobtorrent.config.schema import Settings
from blobtorrent.core.session.activity import ActivityManager
from blobtorrent.core.session.additions import Additions
from blobtorrent.core.session.admission import Admission
from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.core.session.bandwidth import BandwidthManager
from blobtorrent.core.session.checking import CheckManager
from blobtorrent.core.session.closing import Closer
from blobtorrent.core.session.commands import (
    AddPeers,
    AddTorrent,
    HandlePeer,
    Reannounce,
    RecheckTorrent,
    RemoveTorrent,
    StartTorrent,
    StopTorrent,
)
from blobtorrent.core.session.completions import Completions
from blobtorrent.core.session.dht import DhtManager
from blobtorrent.core.session.keeping import Forgetful, Keeper
from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.loading import Loader
from blobtorrent.core.session.losses import Losses
from blobtorrent.core.session.metainfos import Metainfos
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.picking import weights_of
from blobtorrent.core.session.queueing import QueueManager
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.session import Begin, Session
from blobtorrent.core.session.sharing import Sharing
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.session.torrents import CloseTorrent, TorrentManager
from blobtorrent.core.session.transports import TransportManager
from blobtorrent.core.swarm.messages import AddressSeen, NodeNamed, SwarmClosed, SwarmReport, SwarmSettings
from blobtorrent.core.swarm.preload import Preload
from blobtorrent.model.events import Event
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.model.status import SessionStatus, TorrentStatus
from blobtorrent.model.urls import host_of
from blobtorrent.network.utpmessages import UtpWanted
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.timers import TimerWheel
from blobtorrent.storage.jobs import LostFound, PiecesChecked, StoreClosed, StorePrepared

if TYPE_CHECKING:
    from blobtorrent.core.session.externals import ExternalAddresses
    from blobtorrent.core.session.metadata import MetadataFetcher
    from blobtorrent.core.session.peernames import PeerNames
    from blobtorrent.core.session.resume import ResumeManager


class Surroundings(NamedTuple):
    """What the session is told about where it runs."""

    outlets: Outlets
    settings: Settings
    torrents: StatusBoard[InfoHash, TorrentStatus]
    sessions: StatusBoard[str, SessionStatus]
    tell: Callable[[Event], None]
    clock: Clock
    timers: TimerWheel
    rng: Random
    peer_id: PeerId
    check_jobs: int                    # ranges of a torrent that the hashers are given at a time
    on_safe: Callable[[InfoHash], None] | None = None                  # what a killed process left of it is safe
    damages: tuple[str, ...] = ()      # found when the state was opened
    memory: Callable[[], tuple[int, int]] = lambda: (0, 0)             # bytes for pieces: the budget, and what is used


def swarm_settings(settings: Settings) -> SwarmSettings:
    """What all swarms have in common."""
    network = settings.network
    return SwarmSettings(
        max_links=network.max_peers_per_torrent,
        upload_slots=network.upload_slots,
        most_slots=network.upload_slots_most,
        seed_mode=network.seed_choking,
        preload=Preload(settings.storage.preload, settings.storage.preload_min_piece,
                        settings.storage.preload_min_bytes_per_s),
        download_slots=network.download_slots,
        exchanges_peers=settings.pex.enabled,
        punches_holes=settings.utp.enabled and settings.utp.hole_punching,
        allow_loopback=network.allow_loopback,
        picker=weights_of(settings.picker),
        web_seeds=settings.webseeds.policy,
        web_seed_slow_bytes_per_s=settings.webseeds.slow_bytes_per_s,
        web_seed_lanes=settings.webseeds.connections_per_seed,
    )


class Parts:
    """The managers that every engine has."""

    def __init__(self, around: Surroundings, make_keeper: "Callable[[Parts], Keeper]") -> None:
        outlets, settings, clock, timers = around.outlets, around.settings, around.clock, around.timers
        self.roster = Roster(around.torrents, around.tell, clock)
        self.metainfos = Metainfos(self.roster, outlets)
        self.sharing = Sharing(self.roster, self.metainfos)
        self.swarms = SwarmManager(
            outlets, peer_id=around.peer_id, settings=swarm_settings(settings), max_links=settings.network.max_peers,
            max_seed_links=settings.network.max_peers_per_seed, clock=clock)
        self.announces = AnnounceManager(
            outlets, clock=clock, timers=timers, rng=around.rng, peer_id=around.peer_id,
            key=int.from_bytes(os.urandom(4), "big"), to_all=settings.trackers.announce_to_all,
            speaks_udp=settings.trackers.udp, num_want=settings.trackers.peers_wanted,
            own_address=settings.trackers.own_address, max_calls=settings.trackers.http_calls)
        # Before those whose work may end what a state begins.
        self.dht = DhtManager(
            self.roster, outlets, self.swarms, clock=clock, timers=timers, rng=around.rng,
        ) if settings.dht.enabled else None
        self.losses = Losses(self.roster, outlets, self.swarms)
        self.completions = Completions(self.roster, outlets, self.losses)
        keeper = self.keeper = make_keeper(self)
        self.closer = Closer(self.roster, outlets, self.swarms, self.announces, keeper, clock)
        self.admission = Admission(
            self.roster,
            QueueManager(active_downloads=settings.queue.active_downloads, active_seeds=settings.queue.active_seeds),
            clock=clock, timers=timers)
        self.activity = ActivityManager(
            self.roster, self.sharing, self.swarms, self.announces, keeper, settings.seeding,
            settings.queue.stalled_after_s, clock=clock, timers=timers, on_turn=self.admission.release,
            on_complete=self.completions.begin, on_idle=self.closer.go_on)
        self.loader = Loader(
            self.roster, outlets, self.metainfos, keeper, around.rng, on_ready=self.activity.begin,
            on_idle=self.closer.go_on)
        self.checker = CheckManager(
            self.roster, outlets, keeper, parallel=around.check_jobs, on_ready=self.activity.begin,
            on_idle=self.closer.go_on)
        self.additions = Additions(self.roster, outlets, self.metainfos, keeper, settings.storage, clock,
                                   allow_loopback=settings.network.allow_loopback)
        self.bandwidth = BandwidthManager(
            outlets.shards, settings.limits, settings.groups, clock=clock, timers=timers)
        self.network = settings.network                    # as they hold now
        self.bandwidth.on_rates = self.share_slots
        for state in (TorrentState.SEEDING, TorrentState.DOWNLOADING):
            self.roster.at_entry(state, lambda torrent, _: self.swarms.on_other_phase(torrent))
        self.metadata: MetadataFetcher | None = None
        self.externals: ExternalAddresses | None = None
        self.transports = TransportManager(
            outlets, settings.tcp.enabled, settings.utp, clock=clock, timers=timers)
        self.common_peers = settings.network.static_peers
        self.names: PeerNames | None = None
        self.torrents = TorrentManager(
            self.roster, outlets, self.swarms, self.admission, self.additions, self.activity, keeper, self.sharing)

    def share_slots(self) -> None:
        """Another limit on what is sent or received, or on how many peers that is shared by."""
        network, rates = self.network, self.bandwidth.in_force()
        up, down = network.upload_slots_total, network.download_slots_total
        if rates.up_bytes_per_s or rates.down_bytes_per_s:
            from blobtorrent.core.session.slots import slots_in_all

            up = slots_in_all(up, network.upload_slots_divisor, rates.up_bytes_per_s)
            down = slots_in_all(down, network.download_slots_divisor, rates.down_bytes_per_s)
        self.swarms.share_slots(up=up, down=down, weights={name: group.weight for name, group in rates.groups.items()},
                                least_up=network.upload_slots_min, least_down=network.download_slots_min)

    def apply_static_peers(self, peers: tuple[str, ...]) -> None:
        """Other peers of the settings, for all torrents."""
        self.common_peers = peers
        if self.names is not None:
            self.names.apply(peers)
        if peers:
            for torrent in self.swarms.running():
                self.torrents.look_up(torrent)


def build_session(around: Surroundings) -> Session:
    """Everything that lives on the core thread. Its first message is posted already."""
    if around.outlets.state is None:
        parts = Parts(around, lambda parts: Forgetful())
        session = _make_session(around, parts)
    else:
        parts = Parts(around, lambda parts: _make_resume(around, parts))
        session = _make_session(around, parts)
        _add_lasting_parts(around, parts, session)
    if around.outlets.state is not None or str(around.settings.network.interface):
        from blobtorrent.core.session.addresses import follow_addresses

        follow_addresses(around.outlets, session)
    if around.outlets.portmap is not None:
        from blobtorrent.core.session.mappings import map_ports

        map_ports(around.outlets.portmap, around.outlets.inbox, session, clock=around.clock, timers=around.timers)
    session.at_begin[:0] = (parts.bandwidth.begin, parts.share_slots)
    parts.swarms.at_open.append(parts.transports.on_open)
    session.messages[UtpWanted] = parts.transports.on_wanted
    around.outlets.inbox.post(Begin())
    return session


def _make_session(around: Surroundings, parts: Parts) -> Session:
    torrents, loader, checker, closer, activity = (
        parts.torrents, parts.loader, parts.checker, parts.closer, parts.activity)
    session = Session(around.outlets, parts.roster, torrents, parts.swarms, parts.announces, parts.keeper,
                      around.sessions, clock=around.clock, timers=around.timers, damages=around.damages,
                      warnings=unchecked_servers(around.settings.network))
    session.commands.update({
        AddTorrent: torrents.add,
        AddPeers: torrents.add_peers,
        HandlePeer: torrents.handle_peer,
        StartTorrent: torrents.start,
        StopTorrent: torrents.stop,
        RemoveTorrent: torrents.remove,
        RecheckTorrent: torrents.recheck,
        Reannounce: lambda command, _: _announce_again(parts, torrents.present(command)),
    })
    session.messages.update({
        CloseTorrent: torrents.on_close,
        StorePrepared: loader.on_prepared,
        PiecesChecked: checker.on_checked,
        LostFound: lambda answer: closer.go_on(parts.completions.on_lost_found(answer)),
        SwarmReport: activity.on_report,
        SwarmClosed: closer.on_swarm_closed,
        StoreClosed: closer.on_store_closed,
    })
    session.on_announced = activity.on_tracker_peers
    parts.announces.on_other_tracker = lambda info_hash: parts.swarms.drop_peers(parts.roster.known(info_hash))
    session.messages[AddressSeen] = lambda seen: _externals_of(parts, session).on_seen(seen)
    parts.announces.on_external = lambda host, url: _externals_of(parts, session).on_tracker(host, host_of(url))
    if around.settings.lsd.enabled:
        from blobtorrent.core.session.locals import LocalManager

        session.on_listeners = LocalManager(
            parts.roster, around.outlets, parts.swarms, lambda: session.listeners, session.messages,
            allow_loopback=around.settings.network.allow_loopback, clock=around.clock, timers=around.timers,
        ).on_listeners
    look_up = parts.torrents.look_up = lambda torrent: _names_of(around, parts, session).begin(torrent)
    parts.swarms.at_open.append(lambda torrent: look_up(torrent) if _wants_names(parts, torrent) else None)
    if parts.dht is not None:
        parts.dht.messages = session.messages
        parts.dht.public_ports = parts.swarms.dht_ports = lambda: session.public_ports
        session.messages[NodeNamed] = parts.dht.on_node
        parts.dht.on_address = lambda host, by: _externals_of(parts, session).on_node(host, by)
    parts.roster.at_entry(TorrentState.METADATA, lambda torrent, _: _metadata_of(around, parts, session).begin(torrent))
    parts.additions.complete = lambda *arguments: _metadata_of(around, parts, session).take(*arguments)
    return session


def _announce_again(parts: Parts, torrent: Torrent) -> None:
    parts.announces.again(torrent.info_hash)
    if parts.dht is not None:
        parts.dht.again(torrent)


def _metadata_of(around: Surroundings, parts: Parts, session: Session) -> "MetadataFetcher":
    """Made when the first torrent comes that is no more than a link."""
    if parts.metadata is None:
        from blobtorrent.core.session.metadata import MetadataFetcher

        parts.metadata = MetadataFetcher(
            parts.roster, around.outlets, parts.swarms, parts.announces, parts.metainfos, parts.keeper, parts.sharing,
            allow_loopback=around.settings.network.allow_loopback, on_idle=parts.closer.go_on)
        session.messages.update(parts.metadata.messages)
    return parts.metadata


def _wants_names(parts: Parts, torrent: Torrent) -> bool:
    return bool(parts.names is not None or parts.common_peers or torrent.record.wishes.peer_names)


def _names_of(around: Surroundings, parts: Parts, session: Session) -> "PeerNames":
    """Made for the first torrent that has peers by name."""
    if parts.names is None:
        from blobtorrent.core.session.peernames import PeerNames
        from blobtorrent.discovery.messages import PeersResolved

        parts.names = PeerNames(
            around.outlets, parts.swarms, parts.common_peers, clock=around.clock, timers=around.timers, rng=around.rng)
        session.messages[PeersResolved] = parts.names.on_resolved
    return parts.names


def _externals_of(parts: Parts, session: Session) -> "ExternalAddresses":
    """Made for the first vote: most runs of `blobtorrent get` hear none."""
    if parts.externals is None:
        from blobtorrent.core.session.externals import ExternalAddresses

        parts.externals = ExternalAddresses(session.tell_external)
    return parts.externals


def _make_resume(around: Surroundings, parts: Parts) -> "ResumeManager":
    from blobtorrent.core.session.resume import ResumeManager

    return ResumeManager(
        parts.roster, around.outlets, parts.swarms, parts.losses, clock=around.clock, timers=around.timers,
        storage=around.settings.storage, on_idle=lambda torrent: parts.closer.go_on(torrent), on_safe=around.on_safe)


def _add_lasting_parts(around: Surroundings, parts: Parts, session: Session) -> None:
    from blobtorrent.core.session.lasting import add_lasting_parts

    add_lasting_parts(around, parts, session)
