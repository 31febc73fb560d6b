"""A tier of trackers of one swarm: whom to ask next, who is asked, and who knows of us. Pure.

One of the tier serves (BEP 12). It may have to be told from several of our addresses, IPv4 and IPv6, as far as it can
be reached from each (BEP 7): it serves when one of them was answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from blobtorrent.core.session.announcequeue import Turn
from blobtorrent.discovery.messages import AnnounceDone, Origin
from blobtorrent.protocol.tracker.announce import AnnounceQuery
from blobtorrent.protocol.tracker.tiers import Shuffler, TrackerSchedule, TrackerTiers
from blobtorrent.runtime.timers import Timer

_SAYS_LITTLE = ("tracker.no-address", "tracker.unreachable")


class Attempt:
    """One tracker that is asked in turn, from all our addresses at once."""

    def __init__(self) -> None:
        self.open: dict[Origin, AnnounceQuery] = {}        # what is not answered yet
        self.best: AnnounceDone | None = None      # the answer with most peers
        self.failure: AnnounceDone | None = None   # the one that tells most

    def take(self, answer: AnnounceDone) -> bool:
        """True when the answer is the first good one."""
        del self.open[answer.origin]
        if answer.reply is None:
            assert answer.error is not None
            if self.failure is None or answer.error.code not in _SAYS_LITTLE:
                self.failure = answer
            return False
        is_first = self.best is None
        if self.best is None or len(answer.endpoints) > len(self.best.endpoints):
            self.best = answer
        return is_first


class Tier:
    """`urls` stand for each other."""

    def __init__(self, urls: Iterable[str], wire_hash: bytes, rng: Shuffler) -> None:
        self.wire_hash = wire_hash
        self.order = TrackerTiers([urls], rng)
        self.schedule = TrackerSchedule()
        self.turn = Turn.SOON          # of what is asked in this round
        self.untried: list[str] = []   # in this round
        self.attempts: dict[str, Attempt] = {}
        self.informed: dict[str, set[Origin]] = {}         # who took our `started`; the last is the one in use
        self.not_before: dict[str, float] = {}             # trackers that want to be left alone (BEP 31)
        self.owes_completed = False
        self.tracker_ids: dict[str, bytes] = {}
        self.timer: Timer | None = None            # of the schedule
        self.hedge: Timer | None = None            # when the next tracker is asked, too

    @property
    def in_use(self) -> str:
        """The tracker that answered last; empty before one has."""
        return next(reversed(self.informed), "")

    def is_asking(self, url: str) -> bool:
        return url in self.attempts

    def attempt_of(self, answer: AnnounceDone) -> Attempt | None:
        """The one that this is the answer to; None for an answer to an earlier run of the torrent."""
        attempt = self.attempts.get(answer.url)
        is_meant = attempt is not None and attempt.open.get(answer.origin) is answer.query
        return attempt if is_meant else None

    def begin_round(self, now: float) -> bool:
        """False when all trackers want to be left alone."""
        self.untried = [url for url in self.order if self.not_before.get(url, 0.0) <= now]
        return bool(self.untried)

    def inform(self, url: str, origin: Origin) -> None:
        """It knows of us; it is in use from now on unless another of the tier was quicker."""
        origins = self.informed.get(url, set()) | {origin}
        if self.schedule.is_announcing:
            self.informed.pop(url, None)
        elif url not in self.informed:
            self.informed = {url: origins, **self.informed}
        self.informed[url] = origins

    def rest_s(self, now: float) -> float | None:
        """For how long all trackers want to be left alone; None when one does not."""
        times = [self.not_before.get(url, 0.0) - now for url in self.order]
        return min(times) if times and min(times) > 0 else None

    def take_over(self, other: Tier) -> None:
        """Of a tier that is given up, what its trackers know of us, as far as they are ours now."""
        if other.wire_hash != self.wire_hash:
            return
        ours = [url for url in other.informed if url in self.order]
        for url in ours:
            self.informed[url] = self.informed.get(url, set()) | other.informed.pop(url)
        self.tracker_ids.update((url, other.tracker_ids[url]) for url in ours if url in other.tracker_ids)
        self.owes_completed |= other.owes_completed and bool(ours)

    def cancel_timers(self) -> None:
        for timer in (self.timer, self.hedge):
            if timer is not None:
                timer.cancel()
        self.timer = self.hedge = None


def origins_of(listening: Sequence[tuple[str, int]]) -> tuple[Origin, ...]:
    """From where trackers are told of us, by the addresses that we listen on: each of them, if there are several.

    On a machine with one, or none, whichever address leads to the tracker does: that family may be the only one that
    it has.
    """
    origins = list(dict.fromkeys(
        Origin(6 if ":" in host else 4, "" if host in _ANY_HOSTS or _is_loopback(host) else host)
        for host, _ in listening))
    if len(origins) > 1:
        return tuple(origins)
    return (Origin(0, origins[0].host) if origins else Origin(),)


_ANY_HOSTS = ("0.0.0.0", "::")


def _is_loopback(host: str) -> bool:
    return host == "::1" or host.startswith("127.")
