"""The managers and handlers that only a daemon has: what outlives the process, and what takes long to want."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blobtorrent.config.cautions import unchecked_servers
from blobtorrent.config.schema import Settings
from blobtorrent.core.session.answers import Answers
from blobtorrent.core.session.changes import ChangeManager
from blobtorrent.core.session.commands import (
    AddTrackers,
    ApplySettings,
    ChangeTorrent,
    DrainSession,
    FilesOf,
    MakeFiles,
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
    PieceOf,
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
from blobtorrent.core.swarm.messages import PeersKept, PeersTold, PiecesTold, PieceTold, SwarmRetired, WebSeedsTold
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
    keeper = parts.keeper
    assert isinstance(keeper, ResumeManager)
    reserves = ReserveManager(
        parts.roster, around.outlets, parts.swarms, SpaceManager(around.settings.storage.reserve),
        clock=around.clock, timers=around.timers, on_turn=parts.admission.release)
    ledger = Ledger(parts.roster, keeper, reserves, around.memory, around.clock)
    _add_keeping(around, parts, session, keeper, ledger)
    _add_changes(around, parts, session, keeper)
    _add_questions(around, parts, session, reserves, ledger)
    _add_trackers(around, parts, session, keeper)
    _add_settings(around, parts, session, keeper, reserves)
    drains = DrainManager(session, parts.swarms, clock=around.clock, timers=around.timers)
    session.commands[DrainSession] = drains.drain
    session.messages[SwarmRetired] = drains.on_retired
    session.messages[SpaceMeasured] = reserves.on_measured


def _add_keeping(around: Surroundings, parts: Parts, session: Session, keeper: ResumeManager, ledger: Ledger) -> None:
    """What outlives the process is saved, and comes again."""
    restorer = Restorer(session, parts.torrents, ledger)
    uptime = Uptime(parts.roster, around.outlets, ledger, clock=around.clock, timers=around.timers)

    def on_stamped(answer: FilesStamped) -> None:
        torrent = parts.roster.known(answer.info_hash)
        (parts.loader.on_sized if torrent.skip_check else parts.checker.on_stamped)(answer)

    session.messages.update({
        TorrentKept: parts.additions.on_kept,
        TorrentLoaded: parts.metainfos.on_loaded,
        TorrentsRestored: restorer.on_torrents,
        RestoreEnded: restorer.on_end,
        StateSaved: keeper.on_saved,
        StoreSynced: keeper.syncs.on_synced,
        PeersKept: keeper.on_peers,
        FilesStamped: on_stamped,
        FilesFound: parts.loader.on_found,
    })
    session.at_begin += [keeper.begin, uptime.begin]
    session.at_stop.append(uptime.end)


def _add_changes(around: Surroundings, parts: Parts, session: Session, keeper: ResumeManager) -> None:
    """Torrents are moved, renamed, paused, and are to have other files."""
    outlets, roster, metainfos, sharing = around.outlets, parts.roster, parts.metainfos, parts.sharing

    def on_change(torrent: Torrent) -> None:
        parts.activity.look_again(torrent)
        parts.admission.look_soon()

    moves = MoveManager(roster, outlets, metainfos, sharing, keeper, parts.torrents)
    removals = Removals(roster, outlets, metainfos, sharing, on_end=parts.closer.job_ended)
    parts.closer.delete_data = removals.delete
    changes = ChangeManager(
        roster, outlets, parts.swarms, metainfos, sharing, keeper, on_idle=parts.closer.go_on, on_change=on_change)
    pauses = PauseManager(
        roster, parts.swarms, parts.activity, keeper, parts.torrents, clock=around.clock,
        on_turn=parts.admission.release)
    session.commands.update({
        MoveTorrent: moves.move,
        RenamePath: moves.rename,
        ChangeTorrent: changes.change,
        MakeFiles: changes.make_files,
        PauseTorrent: pauses.pause,
        FilesOf: changes.files_of,
    })
    session.messages.update({
        FilesSkipped: changes.on_skipped,
        MoveProgress: moves.on_progress,
        StoreMoved: moves.on_moved,
        PathsRenamed: moves.on_renamed,
        DataDeleted: removals.on_deleted,
    })


def _add_questions(
    around: Surroundings, parts: Parts, session: Session, reserves: ReserveManager, ledger: Ledger
) -> None:
    """What can be asked of torrents and of the session."""
    answers = Answers(parts.roster, around.outlets, parts.metainfos, parts.announces)

    def sources_of(torrent: Torrent) -> tuple[SourceStatus, ...]:
        from blobtorrent.core.session.locals import may_come_by
        from blobtorrent.core.session.peersources import PeerSources

        may_come = may_come_by(allow_loopback=around.settings.network.allow_loopback)
        return PeerSources(
            parts, answers, has_lsd=around.settings.lsd.enabled, clock=around.clock,
            can_be_reached=lambda: any(may_come(host) for host, _ in session.listeners)).of(torrent)

    def explain(query: Explain, reply: Reply[Any]) -> Any:
        # 6 ms that no start should wait for.
        from blobtorrent.core.session.explaining import Explainer

        explainer = Explainer(
            parts.roster, answers, parts.admission, parts.loader, parts.checker, parts.activity, parts.swarms,
            parts.bandwidth, reserves, parts.dht, clock=around.clock,
            session=lambda: around.sessions.read(SESSION_KEY) or SessionStatus("starting"))
        return explainer.explain(query, reply)

    answers.sources = sources_of
    session.commands.update({
        PeersOf: answers.peers_of,
        PiecesOf: answers.pieces_of,
        PieceOf: answers.piece_of,
        TrackersOf: answers.trackers_of,
        WebSeedsOf: answers.web_seeds_of,
        MetainfoOf: answers.metainfo_of,
        Explain: explain,
        StatsOf: ledger.stats_of,
        ContentOf: answers.content_of,
        OverviewsOf: answers.overviews_of,
    })
    session.messages.update({
        TorrentRead: answers.on_read,
        TorrentsSurveyed: answers.on_surveyed,
        PeersTold: answers.on_peers,
        PiecesTold: answers.on_pieces,
        PieceTold: answers.on_piece,
        WebSeedsTold: answers.on_web_seeds,
    })


def _add_trackers(around: Surroundings, parts: Parts, session: Session, keeper: ResumeManager) -> None:
    """Trackers are others, and are asked for their numbers."""
    roster, announces = parts.roster, parts.announces
    trackers = TrackerManager(roster, parts.metainfos, announces, keeper, parts.torrents)
    scrapes = announces.scrapes = ScrapeManager(
        around.outlets, announces.on_scraped, clock=around.clock, timers=around.timers)
    announces.peers_wanted = lambda info_hash: roster.known(info_hash).record.wishes.peers_wanted

    def scrape(command: ScrapeTrackers, _reply: Reply[Any]) -> None:
        info_hash = roster.known(command.info_hash).info_hash
        around.timers.at(around.clock.now() + command.delay_s,
                         lambda: scrapes.again(info_hash, announces.serving(info_hash)))

    session.commands[SetTrackers] = trackers.set
    session.commands[AddTrackers] = trackers.add
    session.commands[ScrapeTrackers] = scrape
    session.messages[ScrapeDone] = scrapes.on_done


def _add_settings(
    around: Surroundings, parts: Parts, session: Session, keeper: ResumeManager, reserves: ReserveManager
) -> None:
    """Settings may be others."""
    network = around.settings.network
    few_peers = FewPeers(
        parts.swarms, parts.announces, normal=network.min_peers_per_torrent, seed=network.min_peers_per_seed,
        clock=around.clock, timers=around.timers)

    def apply(command: ApplySettings, _reply: Reply[Any]) -> None:
        network = command.settings.network
        apply_settings(command.settings, parts, keeper, reserves)
        few_peers.apply(network.min_peers_per_torrent, network.min_peers_per_seed)
        session.tell_warnings(unchecked_servers(network))
        around.tell(SettingsApplied())

    session.commands[ApplySettings] = apply
    session.at_begin.append(few_peers.begin)


def apply_settings(settings: Settings, parts: Parts, keeper: ResumeManager, reserves: ReserveManager) -> None:
    """Use other settings from now on."""
    from blobtorrent.core.session.build import swarm_settings

    network = parts.network = settings.network
    parts.bandwidth.apply(settings.limits, settings.groups)
    parts.share_slots()
    parts.swarms.apply(swarm_settings(settings), network.max_peers, network.max_peers_per_seed)
    parts.transports.apply(settings.tcp.enabled, settings.utp, is_used=bool(parts.swarms.running()))
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
    keeper.apply(settings.storage)
