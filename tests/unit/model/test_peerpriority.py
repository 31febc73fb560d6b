"""The canonical priority of BEP 40, with its own examples and masks by hand."""

from __future__ import annotations

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.peerpriority import canonical_priority, crc32c

OURS = Endpoint("123.213.32.10", 6881)


def test_the_checksum_is_that_of_castagnoli():
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(("host", "priority"), [("98.76.54.32", 0xEC2D7224), ("123.213.32.234", 0x99568189)])
def test_the_examples_of_the_document_come_out(host, priority):
    assert canonical_priority(OURS, Endpoint(host, 1)) == priority
    assert canonical_priority(Endpoint(host, 1), OURS) == priority


@pytest.mark.parametrize(("host", "masked"), [
    ("98.76.54.32", "624c1400" "7bd50000"),                # ffff5555
    ("123.213.99.11", "7bd52000" "7bd56301"),              # the same /16: ffffff55
    ("123.213.32.234", "7bd5200a" "7bd520ea"),             # the same /24: all of it
])
def test_the_nearer_two_addresses_are_the_more_of_them_counts(host, masked):
    assert canonical_priority(OURS, Endpoint(host, 1)) == crc32c(bytes.fromhex(masked))


@pytest.mark.parametrize(("host", "ours", "theirs"), [
    ("2001:db9::ffff", "20010db8000000000000000000000001", "20010db9000000000000000000005555"),
    ("2001:db8:0:ffff::ffff", "20010db8000000000000000000000001", "20010db80000ff550000000000005555"),
    ("2001:db8::ff:0:0:ffff", "20010db8000000000000000000000001", "20010db80000000000ff000000005555"),
])
def test_of_ipv6_the_first_six_bytes_count_or_one_more_than_are_shared(host, ours, theirs):
    assert canonical_priority(Endpoint("2001:db8::1", 1), Endpoint(host, 1)) == crc32c(
        bytes.fromhex(ours) + bytes.fromhex(theirs))


def test_at_one_address_the_ports_count_the_smaller_first():
    assert canonical_priority(Endpoint("10.0.0.1", 0x0201), Endpoint("10.0.0.1", 0x0102)) == crc32c(b"\1\2\2\1")


def test_two_families_have_none():
    assert canonical_priority(OURS, Endpoint("2001:db8::1", 1)) == 0
