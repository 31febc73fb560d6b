"""Peers and encryption, as a swarm knows of it: who was lost for it, and what is told of those that are here."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.peers import MAX_UNENCRYPTED
from blobtorrent.core.swarm.telling import insight, peer_statuses
from blobtorrent.core.swarm.treating import treat
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError
from blobtorrent.model.ids import PeerId
from blobtorrent.network.messages import PeerRefused
from blobtorrent.protocol.mse.cipher import rc4
from blobtorrent.protocol.mse.handshake import Method, Obfuscation
from blobtorrent.protocol.wire.greeting import OUR_RESERVED, Greeting
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

RC4 = Obfuscation(Method.RC4, rc4(bytes(20)), rc4(bytes(20)))


@pytest.fixture
def one() -> OneSwarm:
    return OneSwarm(StoredTorrent([1 << 16], 1 << 14))


def admit(one: OneSwarm, number: int, obfuscation: Obfuscation | None) -> None:
    greeting = Greeting(OUR_RESERVED, one.torrent.metainfo.info_hash.v1 or b"", PeerId(bytes([number]) * 20))
    endpoint = Endpoint(f"10.4.0.{number}", 6881)
    one.swarm.admit(PeerLink(one.swarm, number, endpoint, greeting, True, one.notes.now,
                             obfuscation=obfuscation))


def told(one: OneSwarm) -> tuple[int, str]:
    found = insight(one.swarm, waits_for_memory=False)
    return found.peers_unencrypted, found.encryption_code


def test_hosts_that_were_lost_are_counted_once_whoever_dialled(one: OneSwarm) -> None:
    assert told(one) == (0, "")
    for port in (1, 2):
        one.swarm.on_dial_failed(Endpoint("10.5.0.1", port), NetworkError("encryption.refused", "it does not encrypt"))
    one.swarm.on_dial_failed(Endpoint("10.5.0.2", 1), NetworkError("net.refused", "nobody there"))
    assert told(one) == (1, "encryption.refused")
    for port in (1, 2):
        treat(one.swarm, PeerRefused(
            one.torrent.metainfo.info_hash, Endpoint("10.5.0.3", port), "encryption.required", "in plain"))
    assert told(one) == (2, "encryption.required")


def test_their_number_is_bounded(one: OneSwarm) -> None:
    for number in range(MAX_UNENCRYPTED + 10):
        one.swarm.peers.lost_to_encryption(Endpoint(f"10.6.{number >> 8}.{number & 255}", 1), "encryption.refused")
    assert told(one)[0] == MAX_UNENCRYPTED


def test_they_are_history_when_a_plain_peer_is_here_and_not_when_an_encrypted_one_is(one: OneSwarm) -> None:
    one.swarm.peers.lost_to_encryption(Endpoint("10.5.0.1", 1), "encryption.refused")
    admit(one, 1, RC4)
    assert told(one)[0] == 1
    admit(one, 2, Obfuscation(Method.PLAINTEXT, None, None))
    assert told(one)[0] == 0


def test_each_peer_is_told_with_its_cipher(one: OneSwarm) -> None:
    for number, obfuscation in enumerate((None, Obfuscation(Method.PLAINTEXT, None, None), RC4), 1):
        admit(one, number, obfuscation)
    assert [(peer.cipher, peer.is_encrypted, peer.has_encrypted_handshake, peer.flags)
            for peer in peer_statuses(one.swarm)] == [
        ("none", False, False, "I"), ("plaintext", False, True, "Ie"), ("rc4", True, True, "IE")]
