"""A host is asked about its swarms in the middle of what they do, and about one that is gone."""

from __future__ import annotations

from typing import Any

import pytest

from blobtorrent.core.swarm.availability import counts
from blobtorrent.core.swarm.messages import PeersTold, PiecesTold, TellPeers, TellPieces
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World

K = 1024
LIMIT = 200_000                        # bytes a second: the download lasts


@pytest.fixture(params=range(3))
def world(request):
    return World(request.param)


def ask(world, node, torrent) -> tuple[PeersTold, PiecesTold]:
    answers: Mailbox[Any] = Mailbox("answers")
    info_hash = torrent.metainfo.info_hash
    node.tell(TellPeers(info_hash, "peers", answers))
    node.tell(TellPieces(info_hash, "pieces", answers))
    world.run(0.1)
    peers, pieces = answers.drain()
    assert (peers.token, pieces.token) == ("peers", "pieces")
    return peers, pieces


def test_what_is_told_of_peers_and_pieces_agrees_while_a_swarm_works(world):
    torrent = StoredTorrent([2_000_000], 64 * K)
    num_pieces = torrent.geometry.num_pieces
    seed, first, second = (world.node() for _ in range(3))
    seed.open(torrent, have=True)
    for node in (first, second):
        node.open(torrent, down_bytes_per_s=LIMIT)
        node.find(torrent, [other.endpoint for other in (seed, first, second) if other is not node])
    seen_partial = False
    for _ in range(8):
        world.run(1.0)
        peers, pieces = ask(world, first, torrent)
        assert pieces.counts is not None and peers.insight is not None
        told = counts(pieces.counts.planes, pieces.counts.seeds, num_pieces)
        assert sum(told) == sum(peer.pieces_had for peer in peers.peers)
        assert pieces.counts.seeds == sum(peer.is_seed for peer in peers.peers)
        lacking = num_pieces - pieces.counts.have.bit_count()
        assert peers.insight.pieces_lacking == lacking
        assert peers.insight.pieces_unavailable == (0 if pieces.counts.seeds else lacking)
        assert not any(pieces.counts.have >> partial.piece & 1 for partial in pieces.counts.partial)
        assert all(0 <= partial.done_blocks <= partial.num_blocks for partial in pieces.counts.partial)
        seen_partial |= bool(pieces.counts.partial)
    assert {peer.source for peer in peers.peers} <= {"tracker", "incoming"}
    assert len(peers.peers) == 2
    assert seen_partial
    for node in (first, second):
        node.close(torrent)
    seed.close(torrent)
    world.run(5.0)
    peers, pieces = ask(world, first, torrent)
    assert (peers.peers, peers.insight, pieces.counts) == ((), None, None)
