"""AnnounceManager: tells trackers about us and brings the peers they name. Owned by `core`.

All tiers of a torrent are served at the same time; of one tier, one tracker that works (BEP 12). A hybrid torrent has
two swarms, so it is announced under both of its wire forms.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from blobtorrent.core.session.commands import Tiers
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.discovery.messages import Announce, AnnounceDone
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import Conflict
from blobtorrent.model.ids import WIRE_BYTES, InfoHash, PeerId
from blobtorrent.protocol.tracker.announce import AnnounceEvent, AnnounceQuery
from blobtorrent.protocol.tracker.tiers import Shuffler, TrackerSchedule, TrackerTiers
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.ownership import owned
from blobtorrent.runtime.timers import Timer, TimerWheel

if TYPE_CHECKING:
    from blobtorrent.core.session.trackerstatus import Answered
    from blobtorrent.model.details import TrackerStatus

log = get_logger(__name__)

FAREWELL_TIMEOUT_S = 5.0               # for `stopped`: nobody wants to wait for a tracker to end a program
NUM_WANT = 200                         # peers asked for
_SCHEMES = ("http://", "https://")     # of the trackers we can talk to


class _Progress(NamedTuple):
    """What trackers are told of a torrent, in bytes."""

    left: int
    uploaded: int = 0
    downloaded: int = 0


class _Tier:
    """One tier of one swarm: whom to ask next, and what it was told."""

    def __init__(self, urls: Iterable[str], wire_hash: bytes, rng: Shuffler) -> None:
        self.wire_hash = wire_hash
        self.order = TrackerTiers([urls], rng)
        self.schedule = TrackerSchedule()
        self.untried: list[str] = []   # in this round
        self.asked = ""                # the URL of the scheduled announce under way
        self.informed: list[str] = []  # trackers that took our `started`; the last is the one in use
        self.owes_completed = False
        self.tracker_ids: dict[str, bytes] = {}
        self.timer: Timer | None = None

    def take_over(self, other: _Tier) -> None:
        """Of a tier that is given up, what its trackers know of us, as far as they are ours now."""
        if other.wire_hash != self.wire_hash:
            return
        ours = [url for url in other.informed if url in self.order]
        self.informed += ours
        other.informed = [url for url in other.informed if url not in ours]
        self.tracker_ids.update((url, other.tracker_ids[url]) for url in ours if url in other.tracker_ids)
        self.owes_completed |= other.owes_completed and bool(ours)


class _Announced:
    """A running torrent as its trackers know it."""

    def __init__(self, progress: _Progress) -> None:
        self.tiers: list[_Tier] = []
        self.progress = progress
        self.answers: dict[tuple[bytes, str], Answered] = {}           # the last of each tracker of each swarm


@owned
class AnnounceManager:
    """`listen_port` is what peers are told to connect to; `key` tells a tracker that we are still the same."""

    def __init__(
        self, outlets: Outlets, *, clock: Clock, timers: TimerWheel, rng: Shuffler, peer_id: PeerId, key: int
    ) -> None:
        self.listen_port = 0
        self._outlets = outlets
        self._clock = clock
        self._timers = timers
        self._rng = rng
        self._peer_id = peer_id
        self._key = key
        self._running: dict[InfoHash, _Announced] = {}
        self._farewells = 0
        # What is owed to trackers that have not answered `started`, of torrents that were stopped meanwhile.
        self._unsaid: dict[tuple[InfoHash, bytes, str], AnnounceQuery] = {}
        self.results: Counter[str] = Counter()             # of announces: "ok", or the code of the error
        self._lines: dict[tuple[str, bytes], deque[Announce]] = {}     # by tracker and swarm: what goes, in this order

    @property
    def is_quiet(self) -> bool:
        """No tracker is being told that we leave."""
        return self._farewells == 0

    def begin(self, info_hash: InfoHash, urls: Tiers, left_bytes: int) -> None:
        """The torrent runs: announce it to all its tiers. One that runs already has only these figures from now on."""
        if info_hash in self._running:
            self._running[info_hash].progress = _Progress(left_bytes)
            self.change(info_hash, urls)
            return
        self._unsaid = {key: query for key, query in self._unsaid.items() if key[0] != info_hash}
        self._running[info_hash] = _Announced(_Progress(left_bytes))
        self.change(info_hash, urls)

    def change(self, info_hash: InfoHash, urls: Tiers) -> None:
        """A running torrent has these trackers from now on: new tiers are asked at once, trackers that are none of its
        own any more are told that we leave."""
        announced, now = self._running[info_hash], self._clock.now()
        before = {(tier.wire_hash, frozenset(tier.order)): tier for tier in announced.tiers}
        announced.tiers = []
        for wire_hash in info_hash.wire_forms:
            for spoken in filter(None, map(_spoken, urls)):
                known = before.pop((wire_hash, frozenset(spoken)), None)
                announced.tiers.append(known or _Tier(spoken, wire_hash, self._rng))
        for tier in announced.tiers:
            for left in before.values():
                tier.take_over(left)
        for left in before.values():
            self._leave(info_hash, announced, left)
        kept = {(tier.wire_hash, url) for tier in announced.tiers for url in tier.order}
        announced.answers = {key: answer for key, answer in announced.answers.items() if key in kept}
        for tier in announced.tiers:
            if tier.schedule.is_idle:
                tier.schedule.start(now)
                self._begin_round(info_hash, tier)

    def on_progress(self, info_hash: InfoHash, *, uploaded: int, downloaded: int, left: int) -> None:
        """Figures for the next announces."""
        announced = self._running.get(info_hash)
        if announced is not None:
            announced.progress = _Progress(left, uploaded, downloaded)

    def complete(self, info_hash: InfoHash) -> None:
        """The last byte was downloaded just now: told once to each tracker in use."""
        for tier in self._running[info_hash].tiers:
            tier.owes_completed = True
            self._tell_completed(info_hash, tier)

    def again(self, info_hash: InfoHash) -> None:
        """Ask all tiers now. Raises Conflict ("torrent.not-running")."""
        announced = self._running.get(info_hash)
        if announced is None:
            raise Conflict("torrent.not-running", "the torrent is not running")
        for tier in announced.tiers:
            tier.schedule.force(self._clock.now())
            self._set_timer(info_hash, tier)

    def end(self, info_hash: InfoHash) -> None:
        """The torrent stops: tell every tracker that knows of us."""
        announced = self._running.pop(info_hash, None)
        if announced is None:
            return
        for tier in announced.tiers:
            if tier.owes_completed and (tier.asked, tier.wire_hash) in self._lines:
                self._unsaid[info_hash, tier.wire_hash, tier.asked] = self._query(
                    announced, tier, tier.asked, AnnounceEvent.COMPLETED)
            self._leave(info_hash, announced, tier)

    def on_done(self, answer: AnnounceDone) -> tuple[Endpoint, ...]:
        """Take a tracker's answer; returns the peers it named."""
        self.results["ok" if answer.error is None else answer.error.code] += 1
        self._advance(answer)
        event = answer.query.event
        if answer.error is not None:
            log.info("announce failed", torrent=answer.info_hash, tracker=answer.url, code=answer.error.code,
                     detail=answer.error.detail)
        if event is AnnounceEvent.STOPPED:
            self._farewells -= 1
            return ()
        announced = self._running.get(answer.info_hash)
        tier = self._tier_of(announced, answer) if announced is not None else None
        if tier is None:
            if event is AnnounceEvent.STARTED:
                self._on_late_start(answer)
            return ()
        assert announced is not None
        self._note(announced, answer)
        if event is not AnnounceEvent.COMPLETED:
            self._end_attempt(answer, tier)
        return answer.endpoints

    def _on_late_start(self, answer: AnnounceDone) -> None:
        """The torrent was stopped before the tracker had said that it knows of us: say the rest."""
        info_hash, url = answer.info_hash, answer.url
        completed = self._unsaid.pop((info_hash, answer.query.wire_hash, url), None)
        if answer.reply is not None:
            if completed is not None:
                self._post(Announce(info_hash, url, completed, self._outlets.inbox, FAREWELL_TIMEOUT_S))
            self._say_farewell(info_hash, url, answer.query._replace(event=AnnounceEvent.STOPPED, num_want=0))

    def _leave(self, info_hash: InfoHash, announced: _Announced, tier: _Tier) -> None:
        tier.schedule.stop()
        if tier.timer is not None:
            tier.timer.cancel()
        for url in tier.informed:
            query = self._query(announced, tier, url, AnnounceEvent.STOPPED)
            self._say_farewell(info_hash, url, query)

    # ---- what is told of them

    def statuses(self, info_hash: InfoHash, tiers: Sequence[Sequence[str]]) -> tuple[TrackerStatus, ...]:
        """How these trackers of a torrent stand, whether it runs or not."""
        from blobtorrent.core.session.trackerstatus import tracker_status, unspoken

        announced, now, wall = self._running.get(info_hash), self._clock.now(), self._clock.wall()
        asked = {} if announced is None else {
            (tier.wire_hash, url): tier for tier in announced.tiers for url in tier.order}
        answers = {} if announced is None else announced.answers
        swarms = [(name, digest[:WIRE_BYTES]) for name, digest in info_hash._asdict().items() if digest]
        return tuple(
            tracker_status(number, swarm, url, asked.get((wire_hash, url)), answers.get((wire_hash, url)),
                           now=now, wall=wall)
            if url.lower().startswith(_SCHEMES) else unspoken(number, swarm, url)
            for number, urls in enumerate(tiers) for url in urls for swarm, wire_hash in swarms
        )

    def _note(self, announced: _Announced, answer: AnnounceDone) -> None:
        from blobtorrent.core.session.trackerstatus import answered

        key = (answer.query.wire_hash, answer.url)
        announced.answers[key] = answered(answer, announced.answers.get(key), self._clock.wall())

    # ---- rounds of a tier

    def _begin_round(self, info_hash: InfoHash, tier: _Tier) -> None:
        tier.untried = list(tier.order)
        self._ask_next(info_hash, tier)

    def _ask_next(self, info_hash: InfoHash, tier: _Tier) -> None:
        url = tier.asked = tier.untried.pop(0)
        event = AnnounceEvent.NONE if url in tier.informed else AnnounceEvent.STARTED
        query = self._query(self._running[info_hash], tier, url, event)
        self._post(Announce(info_hash, url, query, self._outlets.inbox))

    def _end_attempt(self, answer: AnnounceDone, tier: _Tier) -> None:
        """A scheduled announce ended: wait for the next one, or try the next tracker of the tier."""
        now, reply = self._clock.now(), answer.reply
        if reply is None:
            if tier.untried:
                self._ask_next(answer.info_hash, tier)
                return
            tier.schedule.on_failure(now)
        else:
            if reply.warning:
                log.warning("tracker warns", torrent=answer.info_hash, tracker=answer.url, detail=reply.warning)
            log.info("announced", torrent=answer.info_hash, tracker=answer.url, peers=len(answer.endpoints))
            tier.order.on_reply(answer.url)
            tier.schedule.on_reply(now, interval_s=reply.interval_s)
            tier.informed = [url for url in tier.informed if url != answer.url] + [answer.url]
            if reply.tracker_id:
                tier.tracker_ids[answer.url] = reply.tracker_id
            self._tell_completed(answer.info_hash, tier)
        self._set_timer(answer.info_hash, tier)

    def _set_timer(self, info_hash: InfoHash, tier: _Tier) -> None:
        if tier.timer is not None:
            tier.timer.cancel()
        due_s = tier.schedule.next_due_s
        if due_s is not None:
            tier.timer = self._timers.at(due_s, lambda: self._on_due(info_hash, tier))

    def _on_due(self, info_hash: InfoHash, tier: _Tier) -> None:
        if tier.schedule.expire(self._clock.now()):
            self._begin_round(info_hash, tier)

    # ---- what is told out of turn

    def _tell_completed(self, info_hash: InfoHash, tier: _Tier) -> None:
        if not tier.owes_completed or not tier.informed:
            return
        tier.owes_completed = False
        url = tier.informed[-1]
        query = self._query(self._running[info_hash], tier, url, AnnounceEvent.COMPLETED)
        self._post(Announce(info_hash, url, query, self._outlets.inbox))

    def _say_farewell(self, info_hash: InfoHash, url: str, query: AnnounceQuery) -> None:
        self._farewells += 1
        self._post(Announce(info_hash, url, query, self._outlets.inbox, FAREWELL_TIMEOUT_S))

    def _post(self, announce: Announce) -> None:
        """Send it when the tracker has answered the one before: calls run side by side, events must not."""
        line = self._lines.setdefault((announce.url, announce.query.wire_hash), deque())
        line.append(announce)
        if len(line) == 1:
            self._outlets.outcalls.post(announce)

    def _advance(self, answer: AnnounceDone) -> None:
        line = self._lines[answer.url, answer.query.wire_hash]
        line.popleft()
        if line:
            self._outlets.outcalls.post(line[0])
        else:
            del self._lines[answer.url, answer.query.wire_hash]

    def _tier_of(self, announced: _Announced, answer: AnnounceDone) -> _Tier | None:
        """The tier an answer belongs to; None for one of an earlier run of the torrent."""
        for tier in announced.tiers:
            is_meant = tier.asked == answer.url or answer.query.event is AnnounceEvent.COMPLETED
            if tier.wire_hash == answer.query.wire_hash and is_meant and answer.url in tier.order:
                return tier
        return None

    def _query(self, announced: _Announced, tier: _Tier, url: str, event: AnnounceEvent) -> AnnounceQuery:
        progress = announced.progress
        return AnnounceQuery(
            wire_hash=tier.wire_hash,
            peer_id=self._peer_id,
            port=self.listen_port,
            uploaded=progress.uploaded,
            downloaded=progress.downloaded,
            left=progress.left,
            event=event,
            num_want=0 if event is AnnounceEvent.STOPPED else NUM_WANT,
            key=self._key,
            tracker_id=tier.tracker_ids.get(url, b""),
        )


def _spoken(tier: Iterable[str]) -> list[str]:
    """The trackers of a tier that we can talk to."""
    return [url for url in tier if url.lower().startswith(_SCHEMES)]
