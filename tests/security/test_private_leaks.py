"""Private leaks: a torrent that says it is private, in whatever way, is told to its trackers and peers only (BEP 27).

What really goes over the network is counted in tests/e2e/test_private.py, in namespaces of its own.
"""

from __future__ import annotations

from typing import Any

import pytest

from blobtorrent.core.swarm.messages import PeersFound, PeerSource
from blobtorrent.core.swarm.peers import OF_PRIVATE
from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import HANDSHAKE_ID, OUR_IDS, UT_PEX, ExtendedHandshake
from blobtorrent.protocol.wire.pex import PeerExchange
from tests.support.oddtorrents import single, torrent
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

K = 1024


@pytest.mark.parametrize(("said", "is_private"), [
    (1, True), (2, True), (-1, True), (2**62, True), (b"1", True), (b"yes", True), (b"\x01", True), ([1], True),
    ([], True), ({}, True), ({b"a": 1}, True), (0, False), (b"0", False), (b"", False), (None, False),
])
def test_whatever_is_said_of_privacy_but_nothing_makes_it_private(said: Any, is_private: bool) -> None:
    assert parse_torrent(torrent(single(private=said))).is_private is is_private


@pytest.mark.parametrize("source", list(PeerSource))
def test_peers_of_other_sources_are_not_dialled(source: PeerSource) -> None:
    private = StoredTorrent([64 * K], 16 * K)
    private.metainfo = private.metainfo._replace(is_private=True)
    one = OneSwarm(private)
    one.swarm.on_peers(PeersFound(private.metainfo.info_hash, (Endpoint("20.1.1.1", 6881),), source))
    one.pass_time(2.0)
    assert bool(one.notes.dialled) is (source in OF_PRIVATE)


def test_what_a_peer_tells_changes_nothing_and_it_is_told_nothing() -> None:
    private = StoredTorrent([64 * K], 16 * K)
    private.metainfo = private.metainfo._replace(is_private=True)
    one = OneSwarm(private, have=[0])
    links = [one.join([]) for _ in range(3)]
    for number, link in enumerate(links):
        one.tell(link, wire.Extended(HANDSHAKE_ID, ExtendedHandshake(ids={UT_PEX: 7}, port=6881 + number).payload()))
        one.tell(link, wire.Extended(OUR_IDS[UT_PEX], PeerExchange({Endpoint("20.1.1.1", 6881): 0}).encode()))
        one.tell(link, wire.Port(6881))
    one.pass_time(130.0)
    said = [message for messages in one.said().values() for message in messages]
    assert not [message for message in said if isinstance(message, wire.Port)]
    assert not [message for message in said if isinstance(message, wire.Extended) and message.sub_id != HANDSHAKE_ID]
    assert not [message for message in said if isinstance(message, wire.Extended) and b"ut_pex" in message.payload]
    assert one.notes.dialled == []
