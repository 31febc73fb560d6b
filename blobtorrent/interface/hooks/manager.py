"""HookManager: the thread `hooks` decides which hook is told of what and when, the threads `hook-k` tell it.

Whatever a program or a server does, nobody else waits for it: each hook has a bounded line of its own, and only so many
are told at the same time. What is still to be told outlives us in the memory, whose thread alone waits for the disk.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import math
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from blobtorrent.config.doors import HookSettings
from blobtorrent.core.session.commands import FilesOf
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.eventjson import Told
from blobtorrent.interface.hooks.delivery import MAX_WAITING, Delivery, Line
from blobtorrent.interface.hooks.memory import Memory, key_of
from blobtorrent.interface.hooks.outcome import DROPPED, FAILED, OK, Outcome
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.network.binding import Binding
from blobtorrent.runtime.clock import Clock, SystemClock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import SelectorLoop
from blobtorrent.runtime.metrics import COUNTER, GAUGE, Registry, Sample, labelled
from blobtorrent.runtime.worker import Pool

log = get_logger(__name__)

WORKERS = 8                            # hooks that are told of something at the same time
WEB_TIMEOUT_S = 10.0                   # for a server to answer
FILES_TIMEOUT_S = 5.0                  # for the session to say where the content lies
TELL_DROPS_S = 60.0                    # between two complaints about a line that is full
FINISH_SHARE = 0.4                     # of the time that we have to end: for what runs to be done by itself
KILL_SHARE = 0.2                       # and for what is killed then to be gone
LOOP_SHARE = 0.2                       # and for us to take note of it
LOOK_S = 0.2                           # between two looks whether the session is there, after a start
LONGEST_HOLD_S = 60.0                  # for what the last process left to be read, and the session to be there

_HELP = {
    "blobtorrent_hook_attempts_total": "How telling hooks of events ended; dropped are those that were never tried.",
    "blobtorrent_hook_events_waiting": "Events that hooks are still to be told of.",
}


class _Apply(NamedTuple):
    hooks: tuple[HookSettings, ...]


class _Ended(NamedTuple):
    delivery: Delivery
    outcome: Outcome


class _Restored(NamedTuple):
    left: Mapping[str, Sequence[Told]]                     # by the keys of hooks


class _Drain:
    """Begin nothing more."""


class HookManager:
    """`apply` gives it the hooks, at the start and at every change of the settings.

    `state` is the state directory, which keeps what hooks are still to be told; None: that is lost at the end.
    """

    def __init__(self, gateway: Gateway, state: Path | None = None, *, binding: Binding,
                 clock: Clock | None = None) -> None:
        self._gateway = gateway
        self._binding = binding
        self._clock: Clock = SystemClock() if clock is None else clock
        self._memory = None if state is None else Memory(
            state, self._clock, lambda left: self._loop.mailbox.post(_Restored(left)))
        self._loop = SelectorLoop("hooks", self._on_message, clock=self._clock)
        self._pool: Pool[Delivery] = Pool("hook", WORKERS, self._work)
        self._lines: list[Line] = []
        self._outcomes: Counter[str] = Counter()           # by kind
        self._drops: Counter[Line] = Counter()             # since they were told of last
        self._has_workers = False
        self._held_until_s = math.inf  # nothing is begun before what the last process left; -inf: nothing is held
        self._is_draining = False
        self._is_stopped = False       # read by the workers
        self._wants_events = False     # read by the thread `events`

    @property
    def heart(self) -> SelectorLoop:
        """The thread that decides; it waits for nobody."""
        return self._loop

    def on_told(self, told: Told) -> None:
        """Follows the chronicle; from its thread."""
        if self._wants_events:
            self._loop.mailbox.post(told)

    def apply(self, hooks: Iterable[HookSettings]) -> None:
        """Tell these from now on and no others; from any thread. Those that stay keep what they are to be told yet."""
        hooks = tuple(hooks)
        self._wants_events = self._wants_events or bool(hooks)
        self._loop.mailbox.post(_Apply(hooks))

    def measure(self, registry: Registry) -> None:
        registry.collect(_HELP, self._samples)
        self._loop.measure(registry)

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout_s: float) -> bool:
        """What runs has some of the time to be done, then it is killed. What waits is for the next process; without a
        memory it is lost, and counted in the log.

        A server that does not answer is left behind: False then, as for a program that cannot be killed.
        """
        end_s = time.monotonic() + timeout_s
        self._loop.mailbox.post(_Drain())
        is_idle = not self._has_workers or self._pool.stop(timeout_s * FINISH_SHARE)
        if not is_idle:
            self._is_stopped = True
            is_idle = self._pool.stop(timeout_s * KILL_SHARE)
        is_idle &= self._loop.stop(max(timeout_s * LOOP_SHARE, end_s - time.monotonic() - timeout_s * LOOP_SHARE))
        return (self._memory is None or self._memory.stop(max(0.05, end_s - time.monotonic()))) and is_idle

    # ---- on the thread hooks

    def _on_message(self, message: Told | _Apply | _Ended | _Restored | _Drain) -> None:
        if isinstance(message, Told):
            self._take(message)
        elif isinstance(message, _Ended):
            self._on_ended(message.delivery, message.outcome)
        elif isinstance(message, _Apply):
            self._use(message.hooks)
        elif isinstance(message, _Restored):
            self._restore(message.left)
        else:
            self._is_draining = True
            self._leave()

    def _use(self, hooks: Iterable[HookSettings]) -> None:
        known = {line.settings: line for line in self._lines}
        hooks = dict.fromkeys(hooks)
        keys = {line.key for line in self._lines if line.settings in hooks}
        kept = []
        for settings in hooks:
            line = known.pop(settings, None)
            if line is None:
                line = Line(settings, key_of(settings, keys))
                keys.add(line.key)
            kept.append(line)
        self._lose(known.values())
        for line in kept:
            if line not in self._lines:
                _warn_of_readers(line)
        self._lines = kept
        if kept and not self._has_workers:
            self._pool.start()
            self._has_workers = True
            if self._memory is None:
                self._held_until_s = -math.inf
            else:
                self._memory.start()
                self._held_until_s = self._loop.now + LONGEST_HOLD_S
                self._loop.timers.at(self._held_until_s, self._release)

    def _restore(self, left: Mapping[str, Sequence[Told]]) -> None:
        """Go on with what the last process left to be told, once the session knows its torrents."""
        lines = {line.key: line for line in self._lines}
        for key, events in left.items():
            lost = lines[key].put_first(events) if key in lines else events
            for told in lost:
                self._forget(key, told)
            if lost:
                log.warning("events from before the start have no hook any more, or no room", events=len(lost))
        if left and not self._is_draining:
            self._await_session()
        else:
            self._release()

    def _await_session(self) -> None:
        if self._gateway.session.state == "starting" and self._loop.now < self._held_until_s:
            self._loop.timers.at(self._loop.now + LOOK_S, self._await_session)
        else:
            self._release()

    def _release(self) -> None:
        self._held_until_s = -math.inf
        for line in self._lines:
            self._begin(line)

    def _lose(self, lines: Iterable[Line]) -> None:
        for line in lines:
            lost = line.close()
            for told in lost:
                self._forget(line.key, told)
            if lost:
                self._outcomes[DROPPED] += len(lost)
                log.warning("a hook is not told of events that waited", hook=line.name, events=len(lost))

    def _leave(self) -> None:
        """We end. What waits is for the next process, if it is kept."""
        if self._memory is None:
            self._lose(self._lines)
            return
        for line in self._lines:
            left = line.close()
            if left:
                log.info("a hook is told of events after the next start", hook=line.name, events=len(left))

    def _forget(self, key: str, told: Told) -> None:
        if self._memory is not None:
            self._memory.forget(key, told)

    def _take(self, told: Told) -> None:
        if self._is_draining:
            return
        for line in self._lines:
            if line.wants(told):
                if not line.add(told):
                    self._drop(line)
                elif self._memory is not None:
                    self._memory.keep(line.key, told)
                self._begin(line)

    def _drop(self, line: Line) -> None:
        self._outcomes[DROPPED] += 1
        self._drops[line] += 1
        if self._drops[line] == 1:
            log.error("a hook does not keep up: events are dropped", hook=line.name, waiting=MAX_WAITING)
            self._loop.timers.at(self._loop.now + TELL_DROPS_S, partial(self._tell_drops, line))

    def _tell_drops(self, line: Line) -> None:
        log.error("a hook was not told of events", hook=line.name, dropped=self._drops.pop(line))

    def _begin(self, line: Line) -> None:
        while not self._is_draining and self._held_until_s < 0:
            delivery = line.next()
            if delivery is None:
                return
            self._pool.post(delivery)

    def _on_ended(self, delivery: Delivery, outcome: Outcome) -> None:
        line, told = delivery.line, delivery.told
        self._outcomes[outcome.kind] += 1
        hook_log = log.bind(hook=line.name, event=told.type, torrent=told.info_hash or "", attempt=delivery.attempts)
        if line.on_outcome(delivery, outcome):
            hook_log.warning("hook failed, it is told again later", detail=outcome.detail, seconds=delivery.pause_s)
            self._loop.timers.at(self._loop.now + delivery.pause_s, partial(self._retry, delivery))
        elif outcome.may_retry and self._is_draining and self._memory is not None:
            hook_log.warning("hook failed, it is told again after the next start", detail=outcome.detail)
        else:
            self._forget(line.key, told)
            if outcome.kind == OK:
                hook_log.info("hook told")
            else:
                hook_log.error("hook failed", detail=outcome.detail)
        self._begin(line)

    def _retry(self, delivery: Delivery) -> None:
        delivery.line.retry(delivery)
        self._begin(delivery.line)

    def _samples(self) -> list[Sample]:
        attempts = [
            Sample("blobtorrent_hook_attempts_total", labelled(result=kind), count, COUNTER)
            for kind, count in dict(self._outcomes).items()
        ]
        waiting = sum(line.num_open for line in self._lines)
        return [*attempts, Sample("blobtorrent_hook_events_waiting", (), waiting, GAUGE)]

    # ---- on the threads hook-k

    def _work(self, delivery: Delivery) -> None:
        outcome = Outcome(FAILED, "a failure of ours; the log has the reason")
        try:
            outcome = self._tell(delivery)
        finally:                       # what it raises is logged by the worker
            self._loop.mailbox.post(_Ended(delivery, outcome))

    def _tell(self, delivery: Delivery) -> Outcome:
        settings, told = delivery.line.settings, delivery.told
        if not settings.program:
            from blobtorrent.interface.hooks.webhook import post_event

            timeout_s = min(settings.timeout_s, WEB_TIMEOUT_S)
            return post_event(
                settings.url, told, secret_file=settings.secret_file, timeout_s=timeout_s, clock=self._clock,
                binding=self._binding)
        from blobtorrent.interface.hooks.environment import environment_of
        from blobtorrent.interface.hooks.program import run_program

        def on_line(line: str) -> None:
            log.info("hook says", hook=settings.program[0], event=told.type, torrent=told.info_hash or "", line=line)

        return run_program(
            settings.program, environment_of(told.fields, os.environ, self._content_path(told)), told.json + b"\n",
            timeout_s=settings.timeout_s, is_stopped=lambda: self._is_stopped, on_line=on_line,
        )

    def _content_path(self, told: Told) -> str | None:
        """The file of a single-file torrent, the folder of another; None when the session does not know."""
        status = None if told.info_hash is None else self._gateway.torrents.read(told.info_hash)
        if status is None:
            return None
        try:
            files = self._gateway.ask(FilesOf(status.info_hash), FILES_TIMEOUT_S)
        except BlobTorrentError:
            return None
        return os.path.join(status.download_dir, files[0].path[0]) if files else None


def _warn_of_readers(line: Line) -> None:
    """A secret that others can read signs nothing."""
    path = line.settings.secret_file
    try:
        if path is not None and path.stat().st_mode & 0o077:
            log.warning("others may read the secret of a hook", hook=line.name, path=path)
    except OSError as error:           # each attempt will say so, too
        log.error("the secret of a hook cannot be read", hook=line.name, path=path, detail=error.strerror)
