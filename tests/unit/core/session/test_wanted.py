"""From files to pieces."""

from __future__ import annotations

from blobtorrent.core.session.commands import FilePriority
from blobtorrent.core.session.record import Wishes
from blobtorrent.core.session.wanted import HIGH, piece_priorities, skipped_pieces
from tests.support.stored import PAD, StoredTorrent

HALF, PIECE = 8192, 16384

# Files 0 to 3: pieces 0 and 1, 1 and 2, none (it is empty), 2 and 3.
METAINFO = StoredTorrent([PIECE + HALF, PIECE, 0, PIECE + HALF], PIECE).metainfo
SKIP = FilePriority.SKIP


def test_without_unwanted_files_no_piece_is_skipped() -> None:
    assert skipped_pieces(METAINFO, {}) == 0
    assert skipped_pieces(METAINFO, {0: FilePriority.HIGH}) == 0


def test_a_piece_with_a_byte_of_a_wanted_file_is_wanted() -> None:
    assert skipped_pieces(METAINFO, {0: SKIP}) == 0b0001
    assert skipped_pieces(METAINFO, {1: SKIP}) == 0
    assert skipped_pieces(METAINFO, {0: SKIP, 1: SKIP}) == 0b0011
    assert skipped_pieces(METAINFO, {0: SKIP, 1: SKIP, 3: SKIP}) == 0b1111


def test_an_empty_file_wants_no_piece() -> None:
    assert skipped_pieces(METAINFO, {0: SKIP, 1: SKIP, 2: FilePriority.HIGH, 3: SKIP}) == 0b1111


def test_padding_is_not_wanted_for_itself() -> None:
    padded = StoredTorrent([PIECE, (PAD, PIECE), PIECE], PIECE).metainfo
    assert skipped_pieces(padded, {0: SKIP}) == 0b011


def test_pieces_of_files_that_are_wanted_more_are_wanted_more() -> None:
    assert piece_priorities(METAINFO, Wishes(file_priorities={1: FilePriority.HIGH})) == {1: HIGH, 2: HIGH}
    assert piece_priorities(METAINFO, Wishes(file_priorities={2: FilePriority.HIGH, 0: SKIP})) == {}


def test_ends_of_files_that_are_preferred_are_wanted_more_unless_the_file_is_not_wanted() -> None:
    ends = frozenset({0, 2}), frozenset({1, 3})
    assert piece_priorities(METAINFO, Wishes(preferred_ends=ends)) == {0: HIGH, 2: HIGH, 3: HIGH}
    assert piece_priorities(METAINFO, Wishes(preferred_ends=ends, file_priorities={3: SKIP, 0: SKIP})) == {2: HIGH}
