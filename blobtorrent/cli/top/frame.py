"""The whole screen, drawn from the model: exactly as many lines as it has rows, none wider than its columns. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from blobtorrent.cli.paint import Cell, Style
from blobtorrent.cli.progress import Charset, columns_of, fit
from blobtorrent.cli.top.details import head_lines, page_lines, rate_line
from blobtorrent.cli.top.drawing import Line, between, cut
from blobtorrent.cli.top.fulllisting import LINES, full_lines
from blobtorrent.cli.top.keys import shown_key
from blobtorrent.cli.top.listing import title_line, torrent_lines
from blobtorrent.cli.top.model import COMPACT, KIB, Focus, Top
from blobtorrent.cli.top.prompt import Prompt

MIN_COLUMNS, MIN_ROWS = 40, 10         # on a smaller screen nothing can be told
RATES_FROM = 20                        # rows: from here on the list has lines of rates below it
HELP_KEYS = 24                         # columns


class Frame(NamedTuple):
    """`cursor` is where the terminal's cursor is shown, as (row, column), or None."""

    lines: list[Line]
    cursor: tuple[int, int] | None


def draw(top: Top, columns: int, rows: int, chars: Charset) -> Frame:
    """The screen of this size. Tells the model how many lines of a page are seen."""
    if columns < MIN_COLUMNS or rows < MIN_ROWS:
        return _padded([cut([Cell(f"{MIN_COLUMNS}x{MIN_ROWS} at least")], columns, chars)], [], rows)
    header = [_header(top, columns, chars)]
    footer = _footer(top, columns, chars)
    torrent = top.chosen
    if top.focus is Focus.LIST:
        if top.layout == COMPACT:
            header.append(title_line(columns, chars))
        if rows >= RATES_FROM:
            footer = [*_rates(top, columns, chars), *footer]
    elif top.focus is Focus.DETAILS and torrent is not None:
        header += head_lines(top, torrent, columns, chars)
    room = rows - len(header) - len(footer)
    top.screen_rows = room if top.focus is not Focus.LIST or top.layout == COMPACT else max(1, room // LINES)
    body = itertools.islice(_body(top, columns, room, chars), room)
    return _padded([*header, *body], footer, rows, _cursor(top.prompt, columns, rows, chars))


def _padded(lines: list[Line], footer: list[Line], rows: int, cursor: tuple[int, int] | None = None) -> Frame:
    blank = [Line()] * (rows - len(lines) - len(footer))
    return Frame([*lines, *blank, *footer][:rows], cursor)


def _body(top: Top, columns: int, rows: int, chars: Charset) -> Iterable[Line]:
    if top.focus is Focus.LIST:
        return (torrent_lines if top.layout == COMPACT else full_lines)(top, columns, rows, chars)
    if top.focus is Focus.DETAILS:
        if top.chosen is None:
            return iter([cut([Cell("it was removed", Style.WAITING)], columns, chars)])
        return page_lines(top, columns, rows, chars)
    told = list(_help(top)) if top.focus is Focus.HELP else [[Cell(text)] for text in top.log]
    start = top.hold_line(len(told), rows)
    return (cut(line, columns, chars) for line in told[start : start + rows])


def _header(top: Top, columns: int, chars: Charset) -> Line:
    session, roster = top.session, top.roster
    if top.lost:
        return cut([Cell("*** BlobTorrent ***", Style.TITLE), Cell(f" no answer: {top.lost}", Style.BAD)],
                   columns, chars)
    name, state, port = "*** BlobTorrent", "", ""
    if session is not None:
        name = f"{name} {session.version}"
        state = "" if session.state == "running" else f" {session.state}"
        port = f" - {session.listen}" if session.listen else ""
    shown = f"{len(roster)} of {roster.total}" if len(roster) != roster.total else str(roster.total)
    filtered = f" /{roster.text}" if roster.text else ""
    order = f"{'-' if roster.is_reversed else ''}{roster.order}"
    right = [Cell(f"[View: {roster.view.name}{filtered}, {shown}] [By: {order}]")]
    if columns_of(f"{name}{port} ***{state} {right[0].text}") > columns:
        port = ""                      # the first that can go
    return between([Cell(f"{name}{port} ***", Style.TITLE), Cell(state, Style.WAITING)], right, columns, chars)


def _rates(top: Top, columns: int, chars: Charset) -> Iterator[Line]:
    down = 0 if top.session is None else top.session.down_bytes_per_s
    up = 0 if top.session is None else top.session.up_bytes_per_s
    yield rate_line("down", list(top.history.down), down, columns, chars)
    yield rate_line("up", list(top.history.up), up, columns, chars)


def _footer(top: Top, columns: int, chars: Charset) -> list[Line]:
    """A line of what is said or typed, and the bar of rTorrent."""
    return [_message(top, columns, chars), _status(top, columns, chars)]


def _message(top: Top, columns: int, chars: Charset) -> Line:
    if top.prompt is not None:
        before, typed = _typed(top.prompt, columns, chars)
        return cut([Cell(before, Style.TITLE), Cell(typed)], columns, chars)
    if top.said is not None:
        return cut([Cell(top.said.text, Style.BAD if top.said.is_bad else Style.PLAIN)], columns, chars)
    torrent = top.chosen
    if torrent is not None and torrent.error:
        return cut([Cell(torrent.error, Style.BAD)], columns, chars)
    return cut([Cell(top.log[-1], Style.FAINT)] if top.log else [], columns, chars)


def _status(top: Top, columns: int, chars: Charset) -> Line:
    """In the words and the order of rTorrent: up, then down, in KiB."""
    limits, session = top.limits, top.session
    throttle = "?" if limits is None else "/".join(
        str(limit // KIB) if limit else "off" for limit in (limits.up_bytes_per_s, limits.down_bytes_per_s))
    rate = "?" if session is None else f"{session.up_bytes_per_s / KIB:.1f}/{session.down_bytes_per_s / KIB:.1f}"
    return between(
        [Cell(f"[Throttle {throttle} KB] [Rate {rate} KB]")], [Cell("[? help]")],
        columns, chars)


def _typed(prompt: Prompt, columns: int, chars: Charset) -> tuple[str, str]:
    """What stands before the line that is typed, and as much of the line as shows the cursor."""
    about = f"{fit(prompt.about, min(columns // 4, columns_of(prompt.about)), chars)}: " if prompt.about else ""
    before = f"{about}{prompt.topic.value}> "
    room = max(1, columns - columns_of(before) - 1)
    start = 0
    while columns_of(prompt.text[start : prompt.cursor]) > room:
        start += 1
    return before, prompt.text[start:]


def _cursor(prompt: Prompt | None, columns: int, rows: int, chars: Charset) -> tuple[int, int] | None:
    if prompt is None:
        return None
    before, typed = _typed(prompt, columns, chars)
    ahead = typed[: prompt.cursor - (len(prompt.text) - len(typed))]
    return rows - 2, min(columns - 1, columns_of(before) + columns_of(ahead))


def _help(top: Top) -> Iterator[list[Cell]]:
    for title, bindings in top.keys.help:
        yield [Cell(title, Style.TITLE)]
        for binding in bindings:
            if binding.help:
                keys = " ".join(map(shown_key, binding.keys))
                yield [Cell(f"  {keys:<{HELP_KEYS}} {binding.help}")]
