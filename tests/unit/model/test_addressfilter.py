"""Whom a filter refuses, and what a gate counts."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model.addressfilter import AddressFilter, Gate, number_of
from tests.support.filters import filter_of, ranges_of


@given(st.ip_addresses())
def test_the_number_of_an_address_is_the_usual_one(address):
    is_mapped = address.version == 6 and address.ipv4_mapped is not None
    expected = address.ipv4_mapped if is_mapped else address
    assert number_of(str(address)) == (expected.version == 6, int(expected))


def test_a_zone_is_no_part_of_the_number():
    assert number_of("fe80::1%eth0") == (True, int(ipaddress.ip_address("fe80::1")))


@pytest.mark.parametrize("host", ["", "1.2.3", "1.2.3.4.5", "a.b.c.d", "name", "1.2.3.4:5", "::1::"])
def test_what_is_no_address_has_no_number(host):
    with pytest.raises(ValueError):
        number_of(host)


def test_the_first_list_that_covers_an_address_refuses_it():
    both = AddressFilter({"one": ranges_of("192.0.2.0/25"), "two": ranges_of("192.0.2.0/24")}, ranges_of())
    assert [both.refuser_of(f"192.0.2.{end}") for end in (1, 200)] == ["one", "two"]
    assert both.refuser_of("198.51.100.1") is None


def test_what_is_allowed_is_refused_by_no_list():
    allowing = AddressFilter({"all": ranges_of("0.0.0.0/0", "::/0")}, ranges_of("192.0.2.0/24", "2001:db8::/32"))
    assert allowing.refuser_of("192.0.2.1") is None
    assert allowing.refuser_of("2001:db8::1") is None
    assert allowing.refuser_of("::ffff:192.0.2.1") is None
    assert allowing.refuser_of("198.51.100.1") == "all"


def test_a_gate_counts_whom_it_refuses_by_the_list():
    gate = Gate()
    assert not gate.refuses("192.0.2.1")
    gate.use(filter_of("192.0.2.0/24"))
    assert gate.refuses("192.0.2.1") and gate.refuses("192.0.2.1") and not gate.refuses("198.51.100.1")
    gate.use(None)
    assert not gate.refuses("192.0.2.1")
    assert gate.hits == {"list": 2}
