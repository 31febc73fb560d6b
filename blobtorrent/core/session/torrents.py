"""TorrentManager: takes every torrent through its life, from prepared files to seeded enough. Owned by `core`.

Adding: prepare the files, check what lies on disk, open the swarm. Stopping: close the swarm, wait for the jobs that
are under way, close the files. The machine of each torrent (`lifecycle`) says what may follow what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.core.session.checks import CheckPlan, CheckQueue, require_piece_hashes
from blobtorrent.core.session.commands import AddTorrent, SeedGoal
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import PeerSource, SwarmClosed, SwarmReport
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import BlobTorrentError, Conflict, NotFound, StorageError
from blobtorrent.model.events import Event, StateChanged, TorrentAdded, TorrentFailed, TorrentFinished, TorrentRemoved
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.ownership import owned
from blobtorrent.runtime.timers import TimerWheel
from blobtorrent.storage.jobs import CheckPieces, CloseStore, PiecesChecked, PrepareStore, StoreClosed, StorePrepared

log = get_logger(__name__)


@owned
class TorrentManager:
    """All torrents of the session. The hashers are given `check_jobs` ranges of a torrent at a time."""

    def __init__(
        self,
        outlets: Outlets,
        swarms: SwarmManager,
        announces: AnnounceManager,
        board: StatusBoard[InfoHash, TorrentStatus],
        publish: Callable[[Event], None],
        *,
        clock: Clock,
        timers: TimerWheel,
        check_jobs: int,
        download_dir: Path,
    ) -> None:
        self._outlets = outlets
        self._swarms = swarms
        self._announces = announces
        self._board = board
        self._tell = publish
        self._clock = clock
        self._timers = timers
        self._check_jobs = check_jobs
        self._download_dir = download_dir
        self._torrents: dict[InfoHash, Torrent] = {}
        self._checks: CheckQueue[InfoHash] = CheckQueue()

    def __iter__(self) -> Iterator[Torrent]:
        return iter(self._torrents.values())

    def __len__(self) -> int:
        return len(self._torrents)

    @property
    def all_are_stopped(self) -> bool:
        return all(torrent.state is TorrentState.STOPPED for torrent in self)

    # ---- commands

    def add(self, command: AddTorrent) -> InfoHash:
        """Raises Conflict ("torrent.present"), Invalid ("torrent.no-piece-hashes"), or StorageError for the folder."""
        info_hash = command.metainfo.info_hash
        require_piece_hashes(command.metainfo)
        if info_hash in self._torrents:
            raise Conflict("torrent.present", f"{command.metainfo.name} is there already")
        download_dir = command.download_dir or self._download_dir
        torrent = Torrent(
            command.metainfo,
            download_dir,
            self._outlets.open_store(command.metainfo, download_dir),
            static_peers=command.peers,
            goal=command.goal or SeedGoal(),
        )
        self._torrents[info_hash] = torrent
        log.info("torrent added", torrent=info_hash, name=command.metainfo.name)
        self._tell(TorrentAdded(info_hash, command.metainfo.name))
        self._load(torrent)
        return info_hash

    def add_peers(self, info_hash: InfoHash, peers: tuple[Endpoint, ...]) -> None:
        """Peers that are tried for ever. Raises NotFound."""
        torrent = self._known(info_hash)
        torrent.static_peers += peers
        self._swarms.tell_peers(torrent, peers, PeerSource.STATIC)

    def start(self, info_hash: InfoHash) -> None:
        """Raises NotFound, or Conflict ("torrent.not-stopped")."""
        torrent = self._known(info_hash)
        self._fire_command(torrent, TorrentEvent.START, "torrent.not-stopped", "is not stopped")
        torrent.forget_last_run()
        self._load(torrent)

    def stop(self, info_hash: InfoHash) -> None:
        """Raises NotFound, or Conflict ("torrent.not-running")."""
        torrent = self._known(info_hash)
        self._fire_command(torrent, TorrentEvent.STOP, "torrent.not-running", "is not running")

    def remove(self, info_hash: InfoHash) -> None:
        """Raises NotFound, or Conflict ("torrent.removing")."""
        torrent = self._known(info_hash)
        self._fire_command(torrent, TorrentEvent.REMOVE, "torrent.removing", "is being removed")

    def stop_all(self) -> None:
        for torrent in list(self):
            if torrent.machine.can(TorrentEvent.STOP):
                self._fire(torrent, TorrentEvent.STOP)

    # ---- answers

    def on_prepared(self, answer: StorePrepared) -> None:
        torrent = self._torrents[answer.info_hash]
        self._job_ended(torrent)
        if torrent.state is not TorrentState.LOADING:
            return
        if answer.error is not None:
            self._fail(torrent, answer.error)
        elif answer.has_data:
            self._fire(torrent, TorrentEvent.FOUND)
        else:
            self._open_swarm(torrent)

    def on_checked(self, answer: PiecesChecked) -> None:
        torrent = self._torrents[answer.info_hash]
        self._job_ended(torrent)
        check = torrent.check
        if torrent.state is not TorrentState.HASHING or check is None:
            return
        check.on_checked(answer)
        self._post_checks(torrent, check)
        if not check.is_done:
            self._publish(torrent)
            return
        torrent.have, torrent.checked_done_bytes, torrent.check = check.good, check.good_bytes, None
        log.info("torrent checked", torrent=torrent.info_hash,
                 good=len(check.good), bad=len(check.bad), missing=len(check.missing))
        if check.error is not None:
            self._fail(torrent, check.error)
        else:
            self._open_swarm(torrent)

    def on_report(self, report: SwarmReport) -> None:
        torrent = self._torrents.get(report.info_hash)
        if torrent is None or not torrent.swarm_is_open:
            return
        torrent.report = report
        self._announces.on_progress(
            report.info_hash,
            uploaded=report.uploaded_bytes,
            downloaded=report.downloaded_bytes,
            left=report.left_bytes,
        )
        if report.error_code and torrent.state is not TorrentState.ERROR:
            self._fail(torrent, StorageError(report.error_code, report.error_detail))
        elif not report.error_code and torrent.state is TorrentState.ERROR:
            self._fire(torrent, TorrentEvent.RECOVER)
        is_complete = report.have_count == torrent.metainfo.geometry.num_pieces
        if torrent.state is TorrentState.DOWNLOADING and is_complete:
            self._fire(torrent, TorrentEvent.FINISH)
        elif torrent.state is TorrentState.SEEDING and not is_complete:
            self._fire(torrent, TorrentEvent.LOSE)
        self._publish(torrent)
        if torrent.state is TorrentState.SEEDING:
            self._stop_at_goal(torrent)

    def on_swarm_closed(self, answer: SwarmClosed) -> None:
        torrent = self._torrents[answer.info_hash]
        torrent.report = answer.report
        torrent.have = Bitfield.from_wire(answer.report.have_wire, torrent.have.size)
        self._job_ended(torrent)

    def on_store_closed(self, answer: StoreClosed) -> None:
        self._job_ended(self._torrents[answer.info_hash])

    def on_tracker_peers(self, info_hash: InfoHash, peers: tuple[Endpoint, ...]) -> None:
        torrent = self._torrents.get(info_hash)
        if torrent is not None:
            self._swarms.tell_peers(torrent, peers, PeerSource.TRACKER)

    # ---- the way of a torrent

    def _load(self, torrent: Torrent) -> None:
        torrent.jobs_in_flight += 1
        torrent.store_is_open = True
        self._outlets.disks.post(PrepareStore(torrent.info_hash, torrent.store, self._outlets.inbox))
        self._publish(torrent)

    def _check(self, torrent: Torrent) -> None:
        torrent.check = CheckPlan(torrent.metainfo, self._check_jobs)
        self._post_checks(torrent, torrent.check)

    def _post_checks(self, torrent: Torrent, check: CheckPlan) -> None:
        for indices in check.next_jobs():
            torrent.jobs_in_flight += 1
            self._outlets.hashers.post(CheckPieces(torrent.info_hash, torrent.store, indices, self._outlets.inbox))

    def _open_swarm(self, torrent: Torrent) -> None:
        if torrent.have.is_full and torrent.goal.is_met_at_once:
            self._fire(torrent, TorrentEvent.STOP)
            return
        self._swarms.open(torrent)
        self._announces.begin(torrent.metainfo, torrent.left_bytes)
        self._fire(torrent, TorrentEvent.SEED if torrent.have.is_full else TorrentEvent.LEECH)

    def _begin_seeding(self, torrent: Torrent) -> None:
        torrent.seeding_since_s = now = self._clock.now()
        if torrent.goal.time_s is not None:
            self._timers.at(now + torrent.goal.time_s, lambda: self._stop_at_goal(torrent))

    def _stop_at_goal(self, torrent: Torrent) -> None:
        if torrent.state is TorrentState.SEEDING and torrent.has_reached_goal(self._clock.now()):
            self._fire(torrent, TorrentEvent.STOP)

    def _close(self, torrent: Torrent) -> None:
        """Begin to close what is open; what is under way ends in `_job_ended`."""
        if torrent.swarm_is_open:
            torrent.jobs_in_flight += 1
            self._announces.end(torrent.info_hash)
            self._swarms.close(torrent)
        self._close_store_when_idle(torrent)

    def _job_ended(self, torrent: Torrent) -> None:
        torrent.jobs_in_flight -= 1
        if torrent.state in (TorrentState.CLOSING, TorrentState.REMOVING):
            self._close_store_when_idle(torrent)

    def _close_store_when_idle(self, torrent: Torrent) -> None:
        if torrent.jobs_in_flight:
            return
        if torrent.store_is_open:
            torrent.store_is_open = False
            torrent.jobs_in_flight += 1
            self._outlets.disks.post(CloseStore(torrent.info_hash, torrent.store, self._outlets.inbox))
        else:
            self._fire(torrent, TorrentEvent.CLOSED)

    # ---- transitions

    def _known(self, info_hash: InfoHash) -> Torrent:
        torrent = self._torrents.get(info_hash)
        if torrent is None:
            raise NotFound("torrent.unknown", f"no torrent {info_hash}")
        return torrent

    def _fire_command(self, torrent: Torrent, event: TorrentEvent, code: str, complaint: str) -> None:
        if not torrent.machine.can(event):
            raise Conflict(code, f"{torrent.metainfo.name} {complaint}")
        self._fire(torrent, event)

    def _fail(self, torrent: Torrent, error: BlobTorrentError) -> None:
        log.warning("torrent failed", torrent=torrent.info_hash, code=error.code, detail=error.detail)
        torrent.error = error
        self._fire(torrent, TorrentEvent.FAIL)
        self._tell(TorrentFailed(torrent.info_hash, error.code, error.detail))

    def _fire(self, torrent: Torrent, event: TorrentEvent) -> None:
        """Take a transition, tell the outside, then do the work of the new state."""
        old, old_name = torrent.state, torrent.public_name
        new = torrent.machine.fire(event)
        log.debug("torrent changed", torrent=torrent.info_hash, old=old.value, new=new.value)
        if event is TorrentEvent.RECOVER:
            torrent.error = None
        self._publish(torrent)
        if torrent.public_name != old_name:
            self._tell(StateChanged(torrent.info_hash, old_name, torrent.public_name))
        self._leave(torrent, old)
        self._enter(torrent, event, new)

    def _leave(self, torrent: Torrent, old: TorrentState) -> None:
        if old in (TorrentState.WAITING, TorrentState.HASHING) and torrent.state not in (
                TorrentState.WAITING, TorrentState.HASHING):
            torrent.check = None
            follower = self._checks.leave(torrent.store.device, torrent.info_hash)
            if follower is not None:
                self._fire(self._torrents[follower], TorrentEvent.TURN)

    def _enter(self, torrent: Torrent, event: TorrentEvent, new: TorrentState) -> None:
        if new is TorrentState.WAITING:
            if self._checks.enter(torrent.store.device, torrent.info_hash):
                self._fire(torrent, TorrentEvent.TURN)
        elif new is TorrentState.HASHING:
            self._check(torrent)
        elif new is TorrentState.SEEDING:
            if event is TorrentEvent.FINISH:
                self._tell(TorrentFinished(torrent.info_hash, torrent.downloaded_bytes))
                self._announces.complete(torrent.info_hash)
            self._begin_seeding(torrent)
        elif new in (TorrentState.CLOSING, TorrentState.REMOVING):
            self._close(torrent)
        elif new is TorrentState.GONE:
            del self._torrents[torrent.info_hash]
            self._board.withdraw(torrent.info_hash)
            self._tell(TorrentRemoved(torrent.info_hash, torrent.metainfo.name))

    def _publish(self, torrent: Torrent) -> None:
        self._board.publish(torrent.info_hash, torrent.status())
