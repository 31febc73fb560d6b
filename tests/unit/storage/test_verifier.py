import hashlib

import pytest

from blobtorrent.model.errors import MetainfoError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.merkle import root_of
from blobtorrent.storage.verifier import TreeDigest, verifier_of
from tests.support.merkle import leaf_hashes
from tests.support.stored import PAD, StoredTorrent

K = 1024


@pytest.mark.parametrize("v1", [True, False])
def test_each_piece_matches_its_own_bytes_alone(v1):
    torrent = StoredTorrent([100 * K, 70 * K, 1], 32 * K, v1=v1)
    verifier = verifier_of(torrent.metainfo)
    for index in range(torrent.geometry.num_pieces):
        data = torrent.piece(index)
        assert verifier.matches(index, [data])
        assert not verifier.matches(index, [data[:-1], bytes([data[-1] ^ 1])])


@pytest.mark.parametrize("cut", [1, 1000, 16 * K - 1, 16 * K, 16 * K + 1, 60 * K])
def test_the_tree_is_the_same_wherever_the_bytes_are_cut(cut):
    data = StoredTorrent([100 * K], 128 * K).content
    digest = TreeDigest(8)
    for at in range(0, len(data), cut):
        digest.update(data[at : at + cut])
    assert digest.digest() == root_of(list(leaf_hashes(data)), 8)


def hybrid(torrent, trees):
    """The SHA-1 hashes of one torrent with the trees of another that has the same files."""
    return torrent.metainfo._replace(
        info_hash=InfoHash(v1=bytes(20), v2=bytes(32)),
        files=trees.metainfo.files,
        piece_layers=trees.metainfo.piece_layers,
    )


def test_a_hybrid_piece_must_match_both_hashes():
    size, gap = 50 * K, 14 * K
    flat = StoredTorrent([size, (PAD, gap), 40 * K], 32 * K)
    trees = StoredTorrent([size, 40 * K], 32 * K, v1=False)
    assert flat.content == trees.content
    verifier = verifier_of(hybrid(flat, trees))
    for index in range(flat.geometry.num_pieces):
        assert verifier.matches(index, [flat.piece(index)])
    data = bytearray(flat.piece(1))
    data[-1] = 1
    assert not verifier.matches(1, [data])


def test_a_hybrid_piece_that_matches_sha1_alone_is_refused():
    flat = StoredTorrent([64 * K], 32 * K, seed=1)
    trees = StoredTorrent([64 * K], 32 * K, seed=2, v1=False)
    assert not verifier_of(hybrid(flat, trees)).matches(0, [flat.piece(0)])


def test_a_v2_torrent_without_its_piece_layers_is_refused():
    torrent = StoredTorrent([64 * K], 32 * K, v1=False)
    with pytest.raises(MetainfoError) as caught:
        verifier_of(torrent.metainfo._replace(piece_layers={}))
    assert caught.value.code == "metainfo.no-piece-layers"


@pytest.mark.parametrize("v1", [True, False])
def test_a_piece_of_random_bytes_is_not_zeros(v1):
    torrent = StoredTorrent([100 * K], 32 * K, v1=v1)
    assert not verifier_of(torrent.metainfo).is_zeros(0)


def test_a_piece_of_zeros_is_known_by_its_hash():
    torrent = StoredTorrent([700 * K], 600 * K)
    hashes = hashlib.sha1(bytes(600 * K)).digest() + hashlib.sha1(bytes(100 * K)).digest()
    verifier = verifier_of(torrent.metainfo._replace(piece_hashes_v1=hashes))
    assert verifier.is_zeros(0)
    assert verifier.is_zeros(1)
