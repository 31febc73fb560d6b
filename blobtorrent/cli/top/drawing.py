"""What the renderer draws with: lines of cells that fit their columns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from blobtorrent.cli.paint import Cell
from blobtorrent.cli.progress import Charset, columns_of, fit


class Line(NamedTuple):
    """One line of the screen. Its cells are never wider than the screen; a marked one stands out."""

    cells: tuple[Cell, ...] = ()
    is_marked: bool = False

    @property
    def text(self) -> str:
        return "".join(cell.text for cell in self.cells)


def cut(cells: Iterable[Cell], columns: int, chars: Charset, *, is_marked: bool = False) -> Line:
    """As much of the cells as fits."""
    kept: list[Cell] = []
    room = columns
    for cell in cells:
        width = columns_of(cell.text)
        if width > room:
            if room > 0:
                kept.append(cell._replace(text=fit(cell.text, room, chars)))
            break
        kept.append(cell)
        room -= width
    return Line(tuple(kept), is_marked)


def between(left: Sequence[Cell], right: Sequence[Cell], columns: int, chars: Charset) -> Line:
    """Cells at both ends of a line; where there is no room for both the right ones go."""
    gap = columns - sum(columns_of(cell.text) for cell in (*left, *right))
    if gap < 1:
        return cut(left, columns, chars)
    return Line((*left, Cell(" " * gap), *right))


def window(number: int, count: int, rows: int) -> tuple[int, int]:
    """Which of `count` lines are shown in `rows`: the one with the cursor in the middle, where the ends allow it."""
    start = max(0, min(number - rows // 2, count - rows))
    return start, min(count, start + rows)


def encodable(text: str, encoding: str) -> str:
    """The text as a terminal of this encoding can show it, in as many columns: ? for what it has not."""
    try:
        text.encode(encoding)
        return text
    except UnicodeEncodeError:
        return "".join(_encodable(character, encoding) for character in text)


def _encodable(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
        return character
    except UnicodeEncodeError:
        return "?" * columns_of(character)
