"""Talk with a script of ours in a child process: lines of words in, lines of JSON out."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import Any

from tests.support.peers.program import Program, is_readable

PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}     # how such a program is started


class Conversation:
    """Both pipes of a program started with `PIPES`."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._unread = b""

    def tell(self, line: str) -> None:
        stdin = self._program.process.stdin
        assert stdin is not None
        stdin.write(line.encode() + b"\n")
        stdin.flush()

    def hear(self, key: str, timeout_s: float) -> dict[str, Any]:
        """The next object that has `key`; earlier ones are skipped. TimeoutError, or RuntimeError at its end."""
        stdout = self._program.process.stdout
        assert stdout is not None
        deadline = time.monotonic() + timeout_s
        while True:
            line, found, rest = self._unread.partition(b"\n")
            if found:
                self._unread = rest
                told: dict[str, Any] = json.loads(line)
                if key in told:
                    return told
                continue
            if not is_readable(stdout.fileno(), max(0.0, deadline - time.monotonic())):
                raise TimeoutError(f"no {key!r} in {timeout_s:g} s: {self._program.output()[-1000:]}")
            chunk = os.read(stdout.fileno(), 65536)
            if not chunk:
                raise RuntimeError(f"ended without {key!r}: {self._program.output()[-2000:]}")
            self._unread += chunk

    def close(self) -> None:
        """The script takes the end of its stdin as the order to end."""
        stdin = self._program.process.stdin
        if stdin is not None and not stdin.closed:
            stdin.close()
