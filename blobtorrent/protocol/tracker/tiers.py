"""Which tracker to ask (BEP 12: tiers), and when: the machine of one tracker of one torrent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, Protocol

from blobtorrent.protocol.tracker.announce import DEFAULT_INTERVAL_S
from blobtorrent.runtime.machine import Machine, Table

FIRST_BACKOFF_S = 15.0                 # after a failure; doubled with every further one
MAX_BACKOFF_S = 3600.0
HASTENED_INTERVAL_S = 600.0            # however much we lack, unless somebody wants it
FORCED_INTERVAL_S = 5.0                # however often somebody wants it


class Shuffler(Protocol):
    """The part of `random.Random` that is needed here."""

    def shuffle(self, items: Any, /) -> None: ...


class TrackerTiers:
    """The order in which the trackers of a torrent are asked.

    Each tier is shuffled once. All of a tier are tried before the next one, and a tracker that answered moves to the
    front of its own tier.
    """

    def __init__(self, tiers: Iterable[Iterable[str]], rng: Shuffler) -> None:
        """Empty tiers and repeated URLs are dropped."""
        seen: set[str] = set()
        self._tiers: list[list[str]] = []
        for tier in tiers:
            urls = [url for url in dict.fromkeys(tier) if url not in seen]
            seen.update(urls)
            rng.shuffle(urls)
            if urls:
                self._tiers.append(urls)

    def __iter__(self) -> Iterator[str]:
        """The URLs in the order to try them."""
        return (url for tier in list(self._tiers) for url in list(tier))

    def has_same_as(self, other: TrackerTiers) -> bool:
        """Whether both have the same trackers in the same tiers, in whatever order within."""
        return list(map(set, self._tiers)) == list(map(set, other._tiers))

    def on_reply(self, url: str) -> None:
        """A tracker answered. URLs that are not in any tier are ignored."""
        for tier in self._tiers:
            if url in tier:
                tier.remove(url)
                tier.insert(0, url)


class State(Enum):
    IDLE = "idle"                      # not announced: the torrent is stopped
    ANNOUNCING = "announcing"
    WAITING = "waiting"                # until the interval is over
    BACKOFF = "backoff"                # after a failure
    ANY = "any"                        # parent of the four above


class Event(Enum):
    DUE = "due"
    REPLY = "reply"
    FAILURE = "failure"
    STOP = "stop"


TRACKER = Table(
    {
        State.IDLE: {Event.DUE: State.ANNOUNCING},
        State.ANNOUNCING: {Event.REPLY: State.WAITING, Event.FAILURE: State.BACKOFF},
        State.WAITING: {Event.DUE: State.ANNOUNCING},
        State.BACKOFF: {Event.DUE: State.ANNOUNCING},
        State.ANY: {Event.STOP: State.IDLE},
    },
    home=State.IDLE,
    parents={State.ANY: (State.IDLE, State.ANNOUNCING, State.WAITING, State.BACKOFF)},
    faults=(State.BACKOFF,),
)


class TrackerSchedule:
    """When one tracker is asked again. Answers that come after `stop` change nothing: they are late."""

    def __init__(self, interval_s: float = DEFAULT_INTERVAL_S) -> None:
        self.next_due_s: float | None = None       # None: not before something happens
        self.failures = 0                          # in a row
        self._interval_s = interval_s
        self._least_s = interval_s     # it may be asked so soon if need be
        self._asked_s = 0.0
        self._machine = Machine(TRACKER)

    @property
    def state(self) -> State:
        return self._machine.state

    @property
    def is_idle(self) -> bool:
        return self.state is State.IDLE

    @property
    def is_announcing(self) -> bool:
        return self.state is State.ANNOUNCING

    def start(self, now: float) -> None:
        """The torrent runs: announce now. Raises IllegalTransition unless the tracker is IDLE."""
        self._announce(now)

    def expire(self, now: float) -> bool:
        """Whether to announce now; if so the schedule is ANNOUNCING until it hears how that went."""
        if self.next_due_s is None or now < self.next_due_s:
            return False
        self._announce(now)
        return True

    def force(self, now: float) -> None:
        """Somebody wants it announced: now, whatever the tracker said about intervals; but not as fast as he can ask.

        Does nothing while an answer is awaited, or the torrent is stopped.
        """
        if self.next_due_s is not None:
            self.next_due_s = min(self.next_due_s, max(now, self._asked_s + FORCED_INTERVAL_S))

    def hasten(self, now: float) -> bool:
        """Somebody lacks what it could tell: announce as soon as it allows, if it answered last. True when that is
        sooner than before."""
        before = self.next_due_s
        if self.state is State.WAITING and before is not None:
            self.next_due_s = min(before, max(now, self._asked_s + self._least_s))
        return self.next_due_s != before

    def on_reply(self, now: float, *, interval_s: float | None = None, least_s: float = 0.0) -> None:
        """The tracker answered; without an interval the last one stays. `least_s` is the shortest that it allows."""
        if not self.is_announcing:
            return
        self._machine.fire(Event.REPLY)
        self.failures = 0
        self._interval_s = self._interval_s if interval_s is None else interval_s
        self._least_s = max(least_s, HASTENED_INTERVAL_S)
        self.next_due_s = now + self._interval_s

    def on_failure(self, now: float, *, rest_s: float | None = None) -> None:
        """It was not served; with `rest_s` the trackers want to be left alone for at least so long, inf for ever."""
        if not self.is_announcing:
            return
        self._machine.fire(Event.FAILURE)
        backoff_s = min(FIRST_BACKOFF_S * 2.0 ** min(self.failures, 30), MAX_BACKOFF_S)
        self.next_due_s = now + max(backoff_s, rest_s or 0.0)
        self.failures += 1

    def stop(self) -> None:
        """The torrent stopped. What is to be told to the tracker about it is not scheduled: it is told at once."""
        self._machine.fire(Event.STOP)
        self.next_due_s = None
        self.failures = 0

    def _announce(self, now: float) -> None:
        self._machine.fire(Event.DUE)
        self._asked_s = now
        self.next_due_s = None
