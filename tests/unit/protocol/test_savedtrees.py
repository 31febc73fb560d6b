"""Trees that libtorrent keeps: the layers of pieces come out of them, whole or not at all."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import bencodepy
import pytest

from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.savedtrees import with_piece_layers

BLOCK = 16384
LENGTH = 6 * BLOCK + 5                 # 7 blocks, 8 leaves, 15 nodes; 4 pieces of 2 blocks
LEAVES = [sha256(b"%d" % number).digest() for number in range(7)] + [bytes(32)]


def _tree() -> list[bytes]:
    levels = [LEAVES]
    while len(levels[0]) > 1:
        below = levels[0]
        levels.insert(0, [sha256(below[place] + below[place + 1]).digest() for place in range(0, len(below), 2)])
    return [node for level in levels for node in level]


TREE = _tree()
INFO = {"file tree": {"x": {"": {"length": LENGTH, "pieces root": TREE[0]}}}, "meta version": 2, "name": "x",
        "piece length": 2 * BLOCK}
TORRENT = bytes(bencodepy.encode({"info": INFO}))


def layers(**tree: Any) -> Any:
    version = tree.pop("version", 2)
    resume = bencodepy.encode({"file-version": version, "trees": [tree]})
    made = with_piece_layers(TORRENT, parse_torrent(TORRENT), resume)
    assert made == TORRENT or parse_torrent(made).has_piece_hashes
    return bencodepy.decode(made).get(b"piece layers")


def mask(*numbers: int) -> bytes:
    return sum(1 << 15 - number for number in numbers).to_bytes(2, "big")


WANTED = {TREE[0]: b"".join(TREE[3:7])}


def test_a_whole_tree_has_the_layer() -> None:
    assert layers(hashes=b"".join(TREE)) == WANTED


def test_leaves_or_pieces_are_enough() -> None:
    assert layers(hashes=b"".join(LEAVES[:7]), mask=mask(*range(7, 14))) == WANTED
    assert layers(hashes=b"".join(TREE[3:7]), mask=mask(*range(3, 7))) == WANTED
    assert layers(hashes=b"".join(TREE[3:7]), mask=b"000111100000000", version=1) == WANTED


@pytest.mark.parametrize("tree", [
    {}, {"hashes": b"x"}, {"hashes": b"".join(TREE[:3])}, {"hashes": TREE[3], "mask": mask(3)},
    {"hashes": b"", "mask": mask(3)}, {"hashes": TREE[3], "mask": b"\0\0\1"}, {"hashes": b"".join(TREE) + TREE[0]}])
def test_a_tree_that_lacks_some_or_does_not_fit_gives_nothing(tree: dict[str, Any]) -> None:
    assert layers(**tree) is None


def test_a_torrent_without_trees_stays_as_it_is() -> None:
    assert with_piece_layers(TORRENT, parse_torrent(TORRENT), b"de") == TORRENT
