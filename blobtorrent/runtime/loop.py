"""SelectorLoop: the one loop of a thread that waits for sockets, messages and deadlines at once.

A pass is: select, socket callbacks, messages, timers, then the owner's `on_pass`, where it flushes what the pass
collected. Time is read once at the start of a pass (`now`); everything runs on the loop's thread.
"""

from __future__ import annotations

import logging
import selectors
from collections.abc import Callable
from enum import Enum
from typing import Any

from blobtorrent.runtime.clock import Clock, SystemClock
from blobtorrent.runtime.lasting import LastingThread
from blobtorrent.runtime.mailbox import WakingMailbox
from blobtorrent.runtime.metrics import Registry
from blobtorrent.runtime.timers import TimerWheel

log = logging.getLogger(__name__)

EVENT_READ = selectors.EVENT_READ
EVENT_WRITE = selectors.EVENT_WRITE

FileCallback = Callable[[int], None]


class _Watch:
    """What a registered file calls; emptied by `unregister`, so that an event already selected finds nobody."""

    __slots__ = ("callback",)

    def __init__(self, callback: FileCallback) -> None:
        self.callback: FileCallback | None = callback


class _Control(Enum):
    """Messages for the loop itself."""

    STOP = "stop"                      # the last message it handles
    BEAT = "beat"


class SelectorLoop:
    """One thread with a selector, a mailbox and timers.

    `on_message(message)` gets every message; `on_pass(now)` ends every pass. `register`, `modify`, `unregister` and
    `timers` belong to the loop's thread (before `start`, to whoever builds it). `on_stop()` runs last, on the thread:
    close there what is still open.

    An exception in a callback is logged and reported as `on_error(owner, error)`, where `owner` is the object whose
    bound method was called, or the plain callable; the loop goes on. A file whose callback fails with nobody to take
    the error is unregistered: it would fail again at once. What breaks the loop itself goes to `on_crash(loop, error)`.
    """

    def __init__(
        self,
        name: str,
        on_message: Callable[[Any], None],
        on_pass: Callable[[float], None] | None = None,
        clock: Clock | None = None,
        *,
        on_error: Callable[[object, Exception], None] | None = None,
        on_stop: Callable[[], None] | None = None,
        on_crash: Callable[[SelectorLoop, BaseException], None] | None = None,
    ) -> None:
        self.name = name
        self.mailbox: WakingMailbox[Any] = WakingMailbox(name)
        self.timers = TimerWheel()
        self.passes = 0
        self.busy_s = 0.0              # time spent outside select
        self.slowest_pass_s = 0.0
        self.failures = 0
        self.beats = 0
        self._clock: Clock = SystemClock() if clock is None else clock
        self.now = self._clock.now()
        self._on_message = on_message
        self._on_pass = on_pass
        self._on_error = on_error
        self._on_stop = on_stop
        self._on_crash = on_crash
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.mailbox, EVENT_READ, _Watch(self._take_messages))
        self._thread = LastingThread(self._run, name)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def register(self, fileobj: Any, events: int, callback: FileCallback) -> None:
        """Call `callback(mask)` whenever `fileobj` is ready for any of `events` (EVENT_READ, EVENT_WRITE, both)."""
        self._selector.register(fileobj, events, _Watch(callback))

    def modify(self, fileobj: Any, events: int, callback: FileCallback) -> None:
        """Change what a registered file waits for. Raises KeyError when it is not registered."""
        key = self._selector.get_key(fileobj)
        key.data.callback = callback
        if events != key.events:
            self._selector.modify(fileobj, events, key.data)

    def unregister(self, fileobj: Any) -> None:
        """Forget a file; its callback is not called again. Raises KeyError when it is not registered."""
        self._selector.unregister(fileobj).data.callback = None

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Handle the messages posted before, then end. True when the thread has ended within `timeout_s` seconds."""
        if self._thread.ident is None:
            self._close()
            return True
        self.mailbox.post(_Control.STOP)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def ask_beat(self) -> None:
        """Have `beats` counted when the loop comes to its messages; from any thread."""
        self.mailbox.post(_Control.BEAT)

    def run_pass(self, timeout_s: float | None) -> None:
        """One pass that waits at most `timeout_s` seconds for something to do (None: until there is)."""
        ready = self._selector.select(timeout_s)
        self.now = now = self._clock.now()
        for key, mask in ready:
            watch: _Watch = key.data
            callback = watch.callback
            if callback is None:
                continue
            try:
                callback(mask)
            except Exception as error:
                if not self._report(callback, error) and watch.callback is not None:
                    self.unregister(key.fileobj)
        self.timers.expire(now, self._run_timer)
        if self._on_pass is not None:
            try:
                self._on_pass(now)
            except Exception as error:
                self._report(self._on_pass, error)
        self.passes += 1

    def measure(self, registry: Registry) -> None:
        """Have the loop's own figures exported."""
        name = self.name
        registry.total("blobtorrent_loop_passes_total", "Passes of a loop.", lambda: self.passes, loop=name)
        registry.total("blobtorrent_loop_busy_seconds_total", "Time outside select.", lambda: self.busy_s, loop=name)
        registry.total("blobtorrent_loop_failures_total", "Callbacks that raised.", lambda: self.failures, loop=name)
        registry.gauge(
            "blobtorrent_loop_slowest_pass_seconds", "The longest pass yet.", lambda: self.slowest_pass_s, loop=name
        )
        registry.gauge("blobtorrent_mailbox_messages", "Messages waiting.", lambda: self.mailbox.depth, mailbox=name)

    def _run(self) -> None:
        try:
            timeout_s = self._time_to_deadline(self._clock.now())
            while not self._stopping:
                self.run_pass(timeout_s)
                end = self._clock.now()
                pass_s = end - self.now
                self.busy_s += pass_s
                self.slowest_pass_s = max(self.slowest_pass_s, pass_s)
                timeout_s = self._time_to_deadline(end)
            self._thread.dismiss()
        except BaseException as error:
            log.critical("thread %s died", self.name, exc_info=True)
            if self._on_crash is not None:
                self._on_crash(self, error)
        finally:
            self._close()

    def _time_to_deadline(self, now: float) -> float | None:
        deadline_s = self.timers.next_deadline()
        return None if deadline_s is None else max(0.0, deadline_s - now)

    def _take_messages(self, _mask: int) -> None:
        on_message = self._on_message
        for message in self.mailbox.drain():
            if isinstance(message, _Control):
                if message is _Control.STOP:
                    self._stopping = True
                    return
                self.beats += 1
                continue
            try:
                on_message(message)
            except Exception as error:
                self._report(on_message, error)

    def _run_timer(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception as error:
            self._report(callback, error)

    def _report(self, callback: object, error: Exception) -> bool:
        """Log a failed callback and tell `on_error`; False when nobody took care of it."""
        self.failures += 1
        log.error("thread %s: a callback failed", self.name, exc_info=error)
        if self._on_error is None:
            return False
        try:
            self._on_error(getattr(callback, "__self__", callback), error)
        except Exception:
            log.exception("thread %s: the error handler failed", self.name)
            return False
        return True

    def _close(self) -> None:
        if self._on_stop is not None:
            try:
                self._on_stop()
            except Exception:
                log.exception("thread %s: closing failed", self.name)
        self._selector.close()
        self.mailbox.close()
