"""Which peers of an earlier run a torrent starts with."""

from __future__ import annotations

from types import SimpleNamespace

from blobtorrent.core.session.swarms import _kept_peers
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource
from blobtorrent.model.address import Endpoint

TIERS = (("https://one.example/announce?passkey=x",), ("udp://two.example:80",))
PEERS = tuple(
    KnownAddress(Endpoint("10.0.0.1", port), source, tracker=tracker) for port, (source, tracker) in enumerate([
        (PeerSource.TRACKER, "one.example"), (PeerSource.TRACKER, "two.example"), (PeerSource.TRACKER, "other.example"),
        (PeerSource.TRACKER, ""), (PeerSource.PEX, ""), (PeerSource.LSD, ""), (PeerSource.DHT, ""),
        (PeerSource.INCOMING, ""), (PeerSource.PEX, "one.example"), (PeerSource.STATIC, ""),
    ], 1))


def torrent(*, is_private):
    return SimpleNamespace(
        record=SimpleNamespace(facts=SimpleNamespace(is_private=is_private)), peers=PEERS, tiers=TIERS)


def test_of_a_private_torrent_only_those_that_its_owner_or_its_trackers_named():
    assert [peer.endpoint.port for peer in _kept_peers(torrent(is_private=True))] == [1, 2, 10]


def test_of_a_public_one_all():
    assert _kept_peers(torrent(is_private=False)) == PEERS
