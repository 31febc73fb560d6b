"""Rates of the last minutes, and the line that is drawn of them. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from blobtorrent.cli.progress import Charset

MAX_SAMPLES = 300


class History:
    """Rates in bytes per second, the newest last."""

    def __init__(self) -> None:
        self.down: deque[int] = deque(maxlen=MAX_SAMPLES)
        self.up: deque[int] = deque(maxlen=MAX_SAMPLES)

    def add(self, down_bytes_per_s: int, up_bytes_per_s: int) -> None:
        self.down.append(down_bytes_per_s)
        self.up.append(up_bytes_per_s)

    @property
    def is_quiet(self) -> bool:
        """Nothing has moved for as long as is remembered."""
        return not any(self.down) and not any(self.up)


def sparkline(samples: Iterable[int], columns: int, chars: Charset) -> str:
    """The newest samples, one a column, the newest at the right; the highest of them reaches the top.

    What is more than nothing is never drawn as nothing.
    """
    shown = _newest(list(samples), columns)
    highest = max(shown, default=0)
    top = len(chars.levels) - 1
    drawn = "".join(chars.levels[-(-sample * top // highest) if highest else 0] for sample in shown)
    return " " * (columns - len(shown)) + drawn


def _newest(samples: Sequence[int], columns: int) -> Sequence[int]:
    return samples[max(0, len(samples) - columns):] if columns > 0 else ()
