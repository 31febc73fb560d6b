"""Trees of BEP 52: padding, layers, and what each piece must hash to."""

from __future__ import annotations

from hashlib import sha256

import pytest

from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.merkle import (
    PieceTrees,
    layer_root,
    root_of,
    split_layer,
    tree_width,
    zero_root,
)
from blobtorrent.protocol.metafile import parse_torrent
from tests.support.merkle import leaf_hashes
from tests.support.oddtorrents import layer, leaf, torrent, tree


def pair(left: bytes, right: bytes) -> bytes:
    return sha256(left + right).digest()


@pytest.mark.parametrize(("nodes", "width"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (1025, 2048)])
def test_a_tree_is_as_wide_as_the_next_power_of_two(nodes: int, width: int) -> None:
    assert tree_width(nodes) == width


def test_missing_leaves_are_zero_bytes_and_not_hashes_of_zeros() -> None:
    zero = bytes(32)
    assert zero_root(0) == zero
    assert zero_root(2) == pair(pair(zero, zero), pair(zero, zero))


def test_the_root_of_one_leaf_is_the_leaf() -> None:
    assert root_of([b"a" * 32], 1) == b"a" * 32


def test_a_root_fills_up_to_its_width() -> None:
    a, b, c = (letter * 32 for letter in (b"a", b"b", b"c"))
    zero = bytes(32)
    assert root_of([a, b, c], 4) == pair(pair(a, b), pair(c, zero))
    assert root_of([a], 4) == pair(pair(a, zero), pair(zero, zero))
    assert root_of([a, b, c], 8) == pair(pair(pair(a, b), pair(c, zero)), zero_root(2))


def test_a_root_from_a_higher_layer_fills_up_with_roots_of_missing_subtrees() -> None:
    assert root_of([b"a" * 32], 2, level=3) == pair(b"a" * 32, zero_root(3))


def test_only_the_last_leaf_is_short() -> None:
    data = b"x" * (2 * BLOCK_SIZE + 5)
    assert list(leaf_hashes(data)) == [
        sha256(b"x" * BLOCK_SIZE).digest(), sha256(b"x" * BLOCK_SIZE).digest(), sha256(b"xxxxx").digest()]
    assert list(leaf_hashes(b"")) == []


@pytest.mark.parametrize("blocks", [5, 8, 13])
def test_a_piece_layer_has_the_same_root_as_the_leaves_below_it(blocks: int) -> None:
    leaves = [bytes([number]) * 32 for number in range(blocks)]
    pieces = [root_of(leaves[start:start + 4], 4) for start in range(0, blocks, 4)]
    root = layer_root(b"".join(pieces), 4 * BLOCK_SIZE)
    assert root == root_of(leaves, tree_width(-(-blocks // 4)) * 4)
    assert split_layer(b"".join(pieces)) == pieces


def test_pieces_of_long_files_have_full_trees_and_short_files_just_wide_ones() -> None:
    large, small = b"l" * (2 * BLOCK_SIZE + 1), b"s"
    info = tree({b"a": leaf(b""), b"b": leaf(large), b"c": leaf(small)})
    root = leaf(large)[b""][b"pieces root"]
    trees = PieceTrees(parse_torrent(torrent(info, piece_layers={root: layer(large)})))
    leaves = [*leaf_hashes(large), *leaf_hashes(small)]
    assert [trees.of_piece(index).root for index in range(4)] == leaves
    assert [trees.of_piece(index).width for index in range(4)] == [1, 1, 1, 1]


def test_a_piece_without_its_layer_is_unknown() -> None:
    large = b"l" * (2 * BLOCK_SIZE + 1)
    trees = PieceTrees(parse_torrent(torrent(tree({b"b": leaf(large)}))))
    with pytest.raises(KeyError):
        trees.of_piece(0)
