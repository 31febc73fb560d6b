"""AnnounceManager: tells trackers about us and brings the peers they name. Owned by `core`.

All tiers of a torrent are served at the same time; of one tier, one tracker that works (BEP 12), unless all are to be
told. One that does not answer soon is not waited for: the next of its tier is asked meanwhile. A hybrid torrent has
two swarms, so it is announced under both of its wire forms; and from each address that we listen on (BEP 7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from blobtorrent.core.session.announcequeue import AnnounceQueue, Line, Turn, is_udp
from blobtorrent.core.session.announcetier import Attempt, Tier
from blobtorrent.core.session.commands import Tiers
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.discovery.messages import ANYWHERE, Announce, AnnounceDone, Origin
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import Conflict
from blobtorrent.model.ids import WIRE_BYTES, InfoHash, PeerId
from blobtorrent.protocol.tracker.announce import AnnounceEvent, AnnounceQuery, SwarmCounts
from blobtorrent.protocol.tracker.faults import TrackerRefused
from blobtorrent.protocol.tracker.tiers import Shuffler
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.ownership import owned
from blobtorrent.runtime.timers import TimerWheel

if TYPE_CHECKING:
    from blobtorrent.core.session.scrapes import ScrapeManager
    from blobtorrent.core.session.trackerstatus import Answered
    from blobtorrent.model.details import TrackerStatus

log = get_logger(__name__)

FAREWELL_TIMEOUT_S = 5.0               # for `stopped`: nobody wants to wait for a tracker to end a program
CALL_TIMEOUT_S = 20.0                  # over HTTP
DATAGRAM_TIMEOUT_S = 60.0              # over UDP: it is sent at once, after 15 s and after 45 s
HEDGE_S = 5.0                          # without an answer; then the next tracker of the tier is asked, too
NUM_WANT = 200                         # peers asked for
_SCHEMES = ("http://", "https://", "udp://")       # of the trackers we can talk to
_SCHEDULED = (AnnounceEvent.NONE, AnnounceEvent.STARTED)


class _Progress(NamedTuple):
    """What trackers are told of a torrent, in bytes."""

    left: int
    uploaded: int = 0
    downloaded: int = 0


class _Announced:
    """A running torrent as its trackers know it."""

    def __init__(self, progress: _Progress, urls: Tiers, first_turn: Turn, *, is_private: bool) -> None:
        self.tiers: list[Tier] = []
        self.urls = urls
        self.progress = progress
        self.first_turn = first_turn
        self.is_private = is_private
        self.answers: dict[tuple[bytes, str], Answered] = {}           # the last of each tracker of each swarm


@owned
class AnnounceManager:
    """`listen_port` is what peers are told to connect to, `origins` are the addresses that trackers are asked from;
    `key` tells a tracker that we are still the same. `scrapes` is there when somebody wants to see counts.
    """

    def __init__(
        self, outlets: Outlets, *, clock: Clock, timers: TimerWheel, rng: Shuffler, peer_id: PeerId, key: int,
        to_all: bool = False,
    ) -> None:
        self.listen_port = 0
        self.origins: tuple[Origin, ...] = (ANYWHERE,)
        self.scrapes: ScrapeManager | None = None
        # Gets the address that a tracker sees us at, and the tracker's URL (BEP 24).
        self.on_external: Callable[[str, str], None] = lambda host, url: None
        self.results: Counter[str] = Counter()             # of announces: "ok", or the code of the error
        self._outlets = outlets
        self._clock = clock
        self._timers = timers
        self._rng = rng
        self._peer_id = peer_id
        self._key = key
        self._to_all = to_all
        self._born_at = clock.wall()
        self._running: dict[InfoHash, _Announced] = {}
        self._queue = AnnounceQueue()
        self._farewells = 0
        # What is owed to trackers that have not answered `started`, of torrents that were stopped meanwhile.
        self._unsaid: dict[tuple[InfoHash, Line], AnnounceQuery] = {}

    @property
    def is_quiet(self) -> bool:
        """No tracker is being told that we leave."""
        return self._farewells == 0

    @property
    def waiting(self) -> int:
        """Announces that are not answered yet."""
        return len(self._queue)

    def apply(self, *, to_all: bool) -> None:
        """Whether all trackers of a tier are told of us, or only the first that answers."""
        if to_all != self._to_all:
            self._to_all = to_all
            for info_hash, announced in self._running.items():
                self.change(info_hash, announced.urls)

    def begin(self, info_hash: InfoHash, urls: Tiers, left_bytes: int, *, is_private: bool = False,
              added_at: float | None = None) -> None:
        """The torrent runs: announce it to all its tiers. Torrents of earlier runs, by when they were added, wait for
        those of this one. One that runs already, for its metadata, goes on with these figures."""
        running = self._running.get(info_hash)
        if running is not None:
            running.progress, running.is_private = _Progress(left_bytes), is_private
            self.change(info_hash, urls)
            return
        self._unsaid = {key: query for key, query in self._unsaid.items() if key[0] != info_hash}
        first_turn = Turn.SOON if added_at is None or added_at >= self._born_at else Turn.LATER
        self._running[info_hash] = _Announced(_Progress(left_bytes), urls, first_turn, is_private=is_private)
        self.change(info_hash, urls)

    def change(self, info_hash: InfoHash, urls: Tiers) -> None:
        """A running torrent has these trackers from now on: new tiers are asked at once, trackers that are none of its
        own any more are told that we leave."""
        announced, now = self._running[info_hash], self._clock.now()
        announced.urls = urls
        before = {(tier.wire_hash, frozenset(tier.order)): tier for tier in announced.tiers}
        announced.tiers = []
        for wire_hash in info_hash.wire_forms:
            for spoken in self._tiers_of(announced):
                known = before.pop((wire_hash, frozenset(spoken)), None)
                announced.tiers.append(known or Tier(spoken, wire_hash, self._rng))
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
                tier.turn = announced.first_turn
                self._begin_round(info_hash, tier)
        announced.first_turn = Turn.SOON
        self._flush()

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
        self._flush()

    def again(self, info_hash: InfoHash) -> None:
        """Ask all tiers now, also trackers that want to be left alone. Raises Conflict ("torrent.not-running")."""
        announced = self._running.get(info_hash)
        if announced is None:
            raise Conflict("torrent.not-running", "the torrent is not running")
        for tier in announced.tiers:
            tier.not_before.clear()
            tier.turn = Turn.SOON
            tier.schedule.force(self._clock.now())
            self._set_timer(info_hash, tier)

    def end(self, info_hash: InfoHash) -> None:
        """The torrent stops: tell every tracker that knows of us. Nothing is to be said for one that does not run."""
        announced = self._running.pop(info_hash, None)
        if announced is None:
            return
        for tier in announced.tiers:
            for url, attempt in tier.attempts.items() if tier.owes_completed else ():
                query = self._query(announced, tier, url, AnnounceEvent.COMPLETED)
                for line in (Line(url, tier.wire_hash, origin) for origin in attempt.open):
                    if self._queue.is_under_way(line):
                        self._unsaid[info_hash, line] = query
            self._queue.withdraw(info_hash, [
                Line(url, tier.wire_hash, origin) for url, attempt in tier.attempts.items() for origin in attempt.open])
        for tier in announced.tiers:
            self._leave(info_hash, announced, tier)
        self._flush()

    def on_done(self, answer: AnnounceDone) -> tuple[Endpoint, ...]:
        """Take a tracker's answer; returns the peers it named."""
        self._count(answer)
        self._queue.done(answer)
        endpoints = self._on_answer(answer)
        self._flush()
        return endpoints

    def _on_answer(self, answer: AnnounceDone) -> tuple[Endpoint, ...]:
        event = answer.query.event
        if event is AnnounceEvent.STOPPED:
            self._farewells -= 1
            return ()
        announced = self._running.get(answer.info_hash)
        tier = None if announced is None else _tier_of(announced, answer)
        if announced is None or tier is None:
            if event is AnnounceEvent.STARTED:
                self._on_late_start(answer)
            return ()
        if event in _SCHEDULED:
            attempt = tier.attempt_of(answer)
            if attempt is None:
                return ()
            self._end_attempt(announced, answer, tier, attempt)
        else:
            self._note(announced, answer)
        return answer.endpoints

    def _count(self, answer: AnnounceDone) -> None:
        error = answer.error
        if error is None:
            self.results["ok"] += 1
        elif error.code != "tracker.no-address":           # that it has none of one family is no failure
            self.results[error.code] += 1
            tell = log.debug if answer.origin.family == 6 else log.info    # few machines reach anybody by IPv6
            tell("announce failed", torrent=answer.info_hash, tracker=answer.url, code=error.code, detail=error.detail)

    def _on_late_start(self, answer: AnnounceDone) -> None:
        """The torrent was stopped before the tracker had said that it knows of us: say the rest."""
        info_hash = answer.info_hash
        line = Line(answer.url, answer.query.wire_hash, answer.origin)
        completed = self._unsaid.pop((info_hash, line), None)
        if answer.reply is not None:
            if completed is not None:
                self._put(info_hash, line, completed, Turn.SOON)
            self._say_farewell(info_hash, line, answer.query._replace(event=AnnounceEvent.STOPPED, num_want=0))

    def _leave(self, info_hash: InfoHash, announced: _Announced, tier: Tier) -> None:
        tier.schedule.stop()
        tier.cancel_timers()
        for url, origins in tier.informed.items():
            query = self._query(announced, tier, url, AnnounceEvent.STOPPED)
            for origin in origins:
                self._say_farewell(info_hash, Line(url, tier.wire_hash, origin), query)

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

    def on_scraped(self, info_hash: InfoHash, wire_hash: bytes, url: str, counts: SwarmCounts) -> None:
        """A tracker told how large a swarm is, besides what it answers to announces."""
        from blobtorrent.core.session.trackerstatus import with_counts

        announced = self._running.get(info_hash)
        answered = None if announced is None else announced.answers.get((wire_hash, url))
        if announced is not None and answered is not None:
            announced.answers[wire_hash, url] = with_counts(answered, counts)

    def _note(self, announced: _Announced, answer: AnnounceDone) -> None:
        from blobtorrent.core.session.trackerstatus import answered

        key = (answer.query.wire_hash, answer.url)
        announced.answers[key] = answered(answer, announced.answers.get(key), self._clock.wall())

    # ---- rounds of a tier

    def _begin_round(self, info_hash: InfoHash, tier: Tier) -> None:
        if tier.begin_round(self._clock.now()):
            self._ask_next(info_hash, tier)
        else:
            self._fail_round(info_hash, tier)

    def _ask_next(self, info_hash: InfoHash, tier: Tier) -> None:
        """Ask the next tracker of the round, and one more if it takes its time."""
        if tier.hedge is not None:
            tier.hedge.cancel()
        tier.untried = [url for url in tier.untried if not tier.is_asking(url)]
        if not tier.untried:
            return
        url = tier.untried.pop(0)
        announced, attempt = self._running[info_hash], Attempt()
        tier.attempts[url] = attempt
        for origin in self.origins:
            is_known = origin in tier.informed.get(url, ())
            event = AnnounceEvent.NONE if is_known else AnnounceEvent.STARTED
            query = attempt.open[origin] = self._query(announced, tier, url, event)
            self._put(info_hash, Line(url, tier.wire_hash, origin), query, tier.turn)
        if tier.untried:
            tier.hedge = self._timers.at(self._clock.now() + HEDGE_S, lambda: self._on_hedge(info_hash, tier))

    def _on_hedge(self, info_hash: InfoHash, tier: Tier) -> None:
        tier.hedge = None
        if tier.schedule.is_announcing:
            self._ask_next(info_hash, tier)
            self._flush()

    def _end_attempt(self, announced: _Announced, answer: AnnounceDone, tier: Tier, attempt: Attempt) -> None:
        """A scheduled announce ended: wait for the next one, or try the next tracker of the tier."""
        info_hash, url, now = answer.info_hash, answer.url, self._clock.now()
        is_first = attempt.take(answer)
        if not attempt.open:
            del tier.attempts[url]
        if answer.reply is not None:
            tier.inform(url, answer.origin)
        if attempt.best is answer:
            self._note(announced, answer)
        if is_first and tier.schedule.is_announcing:
            self._on_served(answer, tier)
        elif attempt.best is None and not attempt.open:
            assert attempt.failure is not None
            self._note(announced, attempt.failure)
            error = attempt.failure.error
            if isinstance(error, TrackerRefused) and error.retry_s is not None:
                tier.not_before[url] = now + error.retry_s
            if not tier.schedule.is_announcing:            # another tracker of the tier was quicker
                return
            if tier.untried:
                self._ask_next(info_hash, tier)
            if not tier.attempts:
                self._fail_round(info_hash, tier)

    def _on_served(self, answer: AnnounceDone, tier: Tier) -> None:
        """The first good answer of an attempt."""
        info_hash, url, reply = answer.info_hash, answer.url, answer.reply
        assert reply is not None
        if reply.warning:
            log.warning("tracker warns", torrent=info_hash, tracker=url, detail=reply.warning)
        log.info("announced", torrent=info_hash, tracker=url, peers=len(answer.endpoints))
        tier.order.on_reply(url)
        tier.not_before.pop(url, None)
        tier.untried.clear()
        tier.schedule.on_reply(self._clock.now(), interval_s=reply.interval_s)
        if reply.tracker_id:
            tier.tracker_ids[url] = reply.tracker_id
        if reply.external_host:
            self.on_external(reply.external_host, url)
        if self.scrapes is not None:
            self.scrapes.on_served(info_hash, tier.wire_hash, url, reply)
        self._tell_completed(info_hash, tier)
        tier.turn = Turn.ROUTINE
        self._set_timer(info_hash, tier)

    def _fail_round(self, info_hash: InfoHash, tier: Tier) -> None:
        now = self._clock.now()
        tier.turn = Turn.ROUTINE
        tier.schedule.on_failure(now, rest_s=tier.rest_s(now))
        self._set_timer(info_hash, tier)

    def _set_timer(self, info_hash: InfoHash, tier: Tier) -> None:
        tier.cancel_timers()
        due_s = tier.schedule.next_due_s
        if due_s is not None and due_s != float("inf"):
            tier.timer = self._timers.at(due_s, lambda: self._on_due(info_hash, tier))

    def _on_due(self, info_hash: InfoHash, tier: Tier) -> None:
        if tier.schedule.expire(self._clock.now()):
            self._begin_round(info_hash, tier)
            self._flush()

    # ---- what is told out of turn

    def _tell_completed(self, info_hash: InfoHash, tier: Tier) -> None:
        if not tier.owes_completed or not tier.informed:
            return
        tier.owes_completed = False
        url = tier.in_use
        query = self._query(self._running[info_hash], tier, url, AnnounceEvent.COMPLETED)
        for origin in tier.informed[url]:
            self._put(info_hash, Line(url, tier.wire_hash, origin), query, Turn.SOON)

    def _say_farewell(self, info_hash: InfoHash, line: Line, query: AnnounceQuery) -> None:
        self._farewells += 1
        self._put(info_hash, line, query, Turn.SOON)

    def _put(self, info_hash: InfoHash, line: Line, query: AnnounceQuery, turn: Turn) -> None:
        """Send it in its turn, and when the tracker has answered the one before: calls run side by side, events must
        not."""
        if query.event is AnnounceEvent.STOPPED:
            timeout_s = FAREWELL_TIMEOUT_S
        else:
            timeout_s = DATAGRAM_TIMEOUT_S if is_udp(line.url) else CALL_TIMEOUT_S
        self._queue.put(Announce(info_hash, line.url, query, self._outlets.inbox, timeout_s, line.origin), turn)

    def _flush(self) -> None:
        for announce in self._queue.take():
            (self._outlets.udp if is_udp(announce.url) else self._outlets.outcalls).post(announce)

    def _query(self, announced: _Announced, tier: Tier, url: str, event: AnnounceEvent) -> AnnounceQuery:
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

    def _tiers_of(self, announced: _Announced) -> list[list[str]]:
        """The trackers that we can talk to. With `to_all` each is a tier of its own; a private torrent has one tracker
        at a time (BEP 27)."""
        tiers = [[url for url in tier if url.lower().startswith(_SCHEMES)] for tier in announced.urls]
        if self._to_all and not announced.is_private:
            return [[url] for tier in tiers for url in tier]
        return [tier for tier in tiers if tier]


def _tier_of(announced: _Announced, answer: AnnounceDone) -> Tier | None:
    """The tier whose tracker has answered; None when it is none of the torrent's any more."""
    return next((tier for tier in announced.tiers
                 if tier.wire_hash == answer.query.wire_hash and answer.url in tier.order), None)
