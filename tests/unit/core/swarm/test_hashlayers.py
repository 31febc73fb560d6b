"""The piece layers that a torrent came without are fetched from many peers, who may lie."""

from __future__ import annotations

import random

import pytest

from blobtorrent.core.swarm.hashlayers import (
    DOUBLE_AFTER_S,
    FIRST_REST_S,
    MAX_ASKED,
    MAX_MISSES,
    REQUEST_TIMEOUT_S,
    TELL_AFTER_S,
    LayerManager,
)
from blobtorrent.model.errors import PeerError
from blobtorrent.model.merkle import HASH_BYTES, LayerTree, layer_root
from blobtorrent.protocol.wire.hashes import Hashes

PIECE_LENGTH = 4 * 16384
LEVEL = 2


class Files:
    """The layers of files of so many pieces, and a manager that lacks them all."""

    def __init__(self, *pieces):
        rng = random.Random(sum(pieces))
        layers = [rng.randbytes(count * HASH_BYTES) for count in pieces]
        self.layers = {layer_root(layer, PIECE_LENGTH): layer for layer in layers}
        self.trees = {root: LayerTree(layer, LEVEL) for root, layer in self.layers.items()}
        self.manager = LayerManager(
            {root: len(layer) // HASH_BYTES for root, layer in self.layers.items()}, PIECE_LENGTH)
        self.told = {}

    def answer(self, run, *, spoil=False):
        tree = self.trees[run.root]
        assert run.fits(tree.num_layers)
        hashes = tree.nodes(run.base_layer, run.first, run.length) + b"".join(
            tree.node(*place) for place in run.siblings())
        return Hashes(run, bytes([hashes[0] ^ 1]) + hashes[1:] if spoil else hashes)

    def take_news(self, now):
        news = self.manager.take_news(now)
        self.told.update(news)
        return news


def asked(manager, now):
    """Whom the manager wants asked for what: (peer, run)."""
    return list(manager.requests(now))


@pytest.mark.parametrize("pieces", [(2,), (3,), (512,), (513,), (1500, 2, 7), (1024, 1025, 511)])
def test_all_layers_come_whatever_their_length(pieces):
    files = Files(*pieces)
    manager = files.manager
    for peer in "abc":
        manager.join(peer)
    now, rng = 0.0, random.Random(1)
    pending = []
    while not manager.is_done:
        now += 0.1
        pending += asked(manager, now)
        peer, run = pending.pop(rng.randrange(len(pending)))
        assert manager.on_hashes(peer, files.answer(run), now)
        files.take_news(now)
    assert files.told == files.layers
    assert manager.progress == (len(pieces), len(pieces))
    assert asked(manager, now + 60.0) == []


def test_several_peers_are_asked_at_once_and_none_for_the_same():
    files = Files(3 * 512)
    for peer in "abc":
        files.manager.join(peer)
    requests = asked(files.manager, 0.0)
    assert sorted(peer for peer, _ in requests) == ["a", "b", "c"]
    assert sorted(run.first for _, run in requests) == [0, 512, 1024]
    assert {run.proof_layers for _, run in requests} == {10}


def test_one_peer_is_asked_for_a_few_at_a_time():
    files = Files(40 * 512)
    files.manager.join("a")
    first = asked(files.manager, 0.0)
    assert len(first) == MAX_ASKED
    assert files.manager.on_hashes("a", files.answer(first[0][1]), 0.1)
    assert len(asked(files.manager, 0.1)) == 1


def test_who_sends_hashes_of_something_else_lies():
    files = Files(700)
    files.manager.join("liar")
    (_, run), _ = asked(files.manager, 0.0)
    with pytest.raises(PeerError) as caught:
        files.manager.on_hashes("liar", files.answer(run, spoil=True), 0.1)
    assert caught.value.code == "hashes.mismatch"
    files.manager.leave("liar")
    files.manager.join("honest")
    requests = asked(files.manager, 0.2)
    assert len(requests) == 2
    for _, again in requests:
        files.manager.on_hashes("honest", files.answer(again), 0.3)
    assert files.take_news(0.3) == files.layers


def test_a_wrong_uncle_is_a_lie_too():
    files = Files(700)
    files.manager.join("liar")
    (_, run), _ = asked(files.manager, 0.0)
    hashes = files.answer(run).hashes
    with pytest.raises(PeerError):
        files.manager.on_hashes("liar", Hashes(run, hashes[:-1] + bytes([hashes[-1] ^ 1])), 0.1)


def test_what_nobody_asked_for_is_not_taken():
    files = Files(700)
    files.manager.join("a")
    files.manager.join("b")
    (_, run), *_ = asked(files.manager, 0.0)
    stranger = files.answer(run._replace(proof_layers=run.proof_layers - 1))
    assert not files.manager.on_hashes("a", stranger, 0.1)
    assert not files.manager.on_hashes("b", files.answer(run), 0.1)
    assert not files.manager.on_hashes("nobody", files.answer(run), 0.1)


def test_what_is_rejected_is_asked_of_another_peer():
    files = Files(5)
    files.manager.join("poor")
    ((_, run),) = asked(files.manager, 0.0)
    files.manager.on_reject("poor", run, 0.1)
    files.manager.join("rich")
    assert asked(files.manager, 0.1) == [("rich", run)]


def test_who_rejects_is_left_alone_for_longer_and_longer():
    files = Files(5)
    files.manager.join("poor")
    now, rest = 0.0, FIRST_REST_S
    for misses in range(MAX_MISSES):
        assert not files.manager.is_useless("poor"), misses
        ((_, run),) = asked(files.manager, now)
        files.manager.on_reject("poor", run, now)
        assert asked(files.manager, now + rest - 0.1) == []
        now, rest = now + rest, 2 * rest
    assert files.manager.is_useless("poor")


def test_a_reject_of_one_run_does_not_keep_the_others_from_coming():
    """The only peer has a part of the file, as a leech may."""
    files = Files(4 * 512)
    files.manager.join("a")
    now, had = 0.0, {512, 1024}
    for _ in range(200):
        now += 1.0
        for peer, run in asked(files.manager, now):
            if run.first in had:
                files.manager.on_hashes(peer, files.answer(run), now)
            else:
                files.manager.on_reject(peer, run, now)
    had |= {0, 1536}
    for _ in range(600):
        now += 1.0
        for peer, run in asked(files.manager, now):
            files.manager.on_hashes(peer, files.answer(run), now)
    assert files.manager.is_done


def test_a_run_that_does_not_come_is_asked_of_another_peer():
    files = Files(5)
    files.manager.join("slow")
    ((_, run),) = asked(files.manager, 0.0)
    files.manager.join("quick")
    assert asked(files.manager, DOUBLE_AFTER_S - 0.1) == []
    assert asked(files.manager, DOUBLE_AFTER_S) == [("quick", run)]
    assert asked(files.manager, REQUEST_TIMEOUT_S - 0.1) == []
    assert files.manager.on_hashes("quick", files.answer(run), 9.0)
    assert files.manager.is_done
    assert files.manager.on_hashes("slow", files.answer(run), 9.5)         # it was asked for


def test_late_hashes_still_count():
    files = Files(5)
    files.manager.join("slow")
    ((_, run),) = asked(files.manager, 0.0)
    assert asked(files.manager, REQUEST_TIMEOUT_S) == []           # it rests
    assert files.manager.on_hashes("slow", files.answer(run), REQUEST_TIMEOUT_S + 0.5)
    assert files.manager.is_done


def test_what_a_peer_that_left_was_asked_for_is_asked_of_another():
    files = Files(5)
    files.manager.join("a")
    ((_, run),) = asked(files.manager, 0.0)
    files.manager.leave("a")
    files.manager.join("b")
    assert asked(files.manager, 0.1) == [("b", run)]


def test_news_are_told_at_once_first_and_then_in_growing_heaps():
    files = Files(*range(2, 60))
    files.manager.join("a")
    sizes, now = [], 0.0
    while not files.manager.is_done:
        for peer, run in asked(files.manager, now):
            files.manager.on_hashes(peer, files.answer(run), now)
            sizes.append(len(files.take_news(now)))
        now += 0.01
    heaps = [size for size in sizes if size]
    assert heaps[0] == 1 and len(heaps) < 40
    assert files.told == files.layers


def test_news_do_not_wait_for_ever():
    files = Files(3000, 2, 700)
    long, short, other = files.layers
    files.manager.join("a")
    for _ in range(3):
        for peer, run in asked(files.manager, 0.0):
            if run.root != other:
                files.manager.on_hashes(peer, files.answer(run), 0.0)
            files.take_news(0.0)
    assert list(files.told) == [long]
    assert files.take_news(TELL_AFTER_S - 0.1) == {}
    assert list(files.take_news(TELL_AFTER_S)) == [short]
