"""Tables for people: columns as wide as their widest cell, numbers to the right, fitted to the terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from blobtorrent.cli.paint import Cell, Painter, Style
from blobtorrent.cli.progress import UNICODE, Charset, columns_of, fit

GAP = "  "
MIN_TEXT_COLUMNS = 12                  # a text is not cut shorter than this while a column can go instead


class Column(NamedTuple):
    """`importance`: where room is short the columns with the lowest go first. `is_text`: its cells may be cut."""

    title: str
    is_number: bool = False
    importance: int = 0
    is_text: bool = False


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[str | Cell]], *,
    width: int | None = None, paint: Painter | None = None, chars: Charset = UNICODE,
) -> Iterator[str]:
    """The lines of a table, its titles first. Cells are text that a terminal may be given.

    With `width` no line is wider, as long as the most important column fits.
    """
    paint = paint or Painter(False)
    lines = [[Cell(column.title, Style.TITLE) for column in columns]]
    lines += [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    natural = [max(columns_of(line[place].text) for line in lines) for place in range(len(columns))]
    places = list(range(len(columns))) if width is None else _kept(columns, natural, width)
    widths = natural if width is None else _narrowed(columns, natural, places, width)
    for line in lines:
        cells = [
            _drawn(line[place], widths[place], paint, chars, to_the_right=columns[place].is_number, is_last=is_last)
            for place, is_last in ((place, place == places[-1]) for place in places)
        ]
        yield GAP.join(cells).rstrip()


def _kept(columns: Sequence[Column], natural: Sequence[int], width: int) -> list[int]:
    """The columns there is room for, texts being cut."""
    least = [
        min(full, MIN_TEXT_COLUMNS) if column.is_text else full for column, full in zip(columns, natural)
    ]
    places = list(range(len(columns)))
    while len(places) > 1 and sum(least[place] for place in places) + len(GAP) * (len(places) - 1) > width:
        # Of equally important columns the right one goes.
        places.remove(min(reversed(places), key=lambda place: columns[place].importance))
    return places


def _narrowed(columns: Sequence[Column], natural: Sequence[int], places: Sequence[int], width: int) -> list[int]:
    """The widths with which the kept columns fit; the widest texts give most."""
    widths = list(natural)
    excess = sum(widths[place] for place in places) + len(GAP) * (len(places) - 1) - width
    texts = [place for place in places if columns[place].is_text]
    while excess > 0 and texts:
        widest = max(texts, key=lambda place: widths[place])
        if widths[widest] <= 1:
            break
        others = [widths[place] for place in texts if widths[place] < widths[widest]]
        step = min(excess, max(1, widths[widest] - max(others, default=1)))
        widths[widest] -= step
        excess -= step
    return widths


def _drawn(cell: Cell, width: int, paint: Painter, chars: Charset, *, to_the_right: bool, is_last: bool) -> str:
    if columns_of(cell.text) > width:
        return paint(fit(cell.text, width, chars), cell.style)
    space = " " * (width - columns_of(cell.text))
    text = paint(cell.text, cell.style)
    if to_the_right:
        return space + text
    return text if is_last else text + space
