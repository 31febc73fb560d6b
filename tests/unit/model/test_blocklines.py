"""Lines of filter lists in all the formats that are around."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model import blocklines
from blobtorrent.model.blocklines import MAX_LINE, read_line
from blobtorrent.model.errors import FormatError


def number(text):
    return int(ipaddress.ip_address(text))


@pytest.mark.parametrize(("line", "first", "last"), [
    ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
    ("192.0.2.0/24", "192.0.2.0", "192.0.2.255"),
    ("192.0.2.77/24", "192.0.2.0", "192.0.2.255"),
    ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
    ("192.0.2.1-192.0.2.9", "192.0.2.1", "192.0.2.9"),
    ("  192.0.2.1  -  192.0.2.9\r", "192.0.2.1", "192.0.2.9"),
    ("1.10.16.0/20 ; SBL256894", "1.10.16.0", "1.10.31.255"),
    ("1.10.16.0/20 # a network", "1.10.16.0", "1.10.31.255"),
    ("Some organisation:192.0.2.1-192.0.2.9", "192.0.2.1", "192.0.2.9"),
    ("Colons: in: names:192.0.2.1-192.0.2.9", "192.0.2.1", "192.0.2.9"),
    ("ends in one::192.0.2.1-192.0.2.9", "192.0.2.1", "192.0.2.9"),
    (":192.0.2.1-192.0.2.9", "192.0.2.1", "192.0.2.9"),
    ("198.51.100.1 - trap:192.0.2.1-192.0.2.9", "192.0.2.1", "192.0.2.9"),
    ("\ufeffthe first line:192.0.2.1-192.0.2.9", "192.0.2.1", "192.0.2.9"),
    ("Zoë:192.0.2.1-192.0.2.9", "192.0.2.1", "192.0.2.9"),
    ("192.000.002.001 - 192.000.002.009 , 100 , Some organisation", "192.0.2.1", "192.0.2.9"),
    ("192.0.2.1 - 192.0.2.9 , 000 , see trap:198.51.100.1-198.51.100.2", "192.0.2.1", "192.0.2.9"),
    ("192.0.2.1 - 192.0.2.9 , 127", "192.0.2.1", "192.0.2.9"),
    ("2001:db8::7", "2001:db8::7", "2001:db8::7"),
    ("2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:db8::1 - 2001:db8::9", "2001:db8::1", "2001:db8::9"),
    ("2001:db8::1-2001:db8::9", "2001:db8::1", "2001:db8::9"),
    ("4000::-ffff::", "4000::", "ffff::"),
    ("2001:db8::1 - 2001:db8::9 , 5 , Some organisation", "2001:db8::1", "2001:db8::9"),
    ("64:ff9b::192.0.2.1/128", "64:ff9b::192.0.2.1", "64:ff9b::192.0.2.1"),
    ("::ffff:192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.1"),
    ("Some organisation:2001:db8::1-2001:db8::9", "2001:db8::1", "2001:db8::9"),
    ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
])
def test_a_line_names_a_range(line, first, last):
    found = read_line(line.encode())
    assert found == (":" in first, number(first), number(last))


@pytest.mark.parametrize("line", [
    "", "   ", "# 192.0.2.1", "; 192.0.2.1", "// 192.0.2.1", "192.0.2.1 - 192.0.2.9 , 128 , let through",
    "2001:db8::1 - 2001:db8::9 , 255 , let through",
])
def test_a_line_may_name_nothing(line):
    assert read_line(line.encode()) is None


@pytest.mark.parametrize(("line", "reason"), [
    ("some words", "no address"),
    ("192.0.2", "no address"),
    ("192.0.2.256", "greater than 255"),
    ("192.0.2.1-192.0.2.999", "greater than 255"),
    ("192.0.2.0/33", "longer than 32"),
    ("2001:db8::/129", "longer than 128"),
    ("192.0.2.9-192.0.2.1", "before it begins"),
    ("2001:db8::9-2001:db8::1", "before it begins"),
    ("192.0.2.1-2001:db8::1", "no address"),
    ("2001:db8::1-192.0.2.1", "no IPv6 address"),
    ("bad:2001:db8::1-2001:db8::9", "where the name ends"),
    ("name:" * 250, "more than"),
    ("192.0.2.1 and more", "no address"),
])
def test_a_line_that_is_not_understood_says_why(line, reason):
    with pytest.raises(FormatError) as raised:
        read_line(line.encode())
    assert raised.value.code == "filters.bad-line"
    assert reason in raised.value.detail


@given(st.one_of(
    st.binary(max_size=MAX_LINE + 10),
    st.text(alphabet="0123456789abcdef.:-/,;# x\t", max_size=80).map(str.encode),
))
def test_whatever_comes_is_a_range_in_its_family_or_refused(line):
    try:
        found = read_line(line)
    except FormatError:
        return
    if found is not None:
        is_v6, first, last = found
        assert 0 <= first <= last < 1 << (128 if is_v6 else 32)


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(ADDRESSES, st.integers(0, 128))
def test_networks_are_as_the_standard_library_has_them(address, length):
    length = min(length, address.max_prefixlen)
    network = ipaddress.ip_network((address, length), strict=False)
    assert read_line(f"{address}/{length}".encode()) == (
        address.version == 6, int(network.network_address), int(network.broadcast_address))


def test_a_name_of_many_colons_is_not_looked_through(monkeypatch):
    tried = []
    monkeypatch.setattr(blocklines, "_is_v6", lambda text: tried.append(text))
    with pytest.raises(FormatError):
        read_line(b"a:" * (MAX_LINE // 2 - 1) + b"-")
    assert len(tried) <= 10
