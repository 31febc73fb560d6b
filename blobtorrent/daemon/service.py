"""Service: the main thread from the first start to the last stop. It waits for signals and looks after the threads.

The service manager hears READY when everything listens, and its watchdog is fed only while every thread that owns
state handles its messages, and the main thread itself gets here.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence

from blobtorrent import __version__
from blobtorrent.core.session.commands import NO_ANSWER, OpenListeners
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.daemon.assemble import Engine
from blobtorrent.daemon.desk import DaemonDesk
from blobtorrent.daemon.launch import START_LIMIT_S
from blobtorrent.daemon.notify import Notifier
from blobtorrent.daemon.reload import Reloader
from blobtorrent.daemon.signals import RELOAD, WAKE, Signals
from blobtorrent.daemon.supervisor import Supervisor
from blobtorrent.model.errors import BlobTorrentError, BugError, Unavailable
from blobtorrent.model.units import format_rate
from blobtorrent.runtime.heap import Heap
from blobtorrent.runtime.logs import QueuedLogging, get_logger

log = get_logger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1

STOP_LIMIT_S = 60.0                    # and for our end: trackers are told, disks finish what they write
INTERFACE_STOP_S = 2.0
CHECK_S = 5.0                          # between two looks at the threads
FILTERS_LIMIT_S = 60.0                 # for filter lists to be read: half a million ranges take a second or two
START_LOOK_S = 0.1                     # between two looks for signals while we start
DRAIN_LOOK_S = 0.2                     # and whether the session is drained
LOOKS_PER_WATCHDOG = 4                 # within the time that the service manager gives us


class Service:
    """`interfaces` are what clients reach the engine by: they start after it and end before it. What they want of the
    daemon as a whole comes by way of `desk`.
    """

    def __init__(
        self,
        engine: Engine,
        interfaces: Supervisor,
        reloader: Reloader,
        desk: DaemonDesk,
        *,
        signals: Signals,
        logs: QueuedLogging,
        notifier: Notifier,
        wait_for_filters: Callable[[float], bool] = lambda timeout_s: True,
    ) -> None:
        self._engine = engine
        self._interfaces = interfaces
        self._reloader = reloader
        self._desk = desk
        self._signals = signals
        self._logs = logs
        self._notifier = notifier
        self._wait_for_filters = wait_for_filters
        self._heap = Heap()
        self._late: list[str] = []
        self._must_reload = False      # was asked for while we started
        self._check_s = CHECK_S
        if notifier.watchdog_s:
            self._check_s = min(CHECK_S, notifier.watchdog_s / LOOKS_PER_WATCHDOG)

    def run(self) -> int:
        """Start, serve until a signal, stop. Returns the exit status; raises what keeps it from starting."""
        started_s = time.monotonic()
        try:
            self._heap.limit()
            self._engine.start()
            self._interfaces.start()
            status = EXIT_OK
            if self._restore() and self._load_filters() and self._open_listeners():
                log.info("ready", version=__version__, seconds=round(time.monotonic() - started_s, 3))
                self._notifier.ready(self._status_line())
                status = self._serve()
        finally:
            is_clean = self._stop()
        return status if is_clean else EXIT_FAILED

    def _restore(self) -> bool:
        """Read what is kept, while clients are answered; False when we are told to end before it is done."""
        return not any(self._is_told_to_end() for _ in self._engine.restore())

    def _load_filters(self) -> bool:
        """No peer is met before it is known who is refused; False when we are told to end before that."""
        end_s = time.monotonic() + FILTERS_LIMIT_S
        while not self._wait_for_filters(START_LOOK_S):
            if self._is_told_to_end():
                return False
            if time.monotonic() >= end_s:
                log.error("the filter lists take too long to read: peers are met before all are in force")
                break
        return True

    def _open_listeners(self) -> bool:
        """Wait for the last step of the start; False when we are told to end before it is done."""
        reply = self._engine.gateway.submit(OpenListeners(self._reloader.settings.network.listen))
        end_s = time.monotonic() + START_LIMIT_S
        while not self._is_told_to_end():
            try:
                reply.wait(START_LOOK_S)
                return True
            except Unavailable as error:
                if error.code != NO_ANSWER or time.monotonic() >= end_s:
                    raise
            dead = self._dead_threads()
            if dead:
                raise BugError("bug.dead-thread", f"threads died at the start: {', '.join(dead)}")
        return False

    def _is_told_to_end(self) -> bool:
        """Look for signals while we start."""
        taken = self._signals.poll()
        if taken is RELOAD:
            self._must_reload = True
        elif self._desk.must_stop or taken not in (None, WAKE):
            log.info("ending before all was started", signal=_name(taken))
            return True
        return False

    def _serve(self) -> int:
        """Until we are told to end, or a thread has died."""
        self._desk.serve()             # who asked while we started waits
        if self._must_reload:
            self._reload()
        next_check_s = time.monotonic() + self._check_s
        while True:
            patience_s = max(0.0, next_check_s - time.monotonic())
            taken = self._signals.wait(min(patience_s, DRAIN_LOOK_S) if self._desk.is_draining else patience_s)
            self._desk.serve()
            if taken is RELOAD:
                self._reload()
            elif self._desk.must_stop or self._desk.is_drained or taken not in (None, WAKE):
                log.info("ending", signal=_name(taken))
                return EXIT_OK
            if time.monotonic() >= next_check_s:
                next_check_s = time.monotonic() + self._check_s
                self._heap.tidy(next_check_s)
                if not self._check():
                    return EXIT_FAILED

    def _reload(self) -> None:
        self._notifier.reloading(time.monotonic())
        self._logs.reopen()
        try:
            self._reloader.reload()
        except BlobTorrentError as error:
            log.error("the new settings are refused, the old ones stay", code=error.code, detail=error.detail)
        self._notifier.ready(self._status_line())

    def _check(self) -> bool:
        """Look at all threads, tell the service manager; False when the engine cannot go on."""
        dead = self._dead_threads()
        if dead:
            log.critical("threads died, ending", threads=", ".join(dead))
            return False
        late = self._engine.late_threads() + self._interfaces.late_threads()
        if late and late != self._late:
            log.error("threads do not answer", threads=", ".join(late))
        elif self._late and not late:
            log.warning("all threads answer again")
        self._late = late
        if not late:
            self._notifier.alive()
        if self._notifier.is_heard:
            self._notifier.status(self._status_line())
        return True

    def _dead_threads(self) -> list[str]:
        return self._engine.dead_threads() or self._interfaces.dead_threads()

    def _status_line(self) -> str:
        return status_line(self._engine.gateway, self._interfaces.troubles())

    def _stop(self) -> bool:
        """End in order; a second ending signal does not wait for it. False when not all was ended and saved."""
        self._signals.release()
        self._notifier.stopping()
        self._notifier.extend(STOP_LIMIT_S)
        self._desk.close()
        self._interfaces.stop(INTERFACE_STOP_S)
        is_clean = self._engine.stop()
        if not is_clean:
            log.error("the end was not clean: the next start looks at what may be unsaved")
        return is_clean


def _name(taken: signal.Signals | None) -> str:
    return "none" if taken in (None, WAKE) else taken.name


def status_line(gateway: Gateway, troubles: Sequence[str] = ()) -> str:
    """The daemon in a few words, for `systemctl status`."""
    session = gateway.session
    noun = "torrent" if session.torrents == 1 else "torrents"
    rates = f"down {format_rate(session.down_bytes_per_s)}, up {format_rate(session.up_bytes_per_s)}"
    damage = f"; {len(session.damages)} damaged, see the log" if session.damages else ""
    return "; ".join([f"{session.torrents} {noun}, {rates}{damage}", *troubles])
