"""A program on a pseudo-terminal, and what a person would see there: pyte plays the terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence

import pyte

PATIENCE_S = 30.0
TERM = "linux"                         # that of pyte: xterm repeats characters in a way that it does not know
KEYS = {
    "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "enter": "\r", "esc": "\x1b", "tab": "\t",
    "backspace": "\x7f", **{f"^{letter}": chr(ord(letter) - 64) for letter in "CDQRSTU"},
}


class ScreenProgram:
    """Used as a context manager. `environment` comes on top of ours."""

    def __init__(self, command: Sequence[str], *, columns: int = 100, rows: int = 30,
                 environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._environment = {
            **os.environ, "TERM": TERM, "LC_ALL": "C.UTF-8", **(environment or {})}
        self._environment.pop("NO_COLOR", None)
        self._environment.update(environment or {})
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._master = -1
        self.raw = b""

    def __enter__(self) -> ScreenProgram:
        self._master, terminal = pty.openpty()
        self._set_size(self._screen.columns, self._screen.lines)
        self._process = subprocess.Popen(
            self._command, stdin=terminal, stdout=terminal, stderr=terminal, env=self._environment,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self._before = termios.tcgetattr(terminal)
        self._terminal = terminal
        return self

    def __exit__(self, *raised: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE_S)
        os.close(self._terminal)
        os.close(self._master)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_restored(self) -> bool:
        """Whether the terminal takes lines and echoes again, as before the program."""
        return termios.tcgetattr(self._terminal) == self._before

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def styles_of(self, word: str) -> set[tuple[str, bool, bool]]:
        """Colour, bold and reverse of the characters of the first place where this stands."""
        row, column = next((row, line.index(word)) for row, line in enumerate(self._screen.display) if word in line)
        cells = (self._screen.buffer[row][place] for place in range(column, column + len(word)))
        return {(cell.fg, cell.bold, cell.reverse) for cell in cells}

    def press(self, *keys: str) -> None:
        """Names of keys, or text as it is typed."""
        os.write(self._master, "".join(KEYS.get(key, key) for key in keys).encode())

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)
        self._set_size(columns, rows)

    def wait_for(self, what: str | Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
        """Until the screen shows a text, or something is so. TimeoutError shows the screen."""
        deadline_s = time.monotonic() + timeout_s
        while not (what in self.text if isinstance(what, str) else what()):
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"waited {timeout_s:g} s for {what!r}; the screen shows\n{self.text}")
            self._pump(0.05)

    def wait_end(self, timeout_s: float = PATIENCE_S) -> int:
        """The exit status."""
        self.wait_for(lambda: self._process.poll() is not None, timeout_s)
        self._pump(0.0)
        return self._process.returncode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def _pump(self, wait_s: float) -> None:
        """Takes in what comes until nothing came for that long: a screen comes in parts."""
        while select.select([self._master], [], [], wait_s)[0]:
            chunk = os.read(self._master, 1 << 16)
            self.raw += chunk
            self._stream.feed(chunk)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
