"""What the kernel tells, as bytes; and what this machine's kernel tells of loopback."""

from __future__ import annotations

import struct

import pytest

from blobtorrent.model.errors import NetworkError
from blobtorrent.network.interfaces import survey
from blobtorrent.protocol.netlink import Answer, Gateway, Link, OwnAddress


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def message(kind, body, flags=0):
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body + bytes(-len(body) % 4)


LINK = message(16, struct.pack("=BxHiII", 0, 1, 7, 0x1043, 0) + attribute(3, b"tun0\0"))
ADDRESS = message(20, struct.pack("=BBBBI", 2, 24, 0x80, 0, 7) + attribute(1, b"\x0a\x09\0\1") + attribute(
    2, b"\x0a\x09\0\2"))
ROUTE = message(24, struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0) + attribute(5, b"\x0a\x09\0\1") + attribute(
    4, b"\7\0\0\0") + attribute(6, b"\x64\0\0\0"))


def read(*datagrams):
    answer = Answer()
    for datagram in datagrams:
        answer.feed(datagram)
    return answer


def test_links_addresses_and_gateways_are_read():
    answer = read(LINK + ADDRESS, ROUTE)
    assert answer.links == [Link(7, "tun0", is_up=True, is_loopback=False, is_multicast=True)]
    assert answer.addresses == [OwnAddress(7, "10.9.0.2", 24, is_link_local=False)]
    assert answer.gateways == [Gateway(7, "10.9.0.1", 100)]
    assert not answer.is_complete


def test_an_answer_ends_by_its_own_word():
    assert read(message(3, bytes(4))).is_complete


def test_a_refusal_is_no_empty_answer():
    with pytest.raises(NetworkError) as caught:
        read(message(2, struct.pack("=i", -1) + bytes(16)))
    assert caught.value.code == "net.no-netlink"


def test_an_answer_that_things_changed_under_is_known_as_torn():
    assert not read(LINK).is_torn
    assert read(LINK, message(3, bytes(4), flags=0x12)).is_torn


def test_an_address_that_may_be_taken_is_not_ours_yet():
    tentative = message(20, struct.pack("=BBBBI", 10, 64, 0x40, 0, 7) + attribute(1, bytes(15) + b"\1"))
    assert read(tentative).addresses == []


@pytest.mark.parametrize("cut", range(len(LINK + ADDRESS + ROUTE)))
def test_what_is_cut_off_is_skipped(cut):
    read((LINK + ADDRESS + ROUTE)[:cut])


@pytest.mark.parametrize("result", [-13, 0, 5, -(1 << 31), (1 << 31) - 1])
def test_a_refusal_is_told_as_one_whatever_number_it_has(result):
    with pytest.raises(NetworkError) as caught:
        read(message(2, struct.pack("=i", result)))
    assert caught.value.code == "net.no-netlink"


def test_a_route_to_one_network_is_no_gateway():
    assert read(ROUTE[:17] + b"\x18" + ROUTE[18:]).gateways == []


def test_a_route_of_another_table_is_no_gateway():
    assert read(ROUTE[:20] + b"\xfd" + ROUTE[21:]).gateways == []


def test_this_machine_has_loopback():
    found = survey()
    assert any(link.is_loopback and link.is_up for link in found.links)
    assert "127.0.0.1" in [own.host for own in found.addresses]
    assert found.gateways == []        # nobody asked for routes
