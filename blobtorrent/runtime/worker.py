"""Worker: a thread that handles the messages of a mailbox one by one. Pool: several of them on one mailbox."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import Enum
from typing import Generic, TypeVar

from blobtorrent.runtime.lasting import LastingThread
from blobtorrent.runtime.machine import Machine, Table
from blobtorrent.runtime.mailbox import Mailbox

T = TypeVar("T")

log = logging.getLogger(__name__)


class State(Enum):
    NEW = "new"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    CRASHED = "crashed"


class Event(Enum):
    START = "start"
    STOP = "stop"
    ENDED = "ended"
    CRASH = "crash"


LIFECYCLE: Table[State, Event] = Table(
    {
        State.NEW: {Event.START: State.RUNNING, Event.STOP: State.STOPPED},
        State.RUNNING: {Event.STOP: State.STOPPING, Event.CRASH: State.CRASHED},
        State.STOPPING: {Event.ENDED: State.STOPPED, Event.CRASH: State.CRASHED},
    },
    home=State.RUNNING,
    start=State.NEW,
    ends=(State.STOPPED, State.CRASHED),
)


class _Control(Enum):
    """Messages for the worker that takes them from the mailbox."""

    STOP = "stop"
    BEAT = "beat"


class Worker(Generic[T]):
    """One thread on a mailbox. What `handle` raises is logged and ends that message only.

    Anything that breaks the thread itself goes to `on_crash(worker, error)`, on that thread, and leaves the worker
    CRASHED: a dead thread is the supervisor's business.
    """

    def __init__(
        self,
        name: str,
        mailbox: Mailbox[T],
        handle: Callable[[T], None],
        on_crash: Callable[[Worker[T], BaseException], None] | None = None,
    ) -> None:
        self.name = name
        self.mailbox = mailbox
        self.handled = 0
        self.failures = 0
        self.beats = 0
        self._handle = handle
        self._on_crash = on_crash
        self._machine = Machine(LIFECYCLE)
        self._thread = LastingThread(self._run, name)

    @property
    def state(self) -> State:
        return self._machine.state

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._machine.fire(Event.START)
        self._thread.start()

    def ask_beat(self) -> None:
        """Have `beats` counted when the thread comes to it; from any thread. In a pool any worker may."""
        self.mailbox.post(_Control.BEAT)  # type: ignore[arg-type]

    def stop(self, timeout_s: float) -> bool:
        """Finish what was posted before, then end. True when the thread has ended within `timeout_s` seconds."""
        self.begin_stop()
        return self.join(timeout_s)

    def begin_stop(self) -> None:
        """Ask the thread to end after what is in the mailbox now; does not wait."""
        if self.state is State.NEW:
            self._machine.fire(Event.STOP)
        else:
            # Once started, only the thread itself fires its machine. In a pool the stop may reach another worker.
            self.mailbox.post(_Control.STOP)  # type: ignore[arg-type]

    def join(self, timeout_s: float) -> bool:
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while True:
                message = self.mailbox.get()
                if isinstance(message, _Control):
                    if message is _Control.STOP:
                        break
                    self.beats += 1
                    continue
                self._handle_one(message)
                del message      # a waiting worker must not keep the last job's buffers alive
            self._machine.fire(Event.STOP)
            self._machine.fire(Event.ENDED)
            self._thread.dismiss()
        except BaseException as error:
            self._machine.fire(Event.CRASH)
            log.critical("thread %s died", self.name, exc_info=True)
            if self._on_crash is not None:
                self._on_crash(self, error)

    def _handle_one(self, message: T) -> None:
        try:
            self._handle(message)
        except Exception:
            self.failures += 1
            log.exception("thread %s: a %s failed", self.name, type(message).__name__)
        self.handled += 1


class Pool(Generic[T]):
    """`size` workers named NAME-0, NAME-1, ... that share one mailbox; a message goes to whoever is free."""

    def __init__(
        self,
        name: str,
        size: int,
        handle: Callable[[T], None],
        on_crash: Callable[[Worker[T], BaseException], None] | None = None,
    ) -> None:
        self.name = name
        self.mailbox: Mailbox[T] = Mailbox(name)
        self.workers = [Worker(f"{name}-{number}", self.mailbox, handle, on_crash) for number in range(size)]

    def post(self, message: T) -> None:
        self.mailbox.post(message)

    def start(self) -> None:
        for worker in self.workers:
            worker.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish what was posted before, then end all workers. True when all have ended within `timeout_s` seconds."""
        deadline_s = time.monotonic() + timeout_s
        for worker in self.workers:
            worker.begin_stop()
        return all(worker.join(deadline_s - time.monotonic()) for worker in self.workers)
