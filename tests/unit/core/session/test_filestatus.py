"""How much of each file there is."""

from __future__ import annotations

from blobtorrent.core.session.commands import FilePriority
from blobtorrent.core.session.filestatus import file_statuses
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.splitting import Split, in_parts
from tests.support.stored import PAD, StoredTorrent

HALF, PIECE = 8192, 16384

# Files 0, 1 and 3; file 2 is padding.
METAINFO = StoredTorrent([PIECE + HALF, HALF, (PAD, PIECE), 0], PIECE).metainfo


def done(*have: int) -> list[int]:
    return [status.done_bytes for status in file_statuses(METAINFO, Bitfield(3, have), {}, {})]


def test_a_piece_counts_for_every_file_that_lies_in_it() -> None:
    assert done() == [0, 0, 0]
    assert done(0) == [PIECE, 0, 0]
    assert done(1) == [HALF, HALF, 0]
    assert done(0, 1) == done(0, 1, 2) == [PIECE + HALF, HALF, 0]


def test_padding_is_not_told_but_counted() -> None:
    assert [status.number for status in file_statuses(METAINFO, Bitfield(3), {}, {})] == [0, 1, 3]


def test_parts_are_told_with_the_file_that_they_belong_to() -> None:
    parts = in_parts(METAINFO, Split(20_000, ".part"))
    found = file_statuses(parts, Bitfield(3, [0]), {}, {})
    assert [(status.number, status.whole, status.size_bytes, status.done_bytes) for status in found] == [
        (0, 0, 20_000, PIECE), (1, 0, PIECE + HALF - 20_000, 0), (2, 1, HALF, 0), (4, 3, 0, 0)]
    assert {status.whole for status in file_statuses(METAINFO, Bitfield(3), {}, {})} == {None}


def test_priorities_and_new_names_are_told() -> None:
    found = file_statuses(METAINFO, Bitfield(3), {1: FilePriority.SKIP}, {"t": "new"})
    assert [status.priority for status in found] == [1, 0, 1]
    assert {status.path[0] for status in found} == {"new"}
    assert [status.size_bytes for status in found] == [PIECE + HALF, HALF, 0]
