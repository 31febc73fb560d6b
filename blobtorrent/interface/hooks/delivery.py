"""Delivery: one event on its way to one hook. Line: the deliveries of one hook, bounded. Pure; owned by one thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum

from blobtorrent.config.doors import HookSettings
from blobtorrent.interface.eventjson import Told
from blobtorrent.interface.hooks.outcome import OK, Outcome
from blobtorrent.runtime.machine import Machine, Table

MAX_WAITING = 1000                     # deliveries of one hook; what comes then is dropped
FIRST_PAUSE_S = 2.0
PAUSE_GROWTH = 4
MAX_PAUSE_S = 600.0


class DeliveryState(Enum):
    WAITING = "waiting"                # for its turn
    RUNNING = "running"
    PAUSING = "pausing"                # it failed and is tried again later
    TOLD = "told"
    LOST = "lost"                      # it failed for good, or nobody wants it any more


class DeliveryEvent(Enum):
    BEGIN = "begin"
    SUCCEED = "succeed"
    FAIL = "fail"
    DUE = "due"
    GIVE_UP = "give-up"


_S, _E = DeliveryState, DeliveryEvent

DELIVERY = Table(
    {
        _S.WAITING: {_E.BEGIN: _S.RUNNING, _E.GIVE_UP: _S.LOST},
        _S.RUNNING: {_E.SUCCEED: _S.TOLD, _E.FAIL: _S.PAUSING, _E.GIVE_UP: _S.LOST},
        _S.PAUSING: {_E.DUE: _S.WAITING, _E.GIVE_UP: _S.LOST},
    },
    home=_S.WAITING,
    faults=(_S.PAUSING,),
    ends=(_S.TOLD, _S.LOST),
)


class Delivery:
    """`attempts` counts those that were begun."""

    def __init__(self, line: Line, told: Told) -> None:
        self.line = line
        self.told = told
        self.attempts = 0
        self.machine = Machine(DELIVERY)

    @property
    def pause_s(self) -> float:
        """After an attempt that failed."""
        return min(MAX_PAUSE_S, FIRST_PAUSE_S * float(PAUSE_GROWTH) ** (self.attempts - 1))


class Line:
    """What one hook is still to be told, in the order that it happened. A delivery that is tried again comes first.

    `key` is how the hook is known to those who keep what it is to be told.
    """

    def __init__(self, settings: HookSettings, key: str = "") -> None:
        self.settings = settings
        self.key = key
        self._waiting: deque[Delivery] = deque()
        self._open: dict[Delivery, None] = {}              # waiting, running or pausing
        self._running = 0
        self._is_closed = False

    @property
    def name(self) -> str:
        """For the log: never what a URL says besides its host."""
        settings = self.settings
        if settings.program:
            return settings.program[0]
        scheme, _, rest = settings.url.partition("://")
        return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}"

    @property
    def num_open(self) -> int:
        """Deliveries that are not at their end."""
        return len(self._open)

    def wants(self, told: Told) -> bool:
        labels = self.settings.labels
        return told.type in self.settings.events and (not labels or not set(labels).isdisjoint(told.labels))

    def add(self, told: Told) -> bool:
        """False when there is no room: the event is lost."""
        if len(self._open) >= MAX_WAITING:
            return False
        delivery = Delivery(self, told)
        self._open[delivery] = None
        self._waiting.append(delivery)
        return True

    def put_first(self, earlier: Sequence[Told]) -> Sequence[Told]:
        """These happened before all others; those at the end for which there is no room come back."""
        room = max(0, MAX_WAITING - len(self._open))
        deliveries = [Delivery(self, told) for told in earlier[:room]]
        self._open.update(dict.fromkeys(deliveries))
        self._waiting.extendleft(reversed(deliveries))
        return earlier[room:]

    def next(self) -> Delivery | None:
        """The one to begin with now, if the hook may be told of one more at the same time."""
        if not self._waiting or self._running >= self.settings.concurrency:
            return None
        delivery = self._waiting.popleft()
        delivery.machine.fire(_E.BEGIN)
        delivery.attempts += 1
        self._running += 1
        return delivery

    def on_outcome(self, delivery: Delivery, outcome: Outcome) -> bool:
        """An attempt ended. True when it is to be tried again: `retry` is called after `delivery.pause_s`."""
        self._running -= 1
        if outcome.kind == OK:
            self._end(delivery, _E.SUCCEED)
            return False
        if outcome.may_retry and not self._is_closed and delivery.attempts <= self.settings.retries:
            delivery.machine.fire(_E.FAIL)
            return True
        self._end(delivery, _E.GIVE_UP)
        return False

    def retry(self, delivery: Delivery) -> None:
        """Its pause is over. One that was given up meanwhile is left alone."""
        if delivery.machine.can(_E.DUE):
            delivery.machine.fire(_E.DUE)
            self._waiting.appendleft(delivery)

    def close(self) -> list[Told]:
        """Lose what is not running, and try nothing again; the events that the hook is not told of."""
        self._is_closed = True
        lost = [delivery for delivery in self._open if delivery.machine.state is not _S.RUNNING]
        for delivery in lost:
            self._end(delivery, _E.GIVE_UP)
        self._waiting.clear()
        return [delivery.told for delivery in lost]

    def _end(self, delivery: Delivery, event: DeliveryEvent) -> None:
        delivery.machine.fire(event)
        del self._open[delivery]
