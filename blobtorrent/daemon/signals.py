"""Signals as values: blocked in every thread, taken one after the other by the main thread."""

from __future__ import annotations

import faulthandler
import signal
import threading
from typing import TextIO

ENDING = (signal.SIGTERM, signal.SIGINT)
RELOAD = signal.SIGHUP
WAKE = signal.SIGUSR1                  # from one of our own threads: there is something to do
DUMP = signal.SIGUSR2

_TAKEN = (*ENDING, RELOAD, WAKE)


class Signals:
    """Owned by the main thread."""

    def __init__(self) -> None:
        """From now on signals wait until they are taken. Threads inherit this: make it before the first one starts."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _TAKEN)
        self._main = threading.get_ident()

    def wait(self, timeout_s: float) -> signal.Signals | None:
        """The next signal; None when none came within `timeout_s` seconds."""
        taken = signal.sigtimedwait(_TAKEN, timeout_s)
        return None if taken is None else signal.Signals(taken.si_signo)

    @property
    def is_ending(self) -> bool:
        """Whether a signal waits that ends us. It goes on waiting."""
        return not signal.sigpending().isdisjoint(ENDING)

    def poll(self) -> signal.Signals | None:
        """A signal that came already, if any did."""
        return self.wait(0.0)

    def wake(self) -> None:
        """End a wait of the main thread, or the next one; from any thread."""
        signal.pthread_kill(self._main, WAKE)

    def release(self) -> None:
        """Another ending signal ends the process at once: it loses nothing, and who sends it does not want to wait.

        Those that came until now do not count: a terminal and a wrapper may both have passed on the same wish.
        """
        while signal.sigtimedwait(ENDING, 0) is not None:
            pass
        for number in ENDING:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def dump_on_request(stream: TextIO) -> None:
    """SIGUSR2 writes the stacks of all threads, also when none of them gets to run Python any more."""
    faulthandler.register(DUMP, file=stream, all_threads=True)
