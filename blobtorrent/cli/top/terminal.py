"""The terminal: draws frames with curses and reads keys. The only module that knows of curses."""

from __future__ import annotations

import curses
import locale
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from blobtorrent.cli.paint import Style
from blobtorrent.cli.progress import ASCII, Charset, charset_for, columns_of
from blobtorrent.cli.top.drawing import Line, encodable
from blobtorrent.cli.top.frame import Frame
from blobtorrent.model.errors import Invalid

RESIZE = "resize"                      # what is read when the size is another one
ESCAPE_MS = 25                         # how long the rest of a key's code may take

_KEYS = {
    curses.KEY_UP: "up", curses.KEY_DOWN: "down", curses.KEY_LEFT: "left", curses.KEY_RIGHT: "right",
    curses.KEY_PPAGE: "pgup", curses.KEY_NPAGE: "pgdn", curses.KEY_HOME: "home", curses.KEY_END: "end",
    curses.KEY_BACKSPACE: "backspace", curses.KEY_DC: "delete", curses.KEY_BTAB: "backtab",
    curses.KEY_ENTER: "enter", curses.KEY_RESIZE: RESIZE,
}
_CHARACTERS = {"\n": "enter", "\r": "enter", "\t": "tab", "\x1b": "esc", "\x7f": "backspace", "\b": "backspace"}
_COLORS = {
    Style.GOOD: curses.COLOR_GREEN, Style.BUSY: curses.COLOR_CYAN, Style.WAITING: curses.COLOR_YELLOW,
    Style.BAD: curses.COLOR_RED,
}


class Size(NamedTuple):
    columns: int
    rows: int


class Terminal:
    """Made by `opened_terminal`."""

    def __init__(self, window: curses.window, *, encoding: str, has_colors: bool) -> None:
        self._window = window
        self._encoding = encoding
        self._attributes = _attributes(has_colors)

    @property
    def size(self) -> Size:
        rows, columns = self._window.getmaxyx()
        return Size(columns, rows)

    def read_key(self, timeout_s: float) -> str | None:
        """The name of a key, RESIZE, or None when none was pressed."""
        self._window.timeout(max(0, round(timeout_s * 1000)))
        try:
            key = self._window.get_wch()
        except curses.error:
            return None
        name = key_name(key)
        if name == RESIZE:
            self._window.clearok(True)             # terminals differ in what they leave where
        return name

    def show(self, frame: Frame) -> None:
        """curses sends what differs from the frame before."""
        self._window.erase()
        for row, line in enumerate(frame.lines):
            self._show_line(row, line)
        if frame.cursor is None:
            _show_cursor(False)
        else:
            _show_cursor(True)
            try:
                self._window.move(*frame.cursor)
            except curses.error:       # the terminal has become smaller meanwhile
                pass
        self._window.refresh()

    def _show_line(self, row: int, line: Line) -> None:
        column = 0
        mark = curses.A_REVERSE if line.is_marked else curses.A_NORMAL
        for cell in line.cells:
            try:
                self._window.addstr(row, column, encodable(cell.text, self._encoding),
                                    self._attributes[cell.style] | mark)
            except curses.error:       # behind the last column of the last row there is no place for the cursor
                pass
            column += columns_of(cell.text)


def key_name(key: int | str) -> str | None:
    """A key as curses gives it, by the name that bindings have; None for those without one."""
    if isinstance(key, int):
        return _KEYS.get(key)
    if key in _CHARACTERS:
        return _CHARACTERS[key]
    if key < " ":
        return f"^{chr(ord(key) + 64)}"
    return key


@contextmanager
def opened_terminal(*, wants_colors: bool) -> Iterator[Terminal]:
    """The terminal while it is ours; it is as it was before when this ends, however it does.

    Raises Invalid ("top.no-terminal") when it cannot show a screen.
    """
    locale.setlocale(locale.LC_ALL, "")                   # else curses takes all for ASCII
    try:
        window = curses.initscr()
    except curses.error as error:
        raise Invalid("top.no-terminal", f"this terminal cannot show it: {error}") from None
    try:
        curses.noecho()
        curses.raw()                   # ^S, ^Q and ^C are keys of ours
        window.keypad(True)
        curses.set_escdelay(ESCAPE_MS)
        yield Terminal(window, encoding=encoding(), has_colors=wants_colors and _start_colors())
    finally:
        window.keypad(False)
        curses.noraw()
        curses.echo()
        curses.endwin()


def encoding() -> str:
    """That of the terminal, as its user's locale says."""
    return locale.nl_langinfo(locale.CODESET)


def charset(*, is_plain: bool) -> Charset:
    return ASCII if is_plain else charset_for(encoding())


def _start_colors() -> bool:
    if not curses.has_colors():
        return False
    curses.start_color()
    curses.use_default_colors()
    for pair, color in enumerate(_COLORS.values(), 1):
        curses.init_pair(pair, color, -1)
    return True


def _attributes(has_colors: bool) -> dict[Style, int]:
    """How each style looks here."""
    attributes = dict.fromkeys(Style, curses.A_NORMAL)
    attributes[Style.TITLE] = curses.A_BOLD
    if has_colors:
        attributes[Style.FAINT] = curses.A_DIM
        attributes.update((style, curses.color_pair(pair)) for pair, style in enumerate(_COLORS, 1))
    else:
        attributes[Style.BAD] = curses.A_BOLD
    return attributes


def _show_cursor(is_shown: bool) -> None:
    try:
        curses.curs_set(int(is_shown))
    except curses.error:               # a terminal that always shows it
        pass
