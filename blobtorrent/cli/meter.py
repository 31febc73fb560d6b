"""Meter: how far a long operation is, drawn on stderr while a terminal is there to see it.

Results go to stdout, so a bar never gets into a file or a pipe.
"""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import TextIO

from blobtorrent.cli.progress import bar, charset_for, fit, percent
from blobtorrent.model.units import format_duration, format_rate

BAR_COLUMNS = 40
MIN_BAR_COLUMNS = 8
DRAW_INTERVAL_S = 0.1
RATE_WINDOW_S = 5.0                    # the rate is that of so long

_ERASE = "\r\x1b[K"


class Pace:
    """How fast something grows, from samples of the last few seconds. Pure: time is given."""

    def __init__(self, window_s: float = RATE_WINDOW_S) -> None:
        self._window_s = window_s
        self._samples: list[tuple[float, int]] = []

    def add(self, done: int, now: float) -> None:
        if self._samples and done < self._samples[-1][1]:      # it began anew
            self._samples.clear()
        self._samples.append((now, done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - self._window_s:
            del self._samples[0]

    @property
    def per_s(self) -> float:
        """0.0 while nothing is known."""
        if not self._samples:
            return 0.0
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0


class Meter:
    """One line with a bar, the rate and the time that is left. Used as a context manager, which erases it."""

    def __init__(self, *, is_wanted: bool = True, out: TextIO | None = None) -> None:
        self._out = sys.stderr if out is None else out
        self._is_on = is_wanted and self._out.isatty()
        self._chars = charset_for(self._out.encoding)
        self._pace = Pace()
        self._next_draw_s = 0.0
        self._is_drawn = False

    def __enter__(self) -> Meter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hide()

    def hide(self) -> None:
        """Make room for a line of output; what is shown next draws the bar again."""
        if self._is_drawn:
            self._out.write(_ERASE)
            self._out.flush()
            self._is_drawn = False

    def show(self, done: int, size: int, note: str = "") -> None:
        """Bytes done of how many; `note` is text that a terminal may be given."""
        if self._is_on:
            now = time.monotonic()
            self._pace.add(done, now)
            self._draw(done, size, [*self._speed(done, size), note], now)

    def show_count(self, done: int, total: int) -> None:
        """Things done of how many."""
        if self._is_on:
            self._draw(done, total, [f"{done} of {total}"], time.monotonic())

    def _speed(self, done: int, size: int) -> list[str]:
        per_s = self._pace.per_s
        if per_s <= 0:
            return []
        eta = [f"ETA {format_duration((size - done) / per_s)}"] if done < size else []
        return [format_rate(per_s), *eta]

    def _draw(self, done: int, size: int, words: list[str], now: float) -> None:
        if now < self._next_draw_s:
            return
        self._next_draw_s = now + DRAW_INTERVAL_S
        columns = shutil.get_terminal_size().columns - 1       # some terminals wrap when the last one is written
        self._out.write(_ERASE + self._line(done, size, words, columns))
        self._out.flush()
        self._is_drawn = True

    def _line(self, done: int, size: int, words: list[str], columns: int) -> str:
        figures = "  ".join(filter(None, [percent(done, size), *words]))
        room = min(BAR_COLUMNS, columns - len(figures) - 1)
        drawn = f"{bar(done, size, room, self._chars)} " if room >= MIN_BAR_COLUMNS else ""
        return fit(drawn + figures, columns, self._chars).rstrip()
