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
    for cells in laid_out(columns, rows, width=width, chars=chars):
        yield "".join(paint(cell.text, cell.style) for cell in cells).rstrip()


def laid_out(
    columns: Sequence[Column], rows: Iterable[Sequence[str | Cell]], *,
    width: int | None = None, chars: Charset = UNICODE,
) -> Iterator[list[Cell]]:
    """The same, where each line is the cells that it is made of, from left to right, gaps too."""
    lines = [[Cell(column.title, Style.TITLE) for column in columns]]
    lines += [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    natural = [max(columns_of(line[place].text) for line in lines) for place in range(len(columns))]
    places = list(range(len(columns))) if width is None else _kept(columns, natural, width)
    widths = natural if width is None else _narrowed(columns, natural, places, width)
    for line in lines:
        cells: list[Cell] = []
        for place in places:
            if cells:
                cells.append(Cell(GAP))
            cells += _filled(line[place], widths[place], chars, to_the_right=columns[place].is_number)
        yield cells


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


def _filled(cell: Cell, width: int, chars: Charset, *, to_the_right: bool) -> tuple[Cell, ...]:
    """The cell, as wide as its column."""
    columns = columns_of(cell.text)
    if columns >= width:
        return (cell if columns == width else cell._replace(text=fit(cell.text, width, chars)),)
    space = Cell(" " * (width - columns))
    return (space, cell) if to_the_right else (cell, space)
