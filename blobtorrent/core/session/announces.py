"""AnnounceManager: tells trackers about us and brings the peers they name. Owned by `core`.

All tiers of a torrent are served at the same time; of one tier, one tracker that works (BEP 12), unless all are to be
told. One that does not answer soon is not waited for: the next of its tier is asked meanwhile. A private torrent has
one tracker at a time, whatever its tiers: the others are for when that one fails, and then it is told that we leave
(BEP 27). A hybrid torrent has two swarms, so it is announced under both of its wire forms; and from each address that
we listen on (BEP 7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from blobtorrent.core.session.announced import Announced, Progress
from blobtorrent.core.session.announceledger import AnnounceLedger, Share
from blobtorrent.core.session.announcequeue import MAX_CALLS, AnnounceQueue, Line, Turn, is_udp, line_of
from blobtorrent.core.session.announcetier import Attempt, Tier, Tracker
from blobtorrent.core.session.commands import Tiers
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.discovery.messages import ANYWHERE, Announce, AnnounceDone, Origin
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import Conflict
from blobtorrent.model.ids import WIRE_BYTES, InfoHash, PeerId
from blobtorrent.model.urls import host_of
from blobtorrent.protocol.tracker.announce import AnnounceEvent, AnnounceQuery, SwarmCounts
from blobtorrent.protocol.tracker.faults import TrackerRefused
from blobtorrent.protocol.tracker.tiers import Shuffler, TrackerTiers
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.ownership import owned
from blobtorrent.runtime.timers import TimerWheel

if TYPE_CHECKING:
    from blobtorrent.core.session.scrapes import ScrapeManager
    from blobtorrent.model.details import TrackerStatus

log = get_logger(__name__)

FAREWELL_TIMEOUT_S = 5.0               # for `stopped`: nobody wants to wait for a tracker to end a program
CALL_TIMEOUT_S = 20.0                  # over HTTP
DATAGRAM_TIMEOUT_S = 60.0              # over UDP: it is sent at once, after 15 s and after 45 s
HEDGE_S = 5.0                          # without an answer; then the next tracker of the tier is asked, too
NUM_WANT = 200                         # peers asked for
_SCHEMES = ("http://", "https://", "udp://")       # of the trackers we can talk to


@owned
class AnnounceManager:
    """`listen_port` is what peers are told to connect to, `origins` are the addresses that trackers are asked from;
    `key` tells a tracker that we are still the same. `scrapes` is there when somebody wants to see counts.
    """

    def __init__(
        self, outlets: Outlets, *, clock: Clock, timers: TimerWheel, rng: Shuffler, peer_id: PeerId, key: int,
        to_all: bool = False, speaks_udp: bool = True, num_want: int = NUM_WANT, own_address: str = "",
        max_calls: int = MAX_CALLS,
    ) -> None:
        self.listen_port = 0
        self.origins: tuple[Origin, ...] = (ANYWHERE,)
        self.scrapes: ScrapeManager | None = None
        # How many peers the trackers of a torrent are asked for; None: as many as others.
        self.peers_wanted: Callable[[InfoHash], int | None] = lambda info_hash: None
        # Gets the address that a tracker sees us at, and the tracker's URL (BEP 24).
        self.on_external: Callable[[str, str], None] = lambda host, url: None
        # Called when a private torrent has another tracker than before.
        self.on_other_tracker: Callable[[InfoHash], None] = lambda info_hash: None
        self.results: Counter[str] = Counter()             # of announces: "ok", or the code of the error
        self.heard_s = 0.0             # when a tracker answered last that we leave
        self._outlets = outlets
        self._clock = clock
        self._timers = timers
        self._rng = rng
        self._peer_id = peer_id
        self._key = key
        self._to_all = to_all
        self._speaks_udp = speaks_udp
        self._num_want = num_want
        self._own_address = own_address
        self._born_at = clock.wall()
        self._running: dict[InfoHash, Announced] = {}
        self._queue = AnnounceQueue(max_calls)
        self._ledger = AnnounceLedger()

    @property
    def is_quiet(self) -> bool:
        """No tracker has to hear yet that we leave."""
        return self._ledger.is_quiet

    @property
    def waiting(self) -> int:
        """Announces that are not answered yet."""
        return len(self._queue)

    def apply(self, *, to_all: bool, speaks_udp: bool, num_want: int, own_address: str, max_calls: int) -> None:
        """Whether all trackers of a tier are told of us, or only the first that answers, and those over UDP, too; how
        many peers they are asked for, which address of ours they are told, if any, and how many are asked over HTTP at
        the same time."""
        self._queue.max_calls = max_calls
        self._num_want, self._own_address = num_want, own_address
        if (to_all, speaks_udp) != (self._to_all, self._speaks_udp):
            self._to_all, self._speaks_udp = to_all, speaks_udp
            for info_hash, announced in self._running.items():
                self.change(info_hash, announced.urls)
        self._flush()

    def begin(self, info_hash: InfoHash, urls: Tiers, left_bytes: int, *, is_private: bool = False,
              added_at: float | None = None) -> None:
        """The torrent runs: announce it to all its tiers. Torrents of earlier runs, by when they were added, wait for
        those of this one. One that runs already, for its metadata, goes on with these figures."""
        running = self._running.get(info_hash)
        if running is not None:
            running.progress, running.is_private = Progress(left_bytes), is_private
        else:
            first_turn = Turn.SOON if added_at is None or added_at >= self._born_at else Turn.LATER
            self._running[info_hash] = Announced(
                info_hash, Progress(left_bytes), urls, first_turn, is_private=is_private)
        self.change(info_hash, urls)

    def change(self, info_hash: InfoHash, urls: Tiers) -> None:
        """A running torrent has these trackers from now on: new tiers are asked at once, trackers that are none of its
        own any more are told that we leave."""
        announced, now = self._running[info_hash], self._clock.now()
        announced.urls = urls
        before, announced.tiers = announced.tiers, self._tiers_of(announced)
        for tier in before:
            if tier not in announced.tiers:
                tier.schedule.stop()
                tier.cancel_timers()
        for line in [line for line in announced.lines if announced.tier_of(line) is None]:
            self._leave(announced, line)
        announced.trackers = {}
        for tier in announced.tiers:
            announced.trackers.setdefault(tier.wire_hash, {}).update(tier.trackers)
            if tier.schedule.is_idle:
                tier.schedule.start(now)
                tier.turn = announced.first_turn
                self._begin_round(announced, tier)
                self._keep_one(announced, tier)
        announced.first_turn = Turn.SOON
        self._flush()

    def on_progress(self, info_hash: InfoHash, *, uploaded: int, downloaded: int, left: int) -> None:
        """Figures for the next announces."""
        announced = self._running.get(info_hash)
        if announced is not None:
            announced.progress = Progress(left, uploaded, downloaded)

    def complete(self, info_hash: InfoHash) -> None:
        """The last byte was downloaded just now: told once to each tracker that knows us in this run."""
        announced = self._running[info_hash]
        announced.has_completed = True
        for line in announced.lines:
            self._ledger.complete(line)
            self._tell(line)
        self._flush()

    def again(self, info_hash: InfoHash) -> None:
        """Ask all tiers now, also trackers that want to be left alone. Raises Conflict ("torrent.not-running")."""
        announced = self._running.get(info_hash)
        if announced is None:
            raise Conflict("torrent.not-running", "the torrent is not running")
        for tier in announced.tiers:
            for tracker in tier.trackers.values():
                tracker.not_before = 0.0
            tier.turn = Turn.SOON
            tier.schedule.force(self._clock.now())
            self._set_timer(announced, tier)

    def hasten(self, info_hash: InfoHash, links: int, *, seeding: bool) -> None:
        """The torrent has `links` peers, which are few: ask for more as soon as the trackers in use allow, as far as
        they count any that it has not. A seed has no use for others."""
        announced = self._running.get(info_hash)
        if announced is None:
            return
        for tier in announced.tiers:
            told = tier.trackers[tier.in_use].answered if tier.in_use in tier.trackers else None
            if told is not None and told.leeches is not None:
                others = told.leeches if seeding else told.leeches - 1 + (told.seeds or 0)
                if others <= links:
                    continue
            if tier.schedule.hasten(self._clock.now()):
                self._set_timer(announced, tier)

    def end(self, info_hash: InfoHash) -> None:
        """The torrent stops: tell every tracker that knows of us. Nothing is to be said for one that does not run."""
        announced = self._running.pop(info_hash, None)
        if announced is None:
            return
        for tier in announced.tiers:
            tier.schedule.stop()
            tier.cancel_timers()
        for line in list(announced.lines):
            self._leave(announced, line)
        self._flush()

    def on_done(self, answer: AnnounceDone) -> tuple[Endpoint, ...]:
        """Take a tracker's answer; returns the peers it named."""
        if not self._queue.done(answer):
            return ()
        if answer.error is not None or answer.reply is not None and answer.reply.warning:
            from blobtorrent.core.session.trackerstatus import without_secrets

            answer = without_secrets(answer)
        self._count(answer)
        line = line_of(answer)
        endpoints = self._on_answer(line, answer, self._ledger.answered(line, is_taken=answer.reply is not None))
        self._tell(line)
        self._flush()
        return endpoints

    def _on_answer(self, line: Line, answer: AnnounceDone, share: Share) -> tuple[Endpoint, ...]:
        if answer.query.event is AnnounceEvent.STOPPED:
            if answer.reply is not None:
                self.heard_s = self._clock.now()
            return ()
        announced = self._running.get(answer.info_hash)
        tier = None if announced is None else announced.tier_of(line)
        if announced is None or tier is None:
            return ()
        if share is Share.PAST:        # its peers are peers, but those of a tracker that we left are not for all
            return () if announced.is_private else answer.endpoints
        attempt = tier.attempt_of(line) if share is Share.ROUND else None
        if attempt is not None:
            self._end_attempt(announced, answer, tier, attempt)
        else:
            self._note(tier, answer)
        return answer.endpoints

    def _count(self, answer: AnnounceDone) -> None:
        error = answer.error
        if error is None:
            self.results["ok"] += 1
        elif error.code != "tracker.no-address":           # that it has none of one family is no failure
            self.results[error.code] += 1
            tell = log.debug if answer.origin.family == 6 else log.info    # few machines reach anybody by IPv6
            tell("announce failed", torrent=answer.info_hash, tracker=answer.url, code=error.code, detail=error.detail)

    # ---- what is told of them

    def statuses(self, info_hash: InfoHash, tiers: Sequence[Sequence[str]]) -> tuple[TrackerStatus, ...]:
        """How these trackers of a torrent stand, whether it runs or not."""
        from blobtorrent.core.session.trackerstatus import tracker_status, unspoken

        announced, now, wall = self._running.get(info_hash), self._clock.now(), self._clock.wall()
        asked = {} if announced is None else {
            (tier.wire_hash, url): tier for tier in announced.tiers for url in tier.trackers}
        swarms = [(name, digest[:WIRE_BYTES]) for name, digest in info_hash._asdict().items() if digest]
        return tuple(
            tracker_status(number, swarm, url, asked.get((wire_hash, url)), now=now, wall=wall)
            if self._speaks(url) else unspoken(number, swarm, url)
            for number, urls in enumerate(tiers) for url in urls for swarm, wire_hash in swarms
        )

    def serving(self, info_hash: InfoHash) -> list[tuple[bytes, str, float]]:
        """The trackers that serve a torrent now: wire form, URL, and when it answered last, in seconds since 1970."""
        announced = self._running.get(info_hash)
        return [] if announced is None else [
            (tier.wire_hash, tier.in_use, told.at) for tier in announced.tiers
            if tier.in_use in tier.trackers and (told := tier.trackers[tier.in_use].answered) is not None]

    def on_scraped(self, info_hash: InfoHash, wire_hash: bytes, url: str, counts: SwarmCounts) -> None:
        """A tracker told how large a swarm is, besides what it answers to announces."""
        from blobtorrent.core.session.trackerstatus import with_counts

        announced = self._running.get(info_hash)
        tracker = None if announced is None else announced.trackers.get(wire_hash, {}).get(url)
        if tracker is not None and tracker.answered is not None:
            tracker.answered = with_counts(tracker.answered, counts)

    def _note(self, tier: Tier, answer: AnnounceDone) -> None:
        from blobtorrent.core.session.trackerstatus import answered

        tracker = tier.trackers[answer.url]
        tracker.answered = answered(answer, tracker.answered, self._clock.wall())

    # ---- rounds of a tier

    def _begin_round(self, announced: Announced, tier: Tier) -> None:
        tier.begin_round(self._clock.now())
        if tier.untried:
            self._ask_next(announced, tier)
        else:
            self._fail_round(announced, tier)

    def _ask_next(self, announced: Announced, tier: Tier) -> None:
        """Ask the next tracker of the round, and one more if it takes its time."""
        url = tier.untried.pop(0)
        attempt = tier.attempts[url] = Attempt(Line(url, tier.wire_hash, origin) for origin in self.origins)
        for line in attempt.lines:
            announced.lines[line] = None
            self._ledger.ask(line, announced.info_hash, has_completed=announced.has_completed)
            self._tell(line)
        self._look_again(announced, tier, attempt, self._clock.now() + HEDGE_S)

    def _look_again(self, announced: Announced, tier: Tier, attempt: Attempt, at_s: float) -> None:
        if tier.hedge is not None:
            tier.hedge.cancel()
        if tier.untried:
            tier.hedge = self._timers.at(at_s, lambda: self._hedge(announced, tier, attempt))

    def _hedge(self, announced: Announced, tier: Tier, attempt: Attempt) -> None:
        """The tracker that was asked last has not answered. If it is only that others are before us, that is no fault
        of its own; but behind a host that does not answer our turn may come in hours."""
        now, url = self._clock.now(), attempt.lines[0].url
        if not tier.schedule.is_announcing:
            return
        sent = {line: self._queue.sent_s(line) for line in attempt.open}
        queued = [line for line, sent_s in sent.items() if sent_s is None]
        is_silent = self._queue.is_silent(url)
        patient_until_s = max((sent_s for sent_s in sent.values() if sent_s is not None), default=now) + HEDGE_S
        if queued and is_silent:
            for line in queued:
                attempt.open.discard(line)
                self._withdraw(line)
                self._ledger.give_up(line)
                self._tell(line)
        if attempt.is_vain:
            del tier.attempts[url]
            self._ask_next(announced, tier)
        elif queued and not is_silent or tier.is_only or patient_until_s > now:
            self._look_again(announced, tier, attempt, patient_until_s if patient_until_s > now else now + HEDGE_S)
        else:
            self._ask_next(announced, tier)
        self._flush()

    def _end_attempt(self, announced: Announced, answer: AnnounceDone, tier: Tier, attempt: Attempt) -> None:
        """A scheduled announce ended: wait for the next one, or try the next tracker of the tier."""
        url = answer.url
        is_first = attempt.take(line_of(answer), answer)
        if attempt.best is answer:
            self._note(tier, answer)
        if is_first and tier.schedule.is_announcing:
            self._on_served(announced, answer, tier)
        elif attempt.is_vain:
            assert attempt.failure is not None
            del tier.attempts[url]
            self._note(tier, attempt.failure)
            error = attempt.failure.error
            if isinstance(error, TrackerRefused) and error.retry_s is not None:
                tier.trackers[url].not_before = self._clock.now() + error.retry_s
            if not tier.schedule.is_announcing:            # another tracker of the tier was quicker
                return
            if tier.untried:
                self._ask_next(announced, tier)
            elif not tier.attempts:
                self._fail_round(announced, tier)

    def _on_served(self, announced: Announced, answer: AnnounceDone, tier: Tier) -> None:
        """The first good answer of an attempt."""
        info_hash, url, reply = answer.info_hash, answer.url, answer.reply
        assert reply is not None
        if reply.warning:
            log.warning("tracker warns", torrent=info_hash, tracker=url, detail=reply.warning)
        log.info("announced", torrent=info_hash, tracker=url, peers=len(answer.endpoints))
        if tier.is_only and tier.in_use and host_of(tier.in_use) != host_of(url):
            log.info("tracker changed", torrent=info_hash, tracker=url, former=tier.in_use)
            self.on_other_tracker(info_hash)
        tier.use(url)
        tier.untried.clear()
        tier.schedule.on_reply(self._clock.now(), interval_s=reply.interval_s, least_s=reply.min_interval_s)
        if reply.tracker_id:
            tier.trackers[url].tracker_id = reply.tracker_id
        if reply.external_host:
            self.on_external(reply.external_host, url)
        if self.scrapes is not None:
            self.scrapes.on_served(info_hash, tier.wire_hash, url, reply)
        self._keep_one(announced, tier)
        tier.turn = Turn.ROUTINE
        self._set_timer(announced, tier)

    def _fail_round(self, announced: Announced, tier: Tier) -> None:
        now = self._clock.now()
        tier.turn = Turn.ROUTINE
        tier.schedule.on_failure(now, rest_s=tier.rest_s(now))
        self._set_timer(announced, tier)

    def _set_timer(self, announced: Announced, tier: Tier) -> None:
        due_s = tier.schedule.next_due_s
        if due_s is None:              # it is being announced
            return
        tier.cancel_timers()
        if due_s != float("inf"):
            tier.timer = self._timers.at(due_s, lambda: self._on_due(announced, tier))

    def _on_due(self, announced: Announced, tier: Tier) -> None:
        if tier.schedule.expire(self._clock.now()):
            self._begin_round(announced, tier)
            self._flush()

    # ---- what a tracker is told

    def _keep_one(self, announced: Announced, tier: Tier) -> None:
        """Of trackers of which one at a time is to know us, leave all but that in use and that which is asked. Other
        URLs of the same host are the same tracker: what it hears last would count."""
        if tier.is_only:
            kept = {host_of(url) for url in (tier.in_use, *filter(tier.is_asking, tier.attempts))}
            for line in [line for line in announced.lines
                         if line.wire_hash == tier.wire_hash and host_of(line.url) not in kept]:
                self._leave(announced, line)

    def _leave(self, announced: Announced, line: Line) -> None:
        """Tell the tracker that we leave, if it knows us, or comes to know us by what is under way."""
        self._withdraw(line)
        del announced.lines[line]
        sent_s = self._queue.sent_s(line)
        is_awaited = sent_s is not None and self._clock.now() - sent_s < HEDGE_S
        self._ledger.leave(line, self._query(announced, line, AnnounceEvent.STOPPED), is_awaited=is_awaited)
        self._tell(line)

    def _withdraw(self, line: Line) -> None:
        """Do not send what waits in the queue."""
        if self._queue.withdraw(line):
            self._ledger.take_back(line)

    def _tell(self, line: Line) -> None:
        """Send what is to be told now in its turn."""
        tell = self._ledger.take(line)
        if tell is None:
            return
        if tell.farewell is not None:
            turn, timeout_s = Turn.LEAVING, FAREWELL_TIMEOUT_S
            query = tell.farewell._replace(event=tell.event)
        else:
            announced = self._running[tell.info_hash]
            tier = announced.tier_of(line)
            turn = Turn.SOON if tier is None or tell.event is AnnounceEvent.COMPLETED else tier.turn
            timeout_s = DATAGRAM_TIMEOUT_S if is_udp(line.url) else CALL_TIMEOUT_S
            query = self._query(announced, line, tell.event)
        self._queue.put(Announce(tell.info_hash, line.url, query, self._outlets.inbox, timeout_s, line.origin), turn)

    def _flush(self) -> None:
        for announce in self._queue.take(self._clock.now()):
            (self._outlets.udp if is_udp(announce.url) else self._outlets.outcalls).post(announce)

    def _query(self, announced: Announced, line: Line, event: AnnounceEvent) -> AnnounceQuery:
        progress = announced.progress
        wanted = 0 if event is AnnounceEvent.STOPPED else self.peers_wanted(announced.info_hash)
        return AnnounceQuery(
            wire_hash=line.wire_hash,
            peer_id=self._peer_id,
            port=self.listen_port,
            uploaded=progress.uploaded,
            downloaded=progress.downloaded,
            left=progress.left,
            event=event,
            num_want=self._num_want if wanted is None else wanted,
            key=self._key,
            tracker_id=announced.trackers[line.wire_hash][line.url].tracker_id,
            own_host=self._own_address if line.origin.family in (0, 6 if ":" in self._own_address else 4) else "",
        )

    # ---- which trackers stand for each other

    def _tiers_of(self, announced: Announced) -> list[Tier]:
        """The tiers that the torrent should have; those that it has already stay as they are."""
        tiers = []
        for spoken in self._spoken(announced):
            order = TrackerTiers(spoken, self._rng)
            for wire_hash in announced.info_hash.wire_forms:
                known = announced.trackers.setdefault(wire_hash, {})
                trackers = {url: known.setdefault(url, Tracker()) for url in order}
                tier = next((tier for tier in announced.tiers if tier.wire_hash == wire_hash
                             and tier.is_only == announced.is_private and tier.order.has_same_as(order)), None)
                if tier is None:
                    tier = Tier(order, wire_hash, trackers, is_only=announced.is_private)
                    for former in announced.tiers:
                        if former.wire_hash == wire_hash:
                            tier.follow(former)
                tiers.append(tier)
        return tiers

    def _speaks(self, url: str) -> bool:
        return url.lower().startswith(_SCHEMES) and (self._speaks_udp or not is_udp(url))

    def _spoken(self, announced: Announced) -> list[list[list[str]]]:
        """The trackers that we can talk to, in tiers, those together of which one is to serve. With `to_all` each is
        alone; a private torrent has one tracker at a time (BEP 27)."""
        tiers = [[url for url in tier if self._speaks(url)] for tier in announced.urls]
        tiers = [tier for tier in tiers if tier]
        if announced.is_private:
            return [tiers] if tiers else []
        if self._to_all:
            return [[[url]] for tier in tiers for url in tier]
        return [[tier] for tier in tiers]
