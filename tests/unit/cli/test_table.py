"""Tables for people."""

from __future__ import annotations

from blobtorrent.cli.table import Column, table


def test_columns_are_as_wide_as_their_widest_cell():
    columns = [Column("NAME"), Column("SIZE", is_number=True), Column("X")]
    lines = list(table(columns, [("a", "10", ""), ("名前", "7", "y")]))
    assert lines == ["NAME  SIZE  X", "a       10", "名前     7  y"]


def test_a_table_without_rows_has_its_titles():
    assert list(table([Column("A"), Column("B")], [])) == ["A  B"]
