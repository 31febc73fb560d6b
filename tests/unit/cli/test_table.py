"""Tables for people."""

from __future__ import annotations

import pytest

from blobtorrent.cli.paint import Cell, Painter, Style
from blobtorrent.cli.progress import ASCII, columns_of
from blobtorrent.cli.table import Column, table

COLUMNS = (
    Column("HASH", importance=3), Column("SIZE", is_number=True, importance=2), Column("RATIO", is_number=True),
    Column("NAME", importance=4, is_text=True),
)
ROWS = [("aaaaaaaa", "1.0 KiB", "0.50", "a name that is much longer than others"), ("bbbbbbbb", "7 B", "1.00", "名前")]


def test_columns_are_as_wide_as_their_widest_cell():
    columns = [Column("NAME"), Column("SIZE", is_number=True), Column("X")]
    lines = list(table(columns, [("a", "10", ""), ("名前", "7", "y")]))
    assert lines == ["NAME  SIZE  X", "a       10", "名前     7  y"]


def test_a_table_without_rows_has_its_titles():
    assert list(table([Column("A"), Column("B")], [])) == ["A  B"]


def test_without_a_width_nothing_is_cut():
    assert list(table(COLUMNS, ROWS))[1] == "aaaaaaaa  1.0 KiB   0.50  a name that is much longer than others"


def test_a_long_text_is_cut_to_the_width_first():
    lines = list(table(COLUMNS, ROWS, width=40, chars=ASCII))
    assert lines[0].split() == ["HASH", "SIZE", "RATIO", "NAME"]
    assert lines[1] == "aaaaaaaa  1.0 KiB   0.50  a name that i~"


def test_where_room_is_short_the_least_important_column_goes():
    assert next(table(COLUMNS, ROWS, width=36)).split() == ["HASH", "SIZE", "NAME"]
    assert next(table(COLUMNS, ROWS, width=25)).split() == ["HASH", "NAME"]
    assert next(table(COLUMNS, ROWS, width=15)).split() == ["NAME"]


@pytest.mark.parametrize("width", range(1, 90))
def test_no_line_is_wider_than_the_terminal(width):
    assert all(columns_of(line) <= width for line in table(COLUMNS, ROWS, width=width))


def test_the_wider_of_two_texts_is_cut_first():
    columns = (Column("A", is_text=True), Column("B", is_text=True))
    (_, row) = table(columns, [("x" * 30, "y" * 14)], width=32, chars=ASCII)
    assert row == "x" * 15 + "~  " + "y" * 14


def test_colours_do_not_count_as_width():
    columns = (Column("A"), Column("B", is_number=True))
    rows = [(Cell("up", Style.GOOD), "1"), ("longer", Cell("22", Style.BAD))]
    lines = list(table(columns, rows, paint=Painter(True)))
    assert lines[1:] == ["\x1b[32mup\x1b[0m       1", "longer  \x1b[31m22\x1b[0m"]
