"""Runs one program for one event: no shell, its output into the log, killed with all that it started when it is late.

The process is made by posix_spawn, which can give it signals as new programs expect them; ours are blocked, because
one thread waits for them. Blocking; for threads that may wait.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from blobtorrent.interface.hooks.outcome import FAILED, OK, TIMED_OUT, Outcome
from blobtorrent.model.text import clean
from blobtorrent.runtime.redact import redact

LOOK_S = 0.1                           # between two looks whether it ended, or we are to end
GRACE_S = 1.0                          # between asking it to end and killing it
LAST_GRACE_S = 0.2                     # the same, when we are to end
REAP_S = 1.0                           # for a killed one to be gone; one that hangs in the system is left alone
MAX_LINES = 100                        # of output of one run; the rest is thrown away
MAX_LINE_BYTES = 4096
READ_BYTES = 16 << 10
LAST_READS = 8                         # after its end: more than a pipe holds is from children, who may go on for ever


def run_program(
    argv: Sequence[str],
    environ: Mapping[str, str],
    stdin: bytes,
    *,
    timeout_s: float,
    is_stopped: Callable[[], bool],
    on_line: Callable[[str], None],
) -> Outcome:
    """Run it to its end. `on_line` gets each line of what it writes, standard error too, harmless and without secrets.

    It gets `stdin` on its standard input, and may leave it unread. When `timeout_s` seconds are over, or `is_stopped`
    says so, the whole process group is asked to end, and then killed.
    """
    try:
        run = _Run(argv, environ, stdin, on_line)
    except OSError as error:
        return Outcome(FAILED, f"cannot be run: {error.strerror}")
    try:
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s and not is_stopped():
            if run.look(LOOK_S):
                return _outcome(run.exit_status)
        if is_stopped():
            run.kill(LAST_GRACE_S)
            return Outcome(TIMED_OUT, "killed: we end")
        run.kill(GRACE_S)
        return Outcome(TIMED_OUT, "killed: it was not done in time")
    finally:
        run.close()


def _outcome(status: int) -> Outcome:
    if status == 0:
        return Outcome(OK)
    if status > 0:
        return Outcome(FAILED, f"exit status {status}")
    return Outcome(FAILED, f"killed by signal {-status}")


class _Run:
    """A process with pipes to it and from it, whose other ends are closed here."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], stdin: bytes,
                 on_line: Callable[[str], None]) -> None:
        self.exit_status: int = 0      # negative: the signal that ended it
        self._has_ended = False
        self._left = memoryview(stdin)
        self._lines = _Lines(on_line)
        self._selector = selectors.DefaultSelector()
        theirs_in, self._input = os.pipe()
        try:
            self._output, theirs_out = os.pipe()
        except OSError:
            os.close(theirs_in)
            os.close(self._input)
            raise
        self._open = {self._input, self._output}
        try:
            self._process = os.posix_spawn(
                argv[0], list(argv), dict(environ),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs_in, 0),
                    (os.POSIX_SPAWN_DUP2, theirs_out, 1),
                    (os.POSIX_SPAWN_DUP2, theirs_out, 2),
                ],
                setpgroup=0,           # a group of its own, so that it ends with all its children
                setsigmask=(),
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),            # Python ignores them, and that is inherited
            )
        except BaseException:
            self._has_ended = True
            self.close()
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        for descriptor, events in ((self._input, selectors.EVENT_WRITE), (self._output, selectors.EVENT_READ)):
            os.set_blocking(descriptor, False)
            self._selector.register(descriptor, events)

    def look(self, timeout_s: float) -> bool:
        """Move what can be moved within `timeout_s` seconds; True when the process has ended.

        What its children still write then is not waited for.
        """
        for key, _events in self._selector.select(timeout_s):
            if key.fd == self._input:
                self._write()
            else:
                self._read()
        if not self._reap():
            return False
        for _ in range(LAST_READS):
            if self._output not in self._open or not self._read():
                break
        self._lines.end()
        return True

    def kill(self, grace_s: float) -> None:
        """End it and what it started; returns when it is gone, or cannot be got rid of."""
        for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, REAP_S)):
            if self._has_ended:
                return
            try:
                os.killpg(self._process, number)
            except ProcessLookupError:                     # it made itself a group of its own
                os.kill(self._process, number)
            end_s = time.monotonic() + patience_s
            while time.monotonic() < end_s and not self.look(LOOK_S):
                pass

    def close(self) -> None:
        for descriptor in list(self._open):
            self._shut(descriptor)
        self._selector.close()

    def _reap(self) -> bool:
        if not self._has_ended:
            pid, status = os.waitpid(self._process, os.WNOHANG)
            if pid:
                self._has_ended = True
                self.exit_status = os.waitstatus_to_exitcode(status)
        return self._has_ended

    def _write(self) -> None:
        try:
            self._left = self._left[os.write(self._input, self._left):]
        except BlockingIOError:
            return
        except OSError:                # it reads no more
            self._left = self._left[:0]
        if not self._left:
            self._shut(self._input)

    def _read(self) -> bool:
        """False when there is nothing more for now, or ever."""
        try:
            data = os.read(self._output, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._shut(self._output)
            return False
        self._lines.feed(data)
        return True

    def _shut(self, descriptor: int) -> None:
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)
        self._open.remove(descriptor)
        os.close(descriptor)


class _Lines:
    """Cuts output into lines, and passes the first of them on."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._buffer = b""
        self._num_lines = 0

    def feed(self, data: bytes) -> None:
        *lines, rest = (self._buffer + data).split(b"\n")
        self._buffer = rest[:MAX_LINE_BYTES]
        for line in lines:
            self._pass_on(line)

    def end(self) -> None:
        if self._buffer:
            self._pass_on(self._buffer)
            self._buffer = b""

    def _pass_on(self, line: bytes) -> None:
        self._num_lines += 1
        if self._num_lines <= MAX_LINES:
            self._on_line(redact(clean(line[:MAX_LINE_BYTES].decode("utf-8", "replace").rstrip("\r"))))
        elif self._num_lines == MAX_LINES + 1:
            self._on_line("... and more, which is not told")
