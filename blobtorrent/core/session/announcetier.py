"""Trackers of one swarm that stand for each other: whom to ask next, who is asked, and who served last. Pure.

One of them serves (BEP 12). It may have to be told from several of our addresses, IPv4 and IPv6, as far as it can be
reached from each (BEP 7): it serves when one of them was answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from blobtorrent.core.session.announcequeue import Line, Turn
from blobtorrent.discovery.messages import AnnounceDone, Origin
from blobtorrent.protocol.tracker.tiers import TrackerSchedule, TrackerTiers
from blobtorrent.runtime.timers import Timer

if TYPE_CHECKING:
    from blobtorrent.core.session.trackerstatus import Answered

_SAYS_LITTLE = ("tracker.no-address", "tracker.unreachable")


class Tracker:
    """What one tracker has said of one swarm of a running torrent."""

    def __init__(self) -> None:
        self.tracker_id = b""
        self.not_before = 0.0          # it wants to be left alone until then (BEP 31)
        self.answered: Answered | None = None              # the last time


class Attempt:
    """One tracker that is asked in turn, from all our addresses at once."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = tuple(lines)
        self.open = set(self.lines)    # what is not answered yet
        self.best: AnnounceDone | None = None      # the answer with most peers
        self.failure: AnnounceDone | None = None   # the one that tells most

    @property
    def is_vain(self) -> bool:
        """All have failed."""
        return self.best is None and not self.open

    def take(self, line: Line, answer: AnnounceDone) -> bool:
        """True when the answer is the first good one."""
        self.open.discard(line)
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
    """One of a torrent's tiers, or, with `is_only`, all of them in their order: then no two know of us, but for the
    time that it takes to change from one to the other."""

    def __init__(self, order: TrackerTiers, wire_hash: bytes, trackers: Mapping[str, Tracker], *,
                 is_only: bool) -> None:
        self.order = order
        self.wire_hash = wire_hash
        self.trackers = trackers       # by URL
        self.is_only = is_only
        self.schedule = TrackerSchedule()
        self.turn = Turn.SOON          # of what is asked in this round
        self.untried: list[str] = []   # in this round
        self.attempts: dict[str, Attempt] = {}             # of this round, or the last one; the last is the newest
        self.in_use = ""               # the tracker that served last, be it ours or not; empty before one has
        self.timer: Timer | None = None            # of the schedule
        self.hedge: Timer | None = None            # when to look whether the next tracker is to be asked, too

    def is_asking(self, url: str) -> bool:
        attempt = self.attempts.get(url)
        return attempt is not None and attempt.best is None

    def attempt_of(self, line: Line) -> Attempt | None:
        """The one that waits for an answer of this line."""
        attempt = self.attempts.get(line.url)
        return attempt if attempt is not None and line in attempt.open else None

    def begin_round(self, now: float) -> None:
        """Those that want to be left alone are not asked."""
        self.attempts.clear()
        self.untried = [url for url in self.order if self.trackers[url].not_before <= now]

    def use(self, url: str) -> None:
        """It serves."""
        self.order.on_reply(url)
        self.trackers[url].not_before = 0.0
        self.in_use = url

    def follow(self, former: Tier) -> None:
        """This one comes in its place, or in the place of it and others."""
        if former.in_use in self.trackers:
            self.use(former.in_use)
        elif self.is_only and not self.in_use:
            self.in_use = former.in_use

    def rest_s(self, now: float) -> float | None:
        """For how long all trackers want to be left alone; None when one does not."""
        times = [self.trackers[url].not_before - now for url in self.order]
        return min(times) if times and min(times) > 0 else None

    def cancel_timers(self) -> None:
        for timer in (self.timer, self.hedge):
            if timer is not None:
                timer.cancel()
        self.timer = self.hedge = None


def origins_of(listening: Sequence[tuple[str, int]]) -> tuple[Origin, ...]:
    """From where trackers are told of us, by the addresses that we listen on: each of them, if there are several.

    With one family, or none, whichever address leads to the tracker does: that family may be the only one that it
    has. But where we listen on one address only, that is the one, and no other family can be asked from it.
    """
    origins = list(dict.fromkeys(
        Origin(6 if ":" in host else 4, "" if host in _ANY_HOSTS or _is_loopback(host) else host)
        for host, _ in listening))
    if len(origins) > 1 or any(origin.host for origin in origins):
        return tuple(origins)
    return (Origin(),)


_ANY_HOSTS = ("0.0.0.0", "::")


def _is_loopback(host: str) -> bool:
    return host == "::1" or host.startswith("127.")
