"""Service: the main thread from the first start to the last stop. It waits for signals and looks after the threads.

The service manager hears READY when everything listens, and its watchdog is fed only while every thread that owns
state handles its messages, and the main thread itself gets here.
"""

from __future__ import annotations

import time

from blobtorrent import __version__
from blobtorrent.core.session.commands import OpenListeners
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.daemon.assemble import Engine
from blobtorrent.daemon.notify import Notifier
from blobtorrent.daemon.reload import Reloader
from blobtorrent.daemon.signals import RELOAD, Signals
from blobtorrent.daemon.supervisor import Supervisor
from blobtorrent.model.units import format_rate
from blobtorrent.runtime.logs import QueuedLogging, get_logger

log = get_logger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1

START_LIMIT_S = 300.0                  # for the service manager to wait for READY: damaged state is rebuilt first
STOP_LIMIT_S = 60.0                    # and for our end: trackers are told, disks finish what they write
INTERFACE_STOP_S = 2.0
CHECK_S = 5.0                          # between two looks at the threads
LOOKS_PER_WATCHDOG = 4                 # within the time that the service manager gives us


class Service:
    """`interfaces` are what clients reach the engine by: they start after it and end before it."""

    def __init__(
        self,
        engine: Engine,
        interfaces: Supervisor,
        reloader: Reloader,
        *,
        signals: Signals,
        logs: QueuedLogging,
        notifier: Notifier,
    ) -> None:
        self._engine = engine
        self._interfaces = interfaces
        self._reloader = reloader
        self._signals = signals
        self._logs = logs
        self._notifier = notifier
        self._late: list[str] = []
        self._check_s = CHECK_S
        if notifier.watchdog_s:
            self._check_s = min(CHECK_S, notifier.watchdog_s / LOOKS_PER_WATCHDOG)

    def run(self) -> int:
        """Start, serve until a signal, stop. Returns the exit status; raises what keeps it from starting."""
        started_s = time.monotonic()
        try:
            self._engine.start()
            self._interfaces.start()
            self._engine.gateway.ask(OpenListeners(self._reloader.settings.network.listen), START_LIMIT_S)
            log.info("ready", version=__version__, seconds=round(time.monotonic() - started_s, 3))
            self._notifier.ready(status_line(self._engine.gateway))
            return self._serve()
        finally:
            self._stop()

    def _serve(self) -> int:
        """Until we are told to end, or a thread has died."""
        next_check_s = time.monotonic() + self._check_s
        while True:
            taken = self._signals.wait(max(0.0, next_check_s - time.monotonic()))
            if taken is RELOAD:
                self._reload()
            elif taken is not None:
                log.info("ending", signal=taken.name)
                return EXIT_OK
            if time.monotonic() >= next_check_s:
                next_check_s = time.monotonic() + self._check_s
                if not self._check():
                    return EXIT_FAILED

    def _reload(self) -> None:
        self._notifier.reloading(time.monotonic())
        self._logs.reopen()
        self._reloader.reload()
        self._notifier.ready(status_line(self._engine.gateway))

    def _check(self) -> bool:
        """Look at all threads, tell the service manager; False when the engine cannot go on."""
        dead = self._engine.dead_threads() or self._interfaces.dead_threads()
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
            self._notifier.status(status_line(self._engine.gateway))
        return True

    def _stop(self) -> None:
        """End in order; a second ending signal does not wait for it."""
        self._signals.release()
        self._notifier.stopping()
        self._notifier.extend(STOP_LIMIT_S)
        self._interfaces.stop(INTERFACE_STOP_S)
        self._engine.stop()


def status_line(gateway: Gateway) -> str:
    """The daemon in a few words, for `systemctl status`."""
    session = gateway.session
    noun = "torrent" if session.torrents == 1 else "torrents"
    rates = f"down {format_rate(session.down_bytes_per_s)}, up {format_rate(session.up_bytes_per_s)}"
    damage = f"; {len(session.damages)} damaged, see the log" if session.damages else ""
    return f"{session.torrents} {noun}, {rates}{damage}"
