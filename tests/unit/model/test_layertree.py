"""Runs of hashes out of a file's tree, and the proof that they belong there (BEP 52)."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest

from blobtorrent.model.merkle import HASH_BYTES, LayerTree, proven_root, root_of, split_layer, tree_width, zero_root
from blobtorrent.protocol.wire.hashes import MAX_HASHES, HashRun

ROOT = b"r" * HASH_BYTES


def layer_of(pieces):
    return random.Random(pieces).randbytes(pieces * HASH_BYTES)


def by_the_book(layer, level):
    """Every layer of the tree, padded."""
    nodes = split_layer(layer)
    nodes += [zero_root(level)] * (tree_width(len(nodes)) - len(nodes))
    layers = [nodes]
    while len(layers[-1]) > 1:
        below = layers[-1]
        layers.append([sha256(left + right).digest() for left, right in zip(below[::2], below[1::2])])
    return layers


def runs_of(num_layers, base):
    """Every run that may be asked for, of the lengths that are allowed, with all proofs up to the root."""
    height = num_layers - base
    for log in range(min(height, 9) + 1):
        for index in range(0, 1 << height, 1 << log):
            yield HashRun(ROOT, base, index, 1 << log, height - 1)


@pytest.mark.parametrize("level", [0, 3])
@pytest.mark.parametrize("pieces", [2, 3, 4, 5, 7, 8, 9, 31, 33])
def test_every_run_of_a_tree_is_proven_by_its_uncles(pieces, level):
    layer = layer_of(pieces)
    tree, book = LayerTree(layer, level), by_the_book(layer, level)
    root = root_of(split_layer(layer), tree_width(pieces), level)
    assert tree.num_layers == level + len(book) - 1
    for run in runs_of(tree.num_layers, level):
        assert run.fits(tree.num_layers)
        nodes = split_layer(tree.nodes(level, run.first, run.length))
        assert nodes == book[0][run.first:run.first + run.length]
        uncles = [tree.node(*place) for place in run.siblings()]
        assert len(uncles) == run.num_uncles
        assert proven_root(nodes, uncles, run.first, level) == root


@pytest.mark.parametrize("pieces", [513, 1024, 1025, 3000])
def test_a_tree_of_more_than_one_run_has_all_its_nodes(pieces):
    layer = layer_of(pieces)
    tree = LayerTree(layer, 2)
    for above, nodes in enumerate(by_the_book(layer, 2)[:-1]):
        assert [tree.node(2 + above, index) for index in range(len(nodes))] == nodes


@pytest.mark.parametrize("place", ["hashes", "uncles"])
def test_one_wrong_bit_anywhere_is_another_root(place):
    layer = layer_of(13)
    tree, run = LayerTree(layer, 1), HashRun(ROOT, 1, 4, 4, 3)
    parts = {"hashes": split_layer(tree.nodes(1, 4, 4)), "uncles": [tree.node(*at) for at in run.siblings()]}
    for number in range(len(parts[place])):
        wrong = {name: list(nodes) for name, nodes in parts.items()}
        wrong[place][number] = bytes([wrong[place][number][0] ^ 1]) + wrong[place][number][1:]
        assert proven_root(wrong["hashes"], wrong["uncles"], 4, 1) != root_of(split_layer(layer), 16, 1)


def test_a_run_proven_for_one_place_is_not_proven_for_another():
    layer = layer_of(16)
    tree, run = LayerTree(layer, 0), HashRun(ROOT, 0, 4, 4, 3)
    uncles = [tree.node(*at) for at in run.siblings()]
    assert proven_root(split_layer(tree.nodes(0, 4, 4)), uncles, 8, 0) != root_of(split_layer(layer), 16)


@pytest.mark.parametrize(("run", "why"), [
    (HashRun(ROOT, 4, 0, 0, 0), "no hash"),
    (HashRun(ROOT, 4, 0, 3, 0), "no power of two"),
    (HashRun(ROOT, 4, 2, 4, 0), "index is no multiple"),
    (HashRun(ROOT, 4, 0, 2 * MAX_HASHES, 0), "too many"),
    (HashRun(ROOT, 4, 1 << 11, 2, 0), "beyond the end"),
    (HashRun(ROOT, 4, 0, 2, 11), "the root has no uncle"),
    (HashRun(ROOT, 15, 0, 1, 0), "the root itself"),
    (HashRun(ROOT, 1 << 31, 0, 2, 0), "far above the root"),
    (HashRun(ROOT, 4, 0xFFFFFE00, 512, 0), "far beyond the end"),
])
def test_what_no_tree_of_fifteen_layers_has_does_not_fit(run, why):
    assert not run.fits(15), why


def test_the_layers_of_the_proof_that_follow_from_the_run_take_no_uncle():
    assert [HashRun(ROOT, 0, 0, 8, layers).num_uncles for layers in range(5)] == [0, 0, 0, 1, 2]
    assert [HashRun(ROOT, 0, 0, 2, layers).num_uncles for layers in range(3)] == [0, 1, 2]
