"""Files laid out in linear space."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import MetainfoError
from blobtorrent.protocol.filelist import SourceFile
from blobtorrent.protocol.filespace import file_entries, measure, merged_hybrid, with_implied_padding

PIECE = 16384
ROOT = b"r" * 32


def pad(length: int) -> SourceFile:
    return SourceFile((b".pad", b"%d" % length), length, is_pad=True)


def test_a_v2_tree_is_filled_up_to_whole_pieces_behind_every_file() -> None:
    files = [SourceFile((b"a",), 5), SourceFile((b"b",), 0), SourceFile((b"c",), PIECE), SourceFile((b"d",), PIECE + 1)]
    padded = with_implied_padding(files, PIECE)
    assert [(file.path[-1], file.length) for file in padded] == [
        (b"a", 5), (b"16379", PIECE - 5), (b"b", 0), (b"c", PIECE), (b"d", PIECE + 1), (b"16383", PIECE - 1)]


def test_the_pieces_at_the_ends_of_v2_files_are_short_on_the_wire() -> None:
    files = with_implied_padding([SourceFile((b"a",), PIECE + 5), SourceFile((b"b",), 7)], PIECE)
    geometry = measure(files, PIECE, is_v2_only=True)
    assert (geometry.size, geometry.num_pieces) == (3 * PIECE, 3)
    assert [geometry.piece_size(index) for index in range(3)] == [PIECE, 5, 7]


def test_pieces_of_v1_and_hybrid_torrents_include_the_padding() -> None:
    geometry = measure([SourceFile((b"a",), 5), pad(PIECE - 5), SourceFile((b"b",), 7)], PIECE, is_v2_only=False)
    assert [geometry.piece_size(index) for index in range(2)] == [PIECE, 7]


def test_a_hybrid_takes_the_roots_from_its_tree() -> None:
    listed = [SourceFile((b"a",), 5), pad(PIECE - 5), SourceFile((b"e",), 0), SourceFile((b"b",), 7)]
    tree = [SourceFile((b"a",), 5, pieces_root=ROOT), SourceFile((b"e",), 0), SourceFile((b"b",), 7, pieces_root=ROOT)]
    assert [file.pieces_root for file in merged_hybrid(listed, tree, PIECE)] == [ROOT, b"", b"", ROOT]


def test_a_hybrid_must_agree_about_links() -> None:
    tree = [SourceFile((b"a",), 5, pieces_root=ROOT), SourceFile((b"l",), 0)]
    with pytest.raises(MetainfoError):
        merged_hybrid([SourceFile((b"a",), 5), SourceFile((b"l",), 0, link=(b"a",))], tree, PIECE)


def test_entries_know_their_offsets_and_marks() -> None:
    files = [
        SourceFile((b"d", b"a"), 5, is_executable=True), pad(11), SourceFile((b"b",), 7, is_hidden=True),
        SourceFile((b"l",), 0, link=(b"d", b"a")), SourceFile((b"c",), 1),
    ]
    entries = file_entries(files, "t", is_single=False)
    assert [(entry.path, entry.offset) for entry in entries] == [
        (("t", "d", "a"), 0), (("t", ".pad", "11"), 5), (("t", "b"), 16), (("t", "l"), 23), (("t", "c"), 23)]
    assert [entry.is_executable for entry in entries] == [True, False, False, False, False]
    assert [entry.is_hidden for entry in entries] == [False, False, True, False, False]
    assert [entry.is_pad for entry in entries] == [False, True, False, False, False]
    assert [entry.symlink_target for entry in entries] == [None, None, None, ("t", "d", "a"), None]


def test_equal_pad_files_keep_their_names() -> None:
    files = [SourceFile((b"a",), 5), pad(11), SourceFile((b"b",), 5), pad(11)]
    assert [entry.path for entry in file_entries(files, "t", is_single=False) if entry.is_pad] == [
        ("t", ".pad", "11")] * 2


def test_a_single_file_has_the_name_of_the_torrent() -> None:
    entries = file_entries(with_implied_padding([SourceFile((b"a/b",), 5)], PIECE), "a_b", is_single=True)
    assert [entry.path for entry in entries] == [("a_b",), (".pad", "16379")]
