"""ActivityManager: a torrent while it has a swarm, from ready files to seeded enough. Owned by `core`."""

from __future__ import annotations

from collections.abc import Callable

from blobtorrent.config.transfers import SeedingSettings
from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.core.session.commands import GoalAction, SeedGoal
from blobtorrent.core.session.goals import met_goal, next_look_s
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.record import REMOVAL_DELETE, REMOVAL_KEEP
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.sharing import Sharing, files_to_write, path_taken
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import HELD_BY_DISK, Torrent
from blobtorrent.core.swarm.messages import PeerSource, SwarmReport
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BugError, Conflict, StorageError
from blobtorrent.model.events import TorrentFinished
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.urls import host_of
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.timers import TimerWheel

log = get_logger(__name__)

WATCH_S = 5.0                          # a thousand torrents are looked at in 0.3 ms


class ActivityManager:
    """Work of the states *downloading* and *seeding*.

    `on_turn()` is called when a torrent needs its place in the queue no more, or again: it is complete, it stalls, it
    moves. `on_complete(torrent)` is called when its swarm lacks nothing any more: *seeding* comes when that is proven.
    `on_idle(torrent)` is called when a job of it has ended.
    """

    def __init__(
        self,
        roster: Roster,
        sharing: Sharing,
        swarms: SwarmManager,
        announces: AnnounceManager,
        keeper: Keeper,
        seeding: SeedingSettings,
        stalled_after_s: float,
        *,
        clock: Clock,
        timers: TimerWheel,
        on_turn: Callable[[], None],
        on_complete: Callable[[Torrent], None],
        on_idle: Callable[[Torrent], None],
    ) -> None:
        self._roster = roster
        self._sharing = sharing
        self._swarms = swarms
        self._announces = announces
        self._keeper = keeper
        self._clock = clock
        self._timers = timers
        self._on_turn = on_turn
        self._on_complete = on_complete
        self._on_idle = on_idle
        self._is_watching = False
        self.apply(seeding, stalled_after_s)
        roster.at_entry(TorrentState.SEEDING, self._begin_seeding)
        roster.at_entry(TorrentState.DOWNLOADING, self._begin_downloading)

    def apply(self, seeding: SeedingSettings, stalled_after_s: float) -> None:
        """The goal of torrents that have none of their own, and when a torrent counts as stalled."""
        self._stalled_after_s = stalled_after_s
        self._goal = SeedGoal(
            ratio=seeding.ratio or None,
            time_s=seeding.time_s or None,
            idle_s=seeding.idle_s or None,
            action=GoalAction(seeding.action),
        )
        for torrent in list(self._roster):
            self.look_again(torrent)

    def begin(self, torrent: Torrent) -> None:
        """Its files are ready: into the swarm, if there is anything to do."""
        torrent.record.is_suspect = False
        if not torrent.record.should_run or torrent.is_adopting or torrent.record.must_move:
            self._keeper.touch(torrent)
            self._roster.fire(torrent, TorrentEvent.STOP)
        elif torrent.lacking:
            torrent.jobs_in_flight += 1
            self._sharing.who_forbids(torrent, files_to_write, lambda others: self._begin_download(torrent, others))
        else:
            self._on_turn()
            if torrent.record.owes_finish:
                self._open(torrent, TorrentEvent.LEECH)    # its swarm lacks nothing: it ends as every download does
            elif self._met_goal(torrent) and not torrent.record.is_forced:
                self._end(torrent)
            else:
                self._open(torrent, TorrentEvent.SEED)

    def _begin_download(self, torrent: Torrent, others: list[Torrent]) -> None:
        torrent.jobs_in_flight -= 1
        if torrent.state not in (TorrentState.LOADING, TorrentState.HASHING):
            self._on_idle(torrent)
        elif others:
            self._roster.fail(torrent, path_taken(torrent, others))
        else:
            self._open(torrent, TorrentEvent.LEECH)

    def _open(self, torrent: Torrent, event: TorrentEvent) -> None:
        record = torrent.record
        torrent.begin_run(self._clock.now())
        self._swarms.open(torrent)
        self._announces.begin(
            torrent.info_hash, torrent.tiers, record.left_bytes + record.skipped_bytes,
            is_private=record.facts.is_private, added_at=record.facts.added_at)
        self._roster.fire(torrent, event)
        if not self._is_watching:
            self._is_watching = True
            self._watch()

    def on_report(self, report: SwarmReport) -> None:
        torrent = self._roster.get(report.info_hash)
        if torrent is None or not torrent.swarm_is_open:
            return
        now = self._clock.now()
        self._swarms.count(torrent, report)
        torrent.take_report(report, now)
        self._announces.on_progress(
            report.info_hash,
            uploaded=report.uploaded_bytes,
            downloaded=report.downloaded_bytes,
            left=report.left_bytes,
        )
        self._keeper.touch(torrent)
        self._follow(torrent, report)
        self._roster.publish(torrent)
        if torrent.state is TorrentState.SEEDING:
            self._look_at_goal(torrent)
        self._watch_pace(torrent, now)

    def on_tracker_peers(self, info_hash: InfoHash, peers: tuple[Endpoint, ...], url: str) -> None:
        """The tracker of this URL named them."""
        torrent = self._roster.get(info_hash)
        if torrent is not None:
            self._swarms.tell_peers(torrent, peers, PeerSource.TRACKER, host_of(url))

    # ---- what a report changes

    def _follow(self, torrent: Torrent, report: SwarmReport) -> None:
        """Bring the torrent to the state that the swarm is in."""
        if report.error_code and torrent.state is not TorrentState.ERROR:
            kind = BugError if report.error_code.startswith("bug.") else StorageError
            self._roster.fail(torrent, kind(report.error_code, report.error_detail))
        elif not report.error_code and torrent.state is TorrentState.ERROR and torrent.held_by != HELD_BY_DISK:
            torrent.error = None
            self._roster.fire(torrent, TorrentEvent.RECOVER)
        is_complete = not torrent.lacking
        if torrent.state is TorrentState.DOWNLOADING and is_complete:
            self._on_complete(torrent)
        elif torrent.state is TorrentState.SEEDING and not is_complete:
            self._roster.fire(torrent, TorrentEvent.LOSE)

    def _watch(self) -> None:
        """See who moves nothing: quiet swarms do not report."""
        running, now = self._swarms.running(), self._clock.now()
        for torrent in running:
            self._watch_pace(torrent, now)
        self._is_watching = bool(running)
        if running:
            self._timers.at(now + WATCH_S, self._watch)

    def _watch_pace(self, torrent: Torrent, now: float) -> None:
        is_stalled = now - torrent.last_moved_s >= self._stalled_after_s and not torrent.record.is_paused
        if is_stalled != torrent.is_stalled:
            torrent.is_stalled = is_stalled
            self._on_turn()

    def _begin_downloading(self, torrent: Torrent, _event: TorrentEvent) -> None:
        torrent.run_clock(self._clock.now())
        torrent.record.owes_finish = True

    def _begin_seeding(self, torrent: Torrent, event: TorrentEvent) -> None:
        torrent.run_clock(self._clock.now())
        if event is TorrentEvent.FINISH:
            record = torrent.record
            record.owes_finish, record.finished_at = False, self._clock.wall()
            self._roster.publish(torrent)                  # who hears of it finds it there
            self._roster.tell(TorrentFinished(torrent.info_hash, record.lifetime.downloaded_bytes))
            self._announces.complete(torrent.info_hash)
            self._on_turn()
            self._keeper.save(torrent)
            if record.must_move:
                self._roster.fire(torrent, TorrentEvent.STOP)
                return
        self._look_at_goal(torrent)

    # ---- goals

    def look_again(self, torrent: Torrent) -> None:
        """Its goal is another one, perhaps."""
        if torrent.goal_timer is not None:
            torrent.goal_timer.cancel()
        # While it is stopped nobody can take a byte of it: that goal stays as it was met.
        if torrent.record.has_given_enough and self.goal_of(torrent).idle_s is None and not self._met_goal(torrent):
            torrent.record.has_given_enough = False
            self._keeper.save(torrent)
            self._roster.publish(torrent)
        self._look_at_goal(torrent)

    def require_purpose(self, torrent: Torrent) -> None:
        """Raises Conflict ("torrent.goal-met") when it would stop again as soon as it is started."""
        met = self._met_goal(torrent)
        if met and torrent.record.is_complete and not torrent.record.owes_finish:
            whose = "of the settings" if torrent.record.wishes.goal is None else "of its own"
            raise Conflict("torrent.goal-met", f"{torrent.name} has reached {met}, a goal {whose}: it would stop again."
                           " Raise or clear that goal, or start it now, whatever its goal")

    def goal_of(self, torrent: Torrent) -> SeedGoal:
        return self._goal if torrent.record.wishes.goal is None else torrent.record.wishes.goal

    def _met_goal(self, torrent: Torrent) -> str:
        return met_goal(self.goal_of(torrent), torrent.given(self._clock.now()))

    def _look_at_goal(self, torrent: Torrent) -> None:
        """End a torrent that has given enough; else look again when the time could be over."""
        record = torrent.record
        if torrent.state is not TorrentState.SEEDING or record.is_paused or record.is_forced:
            return
        if self._met_goal(torrent):
            self._end(torrent)
            return
        wait_s = next_look_s(self.goal_of(torrent), torrent.given(self._clock.now()))
        if wait_s is not None and (torrent.goal_timer is None or not torrent.goal_timer.is_pending):
            torrent.goal_timer = self._timers.at(
                self._clock.now() + wait_s, lambda: self._look_at_goal(torrent))

    def _end(self, torrent: Torrent) -> None:
        """It has given enough."""
        goal, record = self.goal_of(torrent), torrent.record
        record.should_run, record.has_given_enough = False, True
        if goal.action is not GoalAction.STOP:
            record.removal = REMOVAL_KEEP if goal.action is GoalAction.REMOVE else REMOVAL_DELETE
        log.info("seeded enough", torrent=torrent.info_hash, goal=self._met_goal(torrent), action=goal.action.value)
        self._keeper.save(torrent)
        self._roster.fire(torrent, TorrentEvent.STOP)
