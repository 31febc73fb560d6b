"""Ids that fit addresses, by the vectors of BEP 42; who may name whom."""

from __future__ import annotations

from random import Random

import pytest

from blobtorrent.protocol.dht.ids import crc32c, is_secure, is_usable, make_node_id, may_name, pack_host, shared_bits

VECTORS = [
    ("124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
    ("21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
    ("65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
    ("84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
    ("43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
]


@pytest.mark.parametrize(("host", "node_id"), VECTORS)
def test_the_vectors_of_the_bep_fit(host, node_id):
    assert is_secure(bytes.fromhex(node_id), pack_host(host))


@pytest.mark.parametrize(("host", "node_id"), VECTORS)
def test_they_fit_no_other_address(host, node_id):
    assert not is_secure(bytes.fromhex(node_id), pack_host("98.76.54.32"))


@pytest.mark.parametrize("host", ["98.76.54.32", "2a01:4f8::77"])
def test_an_id_of_ours_fits_our_address(host):
    packed = pack_host(host)
    rng = Random(1)
    ids = {make_node_id(packed, rng) for _ in range(100)}
    assert len(ids) == 100
    assert all(is_secure(node_id, packed) for node_id in ids)


def test_local_addresses_are_exempt():
    assert is_secure(bytes(20), pack_host("192.168.1.5"))
    assert is_secure(bytes(20), pack_host("127.0.0.1"))
    assert not is_secure(b"\x01" * 20, pack_host("8.8.8.8"))


def test_the_checksum_is_castagnolis():
    assert crc32c(b"123456789") == 0xE3069283


def test_numbers_share_their_leading_bits():
    assert shared_bits(0, 1 << 159) == 0
    assert shared_bits(5, 4) == 159
    assert shared_bits(7, 7) == 160


@pytest.mark.parametrize(
    ("sender", "named", "may"),
    [
        ("8.8.8.8", "9.9.9.9", True),
        ("8.8.8.8", "192.168.0.1", False),
        ("8.8.8.8", "127.0.0.1", False),
        ("8.8.8.8", "169.254.169.254", False),
        ("192.168.0.7", "192.168.0.1", True),
        ("192.168.0.7", "127.0.0.1", False),
        ("127.0.0.2", "127.0.0.1", True),
        ("127.0.0.2", "224.0.0.1", False),
        ("127.0.0.2", "0.0.0.0", False),
        ("2a01::1", "::1", False),
    ],
)
def test_nobody_outside_leads_us_into_our_own_network(sender, named, may):
    assert may_name(pack_host(sender), pack_host(named)) is may


@pytest.mark.parametrize("host", ["0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.5", "::", "ff02::1"])
def test_nobody_has_such_an_address(host):
    assert not is_usable(pack_host(host))
