"""The map of pieces."""

from __future__ import annotations

import base64

import pytest

from blobtorrent.cli.paint import Style
from blobtorrent.cli.progress import ASCII, UNICODE
from blobtorrent.cli.top.piecemap import availability_map, have_map, read_pieces
from blobtorrent.model.errors import NetworkError


def told(have: str, availability: list[int] | None = None, partial: tuple[int, ...] = ()) -> dict:
    bits = have.ljust(-(-len(have) // 8) * 8, "0")
    wire = bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))
    copies = bytes([1] * len(have) if availability is None else availability)
    return {
        "count": len(have), "length_bytes": 16384, "have": base64.b64encode(wire).decode(),
        "availability": base64.b64encode(copies).decode(),
        "partial": [{"index": index, "blocks": 1, "done": 0} for index in partial],
    }


def drawn(lines) -> list[str]:
    return ["".join(cell.text for cell in line) for line in lines]


def test_pieces_are_read_in_the_order_of_the_wire():
    pieces = read_pieces(told("1010000001", [3] * 10, (4,)))
    assert list(pieces.have) == [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    assert (list(pieces.availability), pieces.partial, pieces.num_missing_everywhere) == ([3] * 10, {4}, 0)


def test_each_piece_has_a_place_where_there_is_room():
    pieces = read_pieces(told("110010", partial=(2,)))
    assert drawn(have_map(pieces, 4, 5, UNICODE)) == ["██▁.", "█."]
    (first, _) = have_map(pieces, 4, 5, UNICODE)
    assert [cell.style for cell in first] == [Style.GOOD, Style.BUSY, Style.FAINT]


def test_a_place_for_many_is_full_only_for_all_of_them():
    pieces = read_pieces(told("1" * 99 + "0" + "0" * 100 + "1" * 100 + "0" * 99 + "1"))
    assert drawn(have_map(pieces, 2, 2, ASCII)) == ["%_", "#."]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1000, 1023])
@pytest.mark.parametrize("size", [(1, 1), (60, 3), (200, 50)])
def test_the_map_fits_its_place(count, size):
    pieces = read_pieces(told("10" * (count // 2) + "1" * (count % 2), [2] * count))
    columns, rows = size
    for lines in (drawn(have_map(pieces, columns, rows, UNICODE)), drawn(availability_map(pieces, columns, rows))):
        assert len(lines) <= rows
        assert all(len(line) <= columns for line in lines)
        assert sum(map(len, lines)) == min(count, columns * rows)


def test_availability_is_that_of_the_rarest_and_what_is_lost_stands_out():
    pieces = read_pieces(told("100000", [0, 0, 5, 12, 9, 3]))
    assert drawn(availability_map(pieces, 6, 1)) == ["0!5+93"]
    assert drawn(availability_map(pieces, 3, 1)) == ["!53"]
    assert pieces.num_missing_everywhere == 1


@pytest.mark.parametrize("change", [
    {"count": 100}, {"count": "x"}, {"have": "%"}, {"partial": [{"index": None}]}, {"availability": 5}, {"count": -8},
])
def test_what_cannot_be_is_refused(change):
    with pytest.raises(NetworkError):
        read_pieces({**told("1111"), **change})
