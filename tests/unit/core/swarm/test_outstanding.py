"""The blocks a link is asked for: runs come and go as bit masks, and behave as a plain set of keys would."""

from __future__ import annotations

import random

from blobtorrent.core.swarm.outstanding import Outstanding
from blobtorrent.core.swarm.pieces import Assembly
from blobtorrent.model.geometry import BLOCK_SIZE

PIECE = 8 * BLOCK_SIZE


def key(index: int, block: int) -> int:
    return index << 32 | block * BLOCK_SIZE


def test_a_run_is_taken_whole_or_not_at_all():
    asked, piece = Outstanding(), Assembly(3, PIECE, 0.0)
    asked.add(piece, 2, 4)
    assert asked.take(key(3, 1), 2) is None
    assert asked.take(key(3, 5), 2) is None
    assert len(asked) == 4
    assert asked.take(key(3, 2), 3) is piece
    assert asked.of(piece) == [key(3, 5)]
    assert asked.take(key(3, 2)) is None


def test_an_offset_inside_a_block_or_another_piece_is_not_asked_for():
    asked, piece = Outstanding(), Assembly(0, PIECE, 0.0)
    asked.add(piece, 0, 8)
    assert asked.get(key(0, 1) + 1) is None
    assert asked.take(key(0, 1) + 1) is None
    assert asked.take(key(0, 8)) is None
    assert asked.take(8 * BLOCK_SIZE) is None          # past the piece, although it is where the next one begins
    assert asked.get(key(1, 0)) is None


def test_a_piece_that_was_opened_anew_is_another_one():
    asked = Outstanding()
    asked.add(Assembly(0, PIECE, 0.0), 0, 2)
    assert asked.of(Assembly(0, PIECE, 0.0)) == []


def test_it_behaves_as_a_set_of_keys():
    for seed in range(50):
        rng = random.Random(seed)
        pieces = [Assembly(index, PIECE, 0.0) for index in range(4)]
        asked, model = Outstanding(), {}
        for _ in range(60):
            piece, first = rng.choice(pieces), rng.randrange(8)
            count = rng.randint(1, 8 - first)
            keys = [key(piece.index, block) for block in range(first, first + count)]
            if rng.random() < 0.5:
                if not model.keys() & set(keys):
                    asked.add(piece, first, count)
                    model.update(dict.fromkeys(keys, piece))
            elif model.keys() >= set(keys):
                assert asked.take(keys[0], count) is piece, seed
                for one in keys:
                    del model[one]
            else:
                assert asked.take(keys[0], count) is None, seed
            assert len(asked) == len(model)
            assert dict(asked.items()) == model, seed
        assert dict(asked.clear()) == model
        assert not len(asked) and list(asked.items()) == []
