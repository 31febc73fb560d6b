"""Lines that fit."""

from __future__ import annotations

import pytest

from blobtorrent.cli.paint import Cell
from blobtorrent.cli.progress import UNICODE
from blobtorrent.cli.top.drawing import between, cut, encodable, window
from blobtorrent.cli.top.terminal import key_name


def test_a_line_is_cut_where_the_screen_ends():
    cells = [Cell("abc"), Cell("名前"), Cell("x")]
    assert cut(cells, 8, UNICODE).text == "abc名前x"
    assert cut(cells, 7, UNICODE).text == "abc名前"
    assert cut(cells, 6, UNICODE).text == "abc名…"
    assert cut(cells, 3, UNICODE).text == "abc"
    assert cut(cells, 0, UNICODE).text == ""


def test_the_right_end_goes_first():
    assert between([Cell("left")], [Cell("right")], 12, UNICODE).text == "left   right"
    assert between([Cell("left")], [Cell("right")], 9, UNICODE).text == "left"


@pytest.mark.parametrize("count", [0, 1, 5, 6, 20])
def test_the_cursor_is_always_seen(count):
    for number in range(count):
        start, end = window(number, count, 5)
        assert 0 <= start <= number < end <= count
        assert end - start == min(5, count)


def test_what_a_terminal_cannot_show_takes_as_much_room():
    assert encodable("aé名e\u0301", "ascii") == "a???e"
    assert encodable("aé名", "latin-1") == "aé??"
    assert encodable("aé名", "utf-8") == "aé名"


@pytest.mark.parametrize(("key", "name"), [
    ("a", "a"), ("名", "名"), ("\x13", "^S"), ("\x04", "^D"), ("\n", "enter"), ("\r", "enter"), ("\x7f", "backspace"),
    ("\b", "backspace"), ("\x1b", "esc"), ("\t", "tab"), (" ", " "), (0x999999, None),
])
def test_keys_have_names(key, name):
    assert key_name(key) == name
