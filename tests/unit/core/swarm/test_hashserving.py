"""Peers get the hashes of files that they ask for, with the proof that they belong there."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest

from blobtorrent.core.swarm.hashserving import (
    AT_ONCE,
    MAX_JOBS,
    MAX_REJECTS,
    MAX_WAITING,
    QUICK_PIECES,
    SERVE_AGAIN_S,
)
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.merkle import HASH_BYTES, layer_root, proven_root, split_layer
from blobtorrent.protocol.wire.hashes import Hashes, HashReject, HashRequest, HashRun
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.store import Store
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

PIECE = 4 * BLOCK_SIZE
LEVEL = 2                              # of the piece layer
SIZES = [7 * PIECE + 5, 3 * BLOCK_SIZE + 1, 100, 2 * PIECE]


@pytest.fixture(scope="module")
def torrent():
    return StoredTorrent(SIZES, PIECE, v1=False)


def root_of_file(torrent, number):
    return torrent.payload_files()[number].pieces_root


def ask(one, link, *runs):
    """What the peer hears at once."""
    one.said()
    one.tell(link, *[HashRequest(run) for run in runs])
    return one.said().get(link, [])


def compute(one):
    """The hashing threads do what was posted."""
    jobs, one.notes.computed = one.notes.computed, []
    for work, then in jobs:
        then(work())


def is_proven(message):
    run, nodes = message.run, split_layer(message.hashes)
    return proven_root(nodes[:run.length], nodes[run.length:], run.first, run.base_layer) == run.root


def test_a_piece_layer_is_given_to_who_is_choked(torrent):
    one = OneSwarm(torrent)
    root = root_of_file(torrent, 0)
    (answer,) = ask(one, one.join([], unchoked=False), HashRun(root, LEVEL, 0, 8, 2))
    assert isinstance(answer, Hashes) and is_proven(answer)
    assert answer.hashes[:8 * HASH_BYTES] == torrent.metainfo.piece_layers[root]


def test_every_run_from_the_piece_layer_up_is_given_with_its_proof(torrent):
    one = OneSwarm(torrent)
    link, root = one.join([], unchoked=False), root_of_file(torrent, 0)
    runs = [HashRun(root, base, first, 2 << log, 4 - base)
            for base in (2, 3, 4) for log in range(5 - base) for first in range(0, 32 >> base, 2 << log)]
    answers = ask(one, link, *runs)
    assert [answer.run for answer in answers] == runs
    assert all(is_proven(answer) for answer in answers)


def test_a_shorter_proof_leads_to_the_node_that_the_peer_knows(torrent):
    one = OneSwarm(torrent)
    root = root_of_file(torrent, 0)
    link = one.join([], unchoked=False)
    (whole,) = ask(one, link, HashRun(root, LEVEL, 4, 2, 2))
    (part,) = ask(one, link, HashRun(root, LEVEL, 4, 2, 1))
    assert part.hashes == whole.hashes[:-HASH_BYTES]


@pytest.mark.parametrize("change", [
    {"root": b"x" * 32}, {"base_layer": 5}, {"base_layer": 1}, {"first": 1}, {"first": 8}, {"length": 0}, {"length": 3},
    {"length": 16}, {"length": 1 << 31}, {"proof_layers": 3}, {"first": 0xFFFFFFFE}, {"proof_layers": 0xFFFFFFFF}])
def test_what_there_is_not_is_rejected_and_the_link_stays(torrent, change):
    one = OneSwarm(torrent)
    run = HashRun(root_of_file(torrent, 0), LEVEL, 0, 2, 2)._replace(**change)
    link = one.join([], unchoked=False)
    assert ask(one, link, run) == [HashReject(run)]
    assert link in one.swarm.links


def test_a_torrent_without_its_layers_rejects(torrent):
    bare = StoredTorrent(SIZES, PIECE, v1=False)
    bare.metainfo = bare.metainfo._replace(piece_layers={})
    one = OneSwarm(bare)
    run = HashRun(root_of_file(bare, 0), LEVEL, 0, 8, 2)
    assert ask(one, one.join([], unchoked=False), run) == [HashReject(run)]


def test_a_torrent_of_version_one_rejects():
    one = OneSwarm(StoredTorrent([5 * PIECE], PIECE))
    run = HashRun(b"r" * 32, LEVEL, 0, 8, 2)
    assert ask(one, one.join([], unchoked=False), run) == [HashReject(run)]


# ---- leaves

@pytest.fixture
def on_disk(torrent, tmp_path):
    """A swarm that has all of it in real files."""
    torrent.put_on_disk(tmp_path)
    one = OneSwarm(torrent, range(torrent.geometry.num_pieces))
    one.swarm.order = one.swarm.order._replace(store=Store(tmp_path, torrent.metainfo, FilePool(16)))
    return one


@pytest.mark.parametrize(("number", "first", "length", "proof_layers"), [
    (0, 0, 4, 4), (0, 28, 4, 4), (0, 4, 2, 4), (0, 6, 1, 4), (0, 0, 16, 4), (0, 16, 16, 4), (0, 0, 32, 0),
    (1, 0, 4, 1), (1, 2, 2, 1), (3, 4, 4, 2)])
def test_leaves_are_hashed_from_the_disk_and_proven(on_disk, torrent, number, first, length, proof_layers):
    link = on_disk.join([], unchoked=False)
    run = HashRun(root_of_file(torrent, number), 0, first, length, proof_layers)
    assert ask(on_disk, link, run) == []
    assert not on_disk.swarm.talk.is_idle
    compute(on_disk)
    (answer,) = on_disk.said()[link]
    assert on_disk.swarm.talk.is_idle
    assert is_proven(answer)
    entry = torrent.payload_files()[number]
    data = torrent.content[entry.offset:entry.offset + entry.length][first * BLOCK_SIZE:(first + 1) * BLOCK_SIZE]
    assert answer.hashes[:HASH_BYTES] == sha256(data).digest()


def test_the_hashing_threads_get_a_few_jobs_at_a_time(on_disk, torrent):
    link, run = on_disk.join([], unchoked=False), HashRun(root_of_file(torrent, 0), 0, 0, 4, 4)
    heard = ask(on_disk, link, *[run] * (2 * MAX_JOBS + 1))
    for left in (MAX_JOBS, MAX_JOBS, 1):
        assert heard == [] and len(on_disk.notes.computed) == left
        compute(on_disk)
        assert [message.run for message in on_disk.said()[link]] == [run] * left
    assert on_disk.swarm.talk.is_idle


def test_leaves_of_pieces_that_are_lacking_are_rejected(torrent):
    one = OneSwarm(torrent, [0, 1])
    link, root = one.join([], unchoked=False), root_of_file(torrent, 0)
    run = HashRun(root, 0, 8, 4, 4)
    assert ask(one, link, run) == [HashReject(run)]
    assert ask(one, link, run._replace(first=4)) == []
    assert len(one.notes.computed) == 1


def test_leaves_of_what_is_no_more_are_rejected(on_disk, torrent, tmp_path):
    entry = torrent.payload_files()[0]
    tmp_path.joinpath(*entry.path).unlink()
    run = HashRun(entry.pieces_root, 0, 0, 4, 4)
    link = on_disk.join([], unchoked=False)
    ask(on_disk, link, run)
    ((_, then),) = on_disk.notes.computed
    then(None)
    assert on_disk.said()[link] == [HashReject(run)]


def test_nothing_is_sent_to_who_left_meanwhile(on_disk, torrent):
    link = on_disk.join([], unchoked=False)
    ask(on_disk, link, HashRun(root_of_file(torrent, 0), 0, 0, 4, 4))
    on_disk.swarm.lose(link, NetworkError("net.reset", "gone"))
    compute(on_disk)
    assert on_disk.said().get(link, []) == []
    assert on_disk.swarm.talk.is_idle


# ---- pace

def test_a_host_gets_so_many_at_once_and_the_rest_later(torrent):
    one = OneSwarm(torrent)
    link, run = one.join([], unchoked=False), HashRun(root_of_file(torrent, 0), LEVEL, 0, 8, 2)
    assert len(ask(one, link, *[run] * (AT_ONCE + 20))) == AT_ONCE
    one.pass_time(4 * SERVE_AGAIN_S)
    assert sum(isinstance(message, Hashes) for message in one.said()[link]) == 20


def test_what_is_beyond_the_pace_and_the_queue_is_rejected(torrent):
    one = OneSwarm(torrent)
    link, run = one.join([], unchoked=False), HashRun(root_of_file(torrent, 0), LEVEL, 0, 8, 2)
    heard = ask(one, link, *[run] * (AT_ONCE + MAX_WAITING + 3 * MAX_REJECTS))
    assert heard[:AT_ONCE] == [heard[0]] * AT_ONCE
    assert heard[AT_ONCE:] == [HashReject(run)] * MAX_REJECTS


def test_to_connect_again_gives_a_host_no_more(torrent):
    one = OneSwarm(torrent)
    run, given = HashRun(root_of_file(torrent, 0), LEVEL, 0, 8, 2), 0
    for port in range(10):
        link = one.join([], unchoked=False)
        link.endpoint = Endpoint("20.1.1.1", 40000 + port)
        given += sum(isinstance(message, Hashes) for message in ask(one, link, *[run] * 50))
        one.swarm.lose(link, NetworkError("net.reset", "gone"))
    assert given == AT_ONCE


def test_the_tree_of_a_long_file_is_made_elsewhere(torrent):
    pieces = QUICK_PIECES + 1
    layer = random.Random(1).randbytes(pieces * HASH_BYTES)
    long = StoredTorrent(SIZES, PIECE, v1=False)
    root = layer_root(layer, PIECE)
    entry = long.payload_files()[0]._replace(pieces_root=root, length=pieces * PIECE)
    long.metainfo = long.metainfo._replace(files=(entry,), piece_layers={root: layer})
    one = OneSwarm(long)
    link, run = one.join([], unchoked=False), HashRun(root, LEVEL, 512, 512, 12)
    assert ask(one, link, run, run._replace(first=0)) == []
    assert len(one.notes.computed) == 1
    compute(one)
    first, second = one.said()[link]
    assert is_proven(first) and is_proven(second)
    assert len(ask(one, link, run)) == 1
