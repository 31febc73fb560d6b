import random

import pytest

from blobtorrent.model.geometry import PieceGeometry
from blobtorrent.model.metainfo import FileEntry
from blobtorrent.storage.layout import Layout
from blobtorrent.storage.stretches import Stretch, stretches_in

STEP = 10


def torrent_of(*sizes, pads=()):
    entries, at = [], 0
    for number, size in enumerate(sizes):
        entries.append(FileEntry((str(number),), size, at, is_pad=number in pads))
        at += size
    return PieceGeometry(at, STEP), Layout(entries)


def stretches(indices, torrent, min_bytes=1):
    return stretches_in(indices, *torrent, min_bytes)


def test_the_pieces_of_one_file_are_one_stretch_up_to_the_short_piece_at_its_end():
    assert stretches(range(5), torrent_of(47)) == [Stretch(range(5), 0, 0, 47)]


def test_pieces_asked_for_amid_a_file_start_where_they_lie_in_it():
    assert stretches(range(2, 4), torrent_of(47)) == [Stretch(range(2, 4), 0, 20, 20)]


def test_a_piece_that_spans_files_belongs_to_no_stretch():
    assert stretches(range(6), torrent_of(25, 33)) == [
        Stretch(range(2), 0, 0, 20),
        Stretch(range(3, 6), 1, 5, 28),
    ]


def test_a_piece_with_padding_belongs_to_no_stretch():
    assert stretches(range(5), torrent_of(25, 5, 20, pads={1})) == [
        Stretch(range(2), 0, 0, 20),
        Stretch(range(3, 5), 2, 0, 20),
    ]


def test_files_smaller_than_a_piece_have_none():
    assert stretches(range(2), torrent_of(4, 4, 4, 4)) == []


def test_short_stretches_are_left_out():
    assert stretches(range(6), torrent_of(25, 33), min_bytes=21) == [Stretch(range(3, 6), 1, 5, 28)]


@pytest.mark.parametrize("seed", range(50))
def test_every_piece_that_lies_in_one_file_is_in_one_stretch(seed):
    rng = random.Random(seed)
    sizes = [rng.choice((1, 7, 10, 20, rng.randint(1, 60))) for _ in range(rng.randint(1, 8))]
    pads = {number for number in range(len(sizes)) if rng.random() < 0.2}
    geometry, layout = torrent_of(*sizes, pads=pads)
    first = rng.randrange(geometry.num_pieces)
    indices = range(first, rng.randint(first + 1, geometry.num_pieces))
    whole = {}
    for index in indices:
        parts = layout.parts(index * STEP, geometry.piece_size(index))
        if len(parts) == 1 and parts[0].file >= 0:
            whole[index] = parts[0]
    found = stretches_in(indices, geometry, layout, 1)
    assert [index for stretch in found for index in stretch.pieces] == list(whole)
    for stretch in found:
        parts = [whole[index] for index in stretch.pieces]
        assert (stretch.file, stretch.offset) == (parts[0].file, parts[0].offset)
        assert stretch.length == sum(part.length for part in parts)
