"""What every BitTorrent program under test has in common: one torrent, one folder, a role, and figures at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.support.peers.program import Program, is_readable

LOOPBACK = "127.0.0.1"
LOOK_S = 0.5                           # how often to see whether a silent program still runs


class Wire(Enum):
    """What a program speaks with peers, and takes from them: it is made to insist on it."""

    PLAIN = "plain"
    HANDSHAKE = "handshake"            # encrypted; the stream behind it is not
    RC4 = "rc4"                        # all of it


class Role(Enum):
    SEED = "seed"
    LEECH = "leech"


@dataclass(frozen=True)
class Job:
    """One torrent for one program: where its content lies or shall lie, and who has it.

    `peers` are "HOST:PORT"; `address` is where the program listens; `prefix` is put before its command, to run it in a
    namespace. A driver whose program takes no peers by hand gives it the torrent with a tracker that lists them; with
    `has_tracker` the torrent has one of its own, which is then the only source. Our own program goes by its settings
    instead of `wire`.
    """

    role: Role
    torrent: Path
    folder: Path
    info_hash: bytes
    peers: tuple[str, ...] = ()
    address: str = LOOPBACK
    prefix: tuple[str, ...] = ()
    has_tracker: bool = False
    wire: Wire = Wire.PLAIN


@dataclass(frozen=True)
class Transfer:
    """What one download cost the program that was measured, from its being ready to its being done."""

    wall_s: float
    cpu_s: float                       # user and system, in that time
    whole_cpu_s: float                 # the same since the process began
    peak_rss_bytes: int


class Client(Program):
    """A program with one job. A context: inside it, a seed serves, and a leech has begun."""

    endpoint: str                      # "HOST:PORT" that it listens on

    def __init__(self, job: Job, command: Sequence[str | os.PathLike[str]], *, home: Path | None = None) -> None:
        super().__init__(command, home=home, prefix=job.prefix)
        self.job = job
        self.began_at_s = 0.0
        self.cpu_at_begin_s = 0.0
        self._transfer: Transfer | None = None

    def mark_begin(self) -> None:
        """The transfer is measured from here."""
        self.began_at_s = time.monotonic()
        self.cpu_at_begin_s = self.cpu_s()

    def mark_complete(self, at_s: float | None = None, cpu_s: float | None = None) -> None:
        """The transfer is measured up to here; a program that knows better than the caller's clock says when."""
        ended_at_s = time.monotonic() if at_s is None else at_s
        whole_cpu_s = self.cpu_s() if cpu_s is None else cpu_s
        self._transfer = Transfer(
            wall_s=ended_at_s - self.began_at_s, cpu_s=whole_cpu_s - self.cpu_at_begin_s, whole_cpu_s=whole_cpu_s,
            peak_rss_bytes=self.peak_rss_bytes())

    def wait_complete(self, timeout_s: float) -> Transfer:
        """Wait until the download is verified. TimeoutError, or RuntimeError when the program ends before."""
        raise NotImplementedError

    def wait_bell(self, doorbell: Doorbell, timeout_s: float) -> Transfer:
        """`wait_complete` of a program whose completion hook rings `doorbell`."""
        deadline = time.monotonic() + timeout_s
        while not doorbell.wait(LOOK_S):
            if self.poll() is not None:
                raise RuntimeError(f"{self._command[0]} ended: {self.output()[-1000:]}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._command[0]} is not complete after {timeout_s:g} s: {self.output()[-1000:]}")
        self.mark_complete()
        return self.transfer

    @property
    def transfer(self) -> Transfer:
        assert self._transfer is not None, "not complete"
        return self._transfer


class Doorbell:
    """A named pipe that a program's own completion hook writes to: no polling, so no cost and no delay.

    `script` is an executable that rings it, whatever its arguments.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "doorbell"
        os.mkfifo(self._path)
        self._reading = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
        self.script = folder / "ring"
        self.script.write_text(f"#!/bin/sh\necho done > '{self._path}'\n")
        self.script.chmod(0o755)

    def wait(self, timeout_s: float) -> bool:
        return is_readable(self._reading, timeout_s)

    def close(self) -> None:
        os.close(self._reading)
