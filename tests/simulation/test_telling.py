"""A host is asked about its swarms in the middle of what they do, and about one that is gone."""

from __future__ import annotations

from typing import Any

import pytest

from blobtorrent.core.swarm.availability import counts
from blobtorrent.core.swarm.messages import (
    LosePieces,
    PeersTold,
    PiecesTold,
    PieceTold,
    TellPeers,
    TellPiece,
    TellPieces,
)
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


def story_of(world, node, torrent, index):
    answers: Mailbox[Any] = Mailbox("answers")
    node.tell(TellPiece(torrent.metainfo.info_hash, index, "piece", answers))
    world.run(0.05)
    (told,) = answers.drain()
    assert isinstance(told, PieceTold)
    return told.story


def test_of_every_piece_it_can_be_told_what_becomes_of_it(world):
    torrent = StoredTorrent([2_000_000], 64 * K)
    seed, leech = world.node(), world.node()
    seed.open(torrent, have=True)
    leech.open(torrent, down_bytes_per_s=LIMIT)
    alone = story_of(world, leech, torrent, 0)
    assert (alone.state, alone.text, alone.givers) == ("missing", "no connected peer has it", ())

    leech.find(torrent, [seed.endpoint])
    seen = {}
    for _ in range(30):
        world.run(0.3)
        for index in range(torrent.geometry.num_pieces):
            story = story_of(world, leech, torrent, index)
            seen.setdefault(story.state, []).append(story)
            assert 0 <= story.blocks_here <= story.blocks == torrent.geometry.num_blocks(index)
            assert story.size_bytes == torrent.geometry.piece_size(index)
        if set(seen) >= {"missing", "partial", "have"}:
            break
    partial = seen["partial"][0]
    assert partial.seeds == 1 and partial.leeches == 0 and partial.opened_s >= 0
    assert partial.givers[0].peer == str(seed.endpoint) and partial.givers[0].worth["peers"] == 0
    assert any(story.givers[0].standing == "asked" and str(seed.endpoint) in story.text for story in seen["partial"])
    assert any(story.givers and story.givers[0].standing in ("busy", "free") for story in seen["missing"])
    assert seen["have"][0].blocks_here == seen["have"][0].blocks

    leech.close(torrent)
    world.run(5.0)
    assert story_of(world, leech, torrent, 0) is None


def test_a_piece_that_was_lost_says_so(world):
    torrent = StoredTorrent([300_000], 64 * K)
    seed, leech = world.node(), world.node()
    seed.open(torrent, have=True)
    leech.open(torrent)
    leech.find(torrent, [seed.endpoint])
    world.run(10.0)
    leech.tell(LosePieces(torrent.metainfo.info_hash, 0b10))
    story = story_of(world, leech, torrent, 1)
    assert [(state, cause) for _, state, cause in story.history] == [("missing", "it is not on disk after all")]
