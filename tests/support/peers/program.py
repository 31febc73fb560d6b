"""A child process with a home of its own: started, measured from outside, ended by its id."""

from __future__ import annotations

import errno
import os
import random
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Self = TypeVar("Self", bound="Program")

_NOT_EPHEMERAL = (10_000, 32_000)
_CHANCE = random.SystemRandom()
GRACE_S = 8.0                          # after SIGTERM or SIGINT, before SIGKILL


class Program:
    """One running program. `command` begins with its name; `home` is its HOME, a temporary folder when not given.

    CPU seconds and peak memory are read from the kernel's accounts of the process, all of its threads included, the
    ended ones too; they stay readable after it has ended.
    """

    stop_signal = signal.SIGTERM

    def __init__(self, command: Sequence[str | os.PathLike[str]], *, home: Path | None = None,
                 environment: Mapping[str, str] | None = None, prefix: Sequence[str] = (),
                 **popen_options: Any) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="peer-") if home is None else None
        self.home = Path(self._temporary.name) if self._temporary else home or Path()
        self.log = self.home / "output.log"
        self._command = [*prefix, *(os.fspath(word) for word in command)]
        self._environment = {**os.environ, "HOME": str(self.home), "TMPDIR": str(self.home), **(environment or {})}
        self._options = popen_options
        self._process: subprocess.Popen[Any] | None = None
        self._reaped: _Account | None = None
        self._reaping = threading.Lock()

    def __enter__(self: Self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def start(self) -> None:
        with open(self.log, "ab") as log:
            options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **self._options}
            self._process = subprocess.Popen(self._command, env=self._environment, cwd=self.home, **options)

    def wait_ready(self) -> None:
        """Return once the program does its work; subclasses know how to tell."""

    def stop(self) -> None:
        """End the process if it still runs, and remove a temporary home."""
        if self._process is not None and self.poll() is None:
            self.send_signal(self.stop_signal)
            try:
                self.wait(GRACE_S)
            except TimeoutError:
                self.send_signal(signal.SIGKILL)
                self.wait(GRACE_S)
        self.close()

    def close(self) -> None:
        """Give back pipes and the temporary home, the process having ended."""
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def process(self) -> subprocess.Popen[Any]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    def send_signal(self, number: int) -> None:
        with self._reaping:
            if self._reaped is None:
                os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Exit status, negative for a signal, or None while it runs."""
        with self._reaping:
            if self._reaped is None:
                pid, status, usage = os.wait4(self.pid, os.WNOHANG)
                if pid:
                    code = os.waitstatus_to_exitcode(status)
                    self.process.returncode = code
                    self._reaped = _Account(code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10)
            return None if self._reaped is None else self._reaped.exit_code

    def wait(self, timeout_s: float) -> int:
        """Exit status; TimeoutError when it still runs after `timeout_s`."""
        wait_until(lambda: self.poll() is not None, timeout_s, f"the end of {self._command[0]}", every_s=0.002)
        return self.process.returncode

    def cpu_s(self) -> float:
        """User and system seconds of the process so far."""
        if self.poll() is None:
            # The kernel's clock of another process: ~pid in the upper bits, 2 for scheduler time (clock_getcpuclockid).
            return time.clock_gettime((~self.pid << 3) | 2)
        assert self._reaped is not None
        return self._reaped.cpu_s

    def peak_rss_bytes(self) -> int:
        return self._memory_bytes("VmHWM")

    def rss_bytes(self) -> int:
        return self._memory_bytes("VmRSS")

    def _memory_bytes(self, field: str) -> int:
        if self.poll() is not None:
            assert self._reaped is not None
            return self._reaped.peak_rss_bytes
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) << 10
        raise LookupError(field)

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


@dataclass(frozen=True)
class _Account:
    """What the kernel said when the process was reaped."""

    exit_code: int
    cpu_s: float
    peak_rss_bytes: int


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on now, and none that the system gives to whoever asks for any: between this and
    its use somebody may, in a suite that runs beside this one."""
    while True:
        port = _CHANCE.randrange(*_NOT_EPHEMERAL)
        with socket.socket() as probe:
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port


def listens(endpoint: str) -> bool:
    """Whether "HOST:PORT" takes connections."""
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def wait_still(figure: Callable[[], int], still_s: float, timeout_s: float, what: str) -> int:
    """Poll until a figure has not changed for so long; returns it. TimeoutError names `what` goes on."""
    deadline = time.monotonic() + timeout_s
    before, since_s = figure(), time.monotonic()
    while time.monotonic() - since_s < still_s:
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s for the end of {what}")
        time.sleep(still_s / 20)
        now = figure()
        if now != before:
            before, since_s = now, time.monotonic()
    return before


def is_readable(descriptor: int, timeout_s: float) -> bool:
    """Whether there is something to read within that time, however many descriptors this process has."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(1000 * timeout_s))


def wait_until(condition: Callable[[], object], timeout_s: float, what: str, every_s: float = 0.02) -> None:
    """Poll until `condition()` is true; TimeoutError names `what` was waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        time.sleep(every_s)
