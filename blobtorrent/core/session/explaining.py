"""Explainer: gathers what tells why a torrent does what it does, from all who know a part of it. Owned by `core`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from blobtorrent.core.session.activity import ActivityManager
from blobtorrent.core.session.admission import Admission
from blobtorrent.core.session.answers import Answers
from blobtorrent.core.session.bandwidth import BandwidthManager
from blobtorrent.core.session.checking import CheckManager
from blobtorrent.core.session.commands import Reply
from blobtorrent.core.session.dht import DhtManager
from blobtorrent.core.session.explain import explain
from blobtorrent.core.session.goals import met_goal
from blobtorrent.core.session.history import since_s
from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.loading import Loader
from blobtorrent.core.session.queries import Explain
from blobtorrent.core.session.reserves import ReserveManager
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.situation import Aims, Limit, Situation
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import PeersTold
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.status import SessionStatus
from blobtorrent.runtime.clock import Clock


class Explainer:
    """`session()` is the snapshot of the whole."""

    def __init__(
        self,
        roster: Roster,
        answers: Answers,
        admission: Admission,
        loader: Loader,
        checker: CheckManager,
        activity: ActivityManager,
        swarms: SwarmManager,
        bandwidth: BandwidthManager,
        reserves: ReserveManager,
        dht: DhtManager | None,
        *,
        session: Callable[[], SessionStatus],
        clock: Clock,
    ) -> None:
        self._roster = roster
        self._answers = answers
        self._admission = admission
        self._loader = loader
        self._checker = checker
        self._activity = activity
        self._swarms = swarms
        self._bandwidth = bandwidth
        self._reserves = reserves
        self._dht = dht
        self._session = session
        self._clock = clock

    def explain(self, query: Explain, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound."""
        self._answers.with_peers(self._roster.known(query.info_hash), lambda told: self._give(query, told, reply))
        return reply

    def _give(self, query: Explain, told: PeersTold, reply: Reply[Any]) -> None:
        try:
            torrent = self._roster.known(query.info_hash)  # it may be gone since
        except BlobTorrentError as error:
            reply.give(error)
        else:
            reply.give(explain(self._situation(torrent, told)))

    def _situation(self, torrent: Torrent, told: PeersTold) -> Situation:
        now, wall, record = self._clock.now(), self._clock.wall(), torrent.record
        begun_s, is_open = since_s(torrent.history), torrent.swarm_is_open
        return Situation(
            status=torrent.status(now, wall),
            state=torrent.state,
            session=self._session(),
            now_s=now,
            wall=wall,
            history=torrent.history,
            state_s=None if begun_s is None else now - begun_s,
            held_s=None if torrent.held_since_s is None else now - torrent.held_since_s,
            still_s=now - torrent.last_moved_s if is_open else None,
            should_run=record.should_run,
            is_removing=bool(record.removal),
            is_renaming=record.place.renaming is not None,
            line=self._admission.place_of(torrent) if torrent.state is TorrentState.QUEUED else None,
            ahead=self._num_ahead_of(torrent),
            aims=self._aims_of(torrent, now),
            trackers=self._answers.trackers(torrent) if is_open else (),
            dht=None if self._dht is None else self._dht.last_round(torrent.info_hash),
            sources=self._answers.sources(torrent),
            peers=told.peers,
            insight=told.insight,
            layers=_layers_of(torrent),
            limits=tuple(self._limits_of(torrent)) if is_open else (),
            room=self._reserves.room_of(torrent),
        )

    def _num_ahead_of(self, torrent: Torrent) -> int:
        if torrent.state is TorrentState.LOADING:
            return self._loader.num_ahead_of(torrent)
        return self._checker.num_ahead_of(torrent) if torrent.state is TorrentState.WAITING else 0

    def _aims_of(self, torrent: Torrent, now: float) -> Aims | None:
        goal, given = self._activity.goal_of(torrent), torrent.given(now)
        if goal.ratio is None and goal.time_s is None and goal.idle_s is None:
            return None
        return Aims(
            goal.ratio, goal.time_s, goal.idle_s,
            ratio_now=given.uploaded_bytes / given.payload_bytes if given.payload_bytes else 0.0,
            seeding_s=given.seeding_s,
            idle_s_now=given.idle_s,
            met=met_goal(goal, given),
        )

    def _limits_of(self, torrent: Torrent) -> Iterator[Limit]:
        """Those that are set: its own, its group's, and that of all."""
        wishes, rates = torrent.record.wishes, self._bandwidth.in_force()
        down, up = self._swarms.rates_of([torrent])
        if wishes.down_bytes_per_s:
            yield Limit("the torrent", "down_limit_bytes_per_s of the torrent", "down", wishes.down_bytes_per_s, down)
        if wishes.up_bytes_per_s:
            yield Limit("the torrent", "up_limit_bytes_per_s of the torrent", "up", wishes.up_bytes_per_s, up)
        group = rates.groups.get(wishes.group)
        if group is not None:
            down, up = self._swarms.rates_of(
                other for other in self._swarms.running() if other.record.wishes.group == wishes.group)
            whose, setting = f"group {wishes.group}", f"groups.{wishes.group}"
            if group.down_bytes_per_s:
                yield Limit(whose, f"{setting}.down_bytes_per_s", "down", group.down_bytes_per_s, down)
            if group.up_bytes_per_s:
                yield Limit(whose, f"{setting}.up_bytes_per_s", "up", group.up_bytes_per_s, up)
        kind = "alternative_" if self._bandwidth.is_alternative else ""
        if rates.down_bytes_per_s:
            yield Limit("all torrents", f"limits.{kind}down_bytes_per_s", "down", rates.down_bytes_per_s,
                        self._swarms.down_bytes_per_s)
        if rates.up_bytes_per_s:
            yield Limit("all torrents", f"limits.{kind}up_bytes_per_s", "up", rates.up_bytes_per_s,
                        self._swarms.up_bytes_per_s)


def _layers_of(torrent: Torrent) -> tuple[int, int] | None:
    """How far the fetch of its piece layers has come, while they are all that is lacking."""
    lacking, report = torrent.lacks_layers, torrent.metadata
    if lacking is None:
        return None
    if report is None or not report.layers_total:
        return 0, len(lacking.lacking_layers)
    return report.layers_here, report.layers_total
