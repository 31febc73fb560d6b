"""What a swarm says to its peers while only the piece layers of its torrent are lacking."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.metadatalink import MAX_REJECTS
from blobtorrent.core.swarm.metadatamessages import LayersFound, MetadataReport
from blobtorrent.core.swarm.metadataswarm import MAX_UNASKED, USELESS_LINK_S
from blobtorrent.model.errors import PeerError
from blobtorrent.model.merkle import HASH_BYTES, LayerTree
from blobtorrent.protocol.wire.hashes import Hashes, HashReject, HashRequest
from tests.support.onemetadata import OneMetadata
from tests.support.stored import StoredTorrent

TORRENT = StoredTorrent([5 * 16384, 600 * 16384, 7], 16384, v1=False)
BARE = TORRENT.metainfo._replace(piece_layers={})


def swarm_of(max_links=50):
    one = OneMetadata(b"info", max_links=max_links)
    one.swarm.fetch_layers(BARE)
    return one


def asked(one):
    """Runs that peers were asked for since the last call: (link, run)."""
    return [(link, message.run) for link, messages in one.said().items() for message in messages
            if isinstance(message, HashRequest)]


def answer(run):
    tree = LayerTree(TORRENT.metainfo.piece_layers[run.root], 0)
    return Hashes(run, tree.nodes(0, run.first, run.length) + b"".join(tree.node(*at) for at in run.siblings()))


def told(one, kind):
    return [message for message in one.reports.drain() if isinstance(message, kind)]


def test_who_is_connected_is_asked_whether_it_offers_metadata_or_not():
    one = OneMetadata(b"info")
    before = one.join("1.1.1.1")
    one.said()
    one.swarm.fetch_layers(BARE)
    assert {link for link, _ in asked(one)} == {before}


def test_who_comes_later_is_asked_too():
    one = swarm_of()
    link = one.join("1.1.1.1")
    assert {run.root for _, run in asked(one)} == set(TORRENT.metainfo.piece_layers)
    assert link in one.swarm.links


def test_layers_are_told_as_they_come_and_the_report_counts_them():
    one = swarm_of()
    link = one.join("1.1.1.1")
    for _, run in asked(one):
        one.tell(link, answer(run))
    found = told(one, LayersFound)
    assert {**found[0].layers, **found[-1].layers} == TORRENT.metainfo.piece_layers
    assert found[-1].is_complete
    one.pass_time(1.1)
    assert one.swarm.is_done


def test_the_report_tells_how_many_files_have_their_layers():
    one = swarm_of()
    link = one.join("1.1.1.1")
    (run,) = [run for _, run in asked(one) if run.length == 8]
    one.tell(link, answer(run))
    one.pass_time(1.1)
    report = told(one, MetadataReport)[-1]
    assert (report.layers_here, report.layers_total) == (1, 2)


def test_who_lies_is_banned_and_others_are_asked():
    one = swarm_of()
    liar = one.join("1.1.1.1")
    runs = asked(one)
    one.tell(liar, Hashes(runs[0][1], bytes((runs[0][1].length + runs[0][1].num_uncles) * HASH_BYTES)))
    assert liar not in one.swarm.links
    assert isinstance(one.arrive("1.1.1.1", peer_id=liar.greeting.peer_id), PeerError)
    honest = one.join("2.2.2.2")
    assert sorted(run for _, run in asked(one)) == sorted(run for _, run in runs)
    assert honest in one.swarm.links


def test_who_sends_hashes_again_and_again_that_nobody_asked_for_goes():
    one = swarm_of()
    link = one.join("1.1.1.1")
    (run, *_) = [run for _, run in asked(one)]
    stranger = Hashes(run._replace(root=b"x" * 32), answer(run).hashes)
    with pytest.raises(PeerError) as caught:
        one.tell(link, *[stranger] * (MAX_UNASKED + 1))
    assert caught.value.code == "metadata.unasked"


def test_nobody_is_given_what_is_not_here_and_nobody_hears_that_for_ever():
    one = swarm_of()
    link = one.join("1.1.1.1")
    (run, *_) = [run for _, run in asked(one)]
    one.tell(link, *[HashRequest(run)] * (MAX_REJECTS + 5))
    assert one.said()[link].count(HashReject(run)) == MAX_REJECTS


def test_who_gives_no_hashes_makes_room_for_others():
    one = swarm_of(max_links=1)
    silent = one.join("1.1.1.1")
    one.pass_time(USELESS_LINK_S + 1)
    assert one.join("2.2.2.2") in one.swarm.links
    assert silent not in one.swarm.links
