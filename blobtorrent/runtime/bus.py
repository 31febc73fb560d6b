"""EventBus: tells subscribers what happened. Publishing never waits for anybody.

Publishers post to the thread `events`, which copies each event to every subscription. A subscription is bounded: when
its reader is slow the oldest events go, and a Gap stands in their place. A listener is called on the thread itself and
misses nothing; it must be quick.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import NamedTuple

from blobtorrent.model.events import Event, Gap
from blobtorrent.runtime.heartbeat import Heart
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import State, Worker

SUBSCRIPTION_SIZE = 1000


class Subscription:
    """One subscriber's bounded queue. One thread offers, one thread gets.

    Events are numbered as they are offered; a hole in the numbers is what tells the reader how many it missed.
    """

    def __init__(self, size: int, accepts: Callable[[Event], bool] | None = None) -> None:
        self._queue: queue.Queue[tuple[int, Event]] = queue.Queue(size)
        self._accepts = accepts
        self._offered = 0              # written by the offering thread
        self._expected = 0             # the rest by the getting thread
        self._held: Event | None = None

    def offer(self, event: Event) -> None:
        """Add an event, dropping the oldest ones when there is no room. Never blocks."""
        if self._accepts is not None and not self._accepts(event):
            return
        numbered = (self._offered, event)
        self._offered += 1
        while True:
            try:
                self._queue.put_nowait(numbered)
            except queue.Full:
                self._drop_oldest()
            else:
                return

    def get(self, timeout_s: float | None = None) -> Event:
        """The next event, or the Gap before it. Raises queue.Empty when there was none within `timeout_s` seconds."""
        if self._held is not None:
            event, self._held = self._held, None
            return event
        number, event = self._queue.get(timeout=timeout_s)
        missed = number - self._expected
        self._expected = number + 1
        if missed:
            self._held = event
            return Gap(missed)
        return event

    def _drop_oldest(self) -> None:
        try:
            self._queue.get_nowait()
        except queue.Empty:      # the reader was faster: there is room now
            pass


class _Subscribe(NamedTuple):
    subscription: Subscription


class _Unsubscribe(NamedTuple):
    subscription: Subscription


class _Ignore(NamedTuple):
    listener: Callable[[Event], None]


class EventBus:
    """Fan-out of events on its own thread, which alone knows the subscriptions and, once started, the listeners."""

    def __init__(self) -> None:
        self._mailbox: Mailbox[Event | _Subscribe | _Unsubscribe | _Ignore] = Mailbox("events")
        self._worker = Worker("events", self._mailbox, self._on_message)
        self._subscriptions: list[Subscription] = []
        self._listeners: list[Callable[[Event], None]] = []

    @property
    def depth(self) -> int:
        """Events that were published and not yet delivered."""
        return self._mailbox.depth

    @property
    def heart(self) -> Heart:
        """The thread that delivers."""
        return self._worker

    def publish(self, event: Event) -> None:
        """From any thread. Subscribers see the events of one publisher in its order."""
        self._mailbox.post(event)

    def subscribe(
        self, accepts: Callable[[Event], bool] | None = None, size: int = SUBSCRIPTION_SIZE
    ) -> Subscription:
        """Receive what is published from now on and `accepts` lets through (default: everything).

        `accepts` runs on the thread `events` and must be quick.
        """
        subscription = Subscription(size, accepts)
        self._mailbox.post(_Subscribe(subscription))
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Receive no more; a subscription that is not there is ignored."""
        self._mailbox.post(_Unsubscribe(subscription))

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener(event)` for every event, also for those published before. Only before `start`."""
        if self._worker.state is not State.NEW:
            raise RuntimeError("events are under way already: some would be missed")
        self._listeners.append(listener)

    def ignore(self, listener: Callable[[Event], None]) -> None:
        """Call it no more after what was published before."""
        self._mailbox.post(_Ignore(listener))

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """Deliver what was published before, then end. True when the thread has ended within `timeout_s` seconds."""
        return self._worker.stop(timeout_s)

    def _on_message(self, message: Event | _Subscribe | _Unsubscribe | _Ignore) -> None:
        if isinstance(message, _Subscribe):
            self._subscriptions.append(message.subscription)
        elif isinstance(message, _Unsubscribe):
            if message.subscription in self._subscriptions:
                self._subscriptions.remove(message.subscription)
        elif isinstance(message, _Ignore):
            self._listeners.remove(message.listener)
        else:
            for subscription in self._subscriptions:
                subscription.offer(message)
            for listener in self._listeners:
                listener(message)
