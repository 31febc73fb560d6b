"""The managers and handlers that only a daemon has: what outlives the process, and what takes long to want."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blobtorrent.config.schema import Settings
from blobtorrent.core.session.answers import Answers
from blobtorrent.core.session.changes import ChangeManager
from blobtorrent.core.session.commands import (
    AddTrackers,
    ApplySettings,
    ChangeTorrent,
    DrainSession,
    FilesOf,
    MoveTorrent,
    PauseTorrent,
    RenamePath,
    Reply,
    SetTrackers,
)
from blobtorrent.core.session.draining import DrainManager
from blobtorrent.core.session.fewpeers import FewPeers
from blobtorrent.core.session.gateway import SESSION_KEY
from blobtorrent.core.session.ledger import Ledger
from blobtorrent.core.session.moves import MoveManager
from blobtorrent.core.session.pausing import PauseManager
from blobtorrent.core.session.queries import (
    ContentOf,
    Explain,
    MetainfoOf,
    OverviewsOf,
    PeersOf,
    PiecesOf,
    ScrapeTrackers,
    StatsOf,
    TrackersOf,
    WebSeedsOf,
)
from blobtorrent.core.session.removals import Removals
from blobtorrent.core.session.reserves import ReserveManager
from blobtorrent.core.session.restoring import RestoreEnded, Restorer, TorrentsRestored
from blobtorrent.core.session.resume import ResumeManager
from blobtorrent.core.session.scrapes import ScrapeManager
from blobtorrent.core.session.session import Session
from blobtorrent.core.session.spaces import SpaceManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.session.trackers import TrackerManager
from blobtorrent.core.session.uptime import Uptime
from blobtorrent.core.swarm.messages import PeersKept, PeersTold, PiecesTold, SwarmRetired, WebSeedsTold
from blobtorrent.discovery.messages import ScrapeDone
from blobtorrent.model.events import SettingsApplied
from blobtorrent.model.status import SessionStatus
from blobtorrent.storage.filejobs import (
    DataDeleted,
    FilesFound,
    FilesSkipped,
    FilesStamped,
    MoveProgress,
    PathsRenamed,
    SpaceMeasured,
    StoreMoved,
)
from blobtorrent.storage.jobs import StoreSynced
from blobtorrent.storage.state.library import TorrentKept, TorrentLoaded, TorrentRead, TorrentsSurveyed
from blobtorrent.storage.state.statethread import StateSaved

if TYPE_CHECKING:
    from blobtorrent.core.session.build import Parts, Surroundings
    from blobtorrent.model.details import SourceStatus


def add_lasting_parts(around: Surroundings, parts: Parts, session: Session) -> None:
    """Build them and put their handlers into the session's tables."""
    outlets, roster, keeper = around.outlets, parts.roster, parts.keeper
    assert isinstance(keeper, ResumeManager)
    moves = MoveManager(roster, outlets, parts.metainfos, parts.sharing, keeper, parts.torrents)
    removals = Removals(roster, outlets, parts.metainfos, parts.sharing, on_end=parts.closer.job_ended)
    parts.closer.delete_data = removals.delete

    def on_change(torrent: Torrent) -> None:
        parts.activity.look_again(torrent)
        parts.admission.look_soon()

    changes = ChangeManager(
        roster, outlets, parts.swarms, parts.metainfos, parts.sharing, keeper, on_idle=parts.closer.go_on,
        on_change=on_change)
    trackers = TrackerManager(roster, parts.metainfos, parts.announces, keeper, parts.torrents)
    pauses = PauseManager(
        roster, parts.swarms, parts.activity, keeper, parts.torrents, clock=around.clock,
        on_turn=parts.admission.release)
    drains = DrainManager(session, parts.swarms, clock=around.clock, timers=around.timers)
    reserves = ReserveManager(
        roster, outlets, parts.swarms, SpaceManager(around.settings.storage.reserve),
        clock=around.clock, timers=around.timers, on_turn=parts.admission.release)
    few_peers = FewPeers(
        parts.swarms, parts.announces, normal=around.settings.network.min_peers_per_torrent,
        seed=around.settings.network.min_peers_per_seed, clock=around.clock, timers=around.timers)
    answers = Answers(roster, outlets, parts.metainfos, parts.announces)

    def sources_of(torrent: Torrent) -> tuple[SourceStatus, ...]:
        from blobtorrent.core.session.locals import may_come_by
        from blobtorrent.core.session.peersources import PeerSources

        may_come = may_come_by(allow_loopback=around.settings.network.allow_loopback)
        return PeerSources(
            parts, answers, has_lsd=around.settings.lsd.enabled, clock=around.clock,
            can_be_reached=lambda: any(may_come(host) for host, _ in session.listeners)).of(torrent)

    answers.sources = sources_of
    ledger = Ledger(roster, keeper, reserves, around.memory, around.clock)
    restorer = Restorer(session, parts.torrents, ledger)

    def explain(query: Explain, reply: Reply[Any]) -> Any:
        # 6 ms that no start should wait for.
        from blobtorrent.core.session.explaining import Explainer

        explainer = Explainer(
            roster, answers, parts.admission, parts.loader, parts.checker, parts.activity, parts.swarms,
            parts.bandwidth, reserves, parts.dht, clock=around.clock,
            session=lambda: around.sessions.read(SESSION_KEY) or SessionStatus("starting"))
        return explainer.explain(query, reply)

    def apply(command: ApplySettings, _reply: Reply[Any]) -> None:
        apply_settings(command.settings, parts, keeper, reserves)
        few_peers.apply(command.settings.network.min_peers_per_torrent, command.settings.network.min_peers_per_seed)
        around.tell(SettingsApplied())

    def on_stamped(answer: FilesStamped) -> None:
        torrent = roster.known(answer.info_hash)
        (parts.loader.on_sized if torrent.skip_check else parts.checker.on_stamped)(answer)

    scrapes = parts.announces.scrapes = ScrapeManager(
        outlets, parts.announces.on_scraped, clock=around.clock, timers=around.timers)

    def scrape(command: ScrapeTrackers, _reply: Reply[Any]) -> None:
        info_hash = roster.known(command.info_hash).info_hash
        around.timers.at(around.clock.now() + command.delay_s,
                         lambda: scrapes.again(info_hash, parts.announces.serving(info_hash)))

    parts.announces.peers_wanted = lambda info_hash: roster.known(info_hash).record.wishes.peers_wanted
    session.commands.update({
        MoveTorrent: moves.move,
        RenamePath: moves.rename,
        ChangeTorrent: changes.change,
        PauseTorrent: pauses.pause,
        SetTrackers: trackers.set,
        AddTrackers: trackers.add,
        FilesOf: changes.files_of,
        ApplySettings: apply,
        DrainSession: drains.drain,
        PeersOf: answers.peers_of,
        PiecesOf: answers.pieces_of,
        TrackersOf: answers.trackers_of,
        WebSeedsOf: answers.web_seeds_of,
        MetainfoOf: answers.metainfo_of,
        Explain: explain,
        ScrapeTrackers: scrape,
        StatsOf: ledger.stats_of,
        ContentOf: answers.content_of,
        OverviewsOf: answers.overviews_of,
    })
    session.messages.update({
        TorrentKept: parts.additions.on_kept,
        TorrentLoaded: parts.metainfos.on_loaded,
        TorrentRead: answers.on_read,
        TorrentsSurveyed: answers.on_surveyed,
        TorrentsRestored: restorer.on_torrents,
        RestoreEnded: restorer.on_end,
        PeersTold: answers.on_peers,
        PiecesTold: answers.on_pieces,
        WebSeedsTold: answers.on_web_seeds,
        StateSaved: keeper.on_saved,
        StoreSynced: keeper.syncs.on_synced,
        PeersKept: keeper.on_peers,
        SwarmRetired: drains.on_retired,
        FilesStamped: on_stamped,
        FilesFound: parts.loader.on_found,
        FilesSkipped: changes.on_skipped,
        MoveProgress: moves.on_progress,
        StoreMoved: moves.on_moved,
        PathsRenamed: moves.on_renamed,
        DataDeleted: removals.on_deleted,
        SpaceMeasured: reserves.on_measured,
        ScrapeDone: scrapes.on_done,
    })
    uptime = Uptime(roster, outlets, ledger, clock=around.clock, timers=around.timers)
    session.at_begin += [keeper.begin, uptime.begin, few_peers.begin]
    session.at_stop.append(uptime.end)


def apply_settings(settings: Settings, parts: Parts, keeper: ResumeManager, reserves: ReserveManager) -> None:
    """Use other settings from now on."""
    from blobtorrent.core.session.build import swarm_settings

    network = parts.network = settings.network
    parts.bandwidth.apply(settings.limits, settings.groups)
    parts.share_slots()
    parts.swarms.apply(swarm_settings(settings), network.max_peers, network.max_peers_per_seed)
    parts.apply_static_peers(network.static_peers)
    parts.admission.apply(
        active_downloads=settings.queue.active_downloads, active_seeds=settings.queue.active_seeds)
    parts.activity.apply(settings.seeding, settings.queue.stalled_after_s)
    trackers = settings.trackers
    parts.announces.apply(
        to_all=trackers.announce_to_all, speaks_udp=trackers.udp, num_want=trackers.peers_wanted,
        own_address=trackers.own_address, max_calls=trackers.http_calls)
    parts.additions.apply(settings.storage)
    reserves.apply(settings.storage.reserve)
    keeper.apply(settings.storage.sync)
