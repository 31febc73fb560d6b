"""Who may tell us of which address."""

from __future__ import annotations

import ipaddress

import pytest

from blobtorrent.model.reach import (
    Reach,
    is_host,
    is_public,
    may_ask,
    may_link,
    may_name,
    neighbourhood_of,
    reach_of,
    region_of,
    site_of,
)


@pytest.mark.parametrize(("host", "reach"), [
    ("127.0.0.1", Reach.LOOPBACK),
    ("127.8.9.10", Reach.LOOPBACK),
    ("::1", Reach.LOOPBACK),
    ("::ffff:127.0.0.1", Reach.LOOPBACK),
    ("10.1.2.3", Reach.LOCAL),
    ("192.168.0.1", Reach.LOCAL),
    ("169.254.169.254", Reach.LOCAL),
    ("100.64.0.1", Reach.LOCAL),
    ("fd00::1", Reach.LOCAL),
    ("fe80::1%eth0", Reach.LOCAL),
    ("::ffff:10.0.0.1", Reach.LOCAL),
    ("8.8.8.8", Reach.GLOBAL),
    ("2001:4860::1", Reach.GLOBAL),
    ("64:ff9b::7f00:1", Reach.LOOPBACK),
    ("64:ff9b::a9fe:a9fe", Reach.LOCAL),
    ("64:ff9b::808:808", Reach.GLOBAL),
    ("2002:7f00:1::", Reach.LOOPBACK),
    ("2002:808:808::1", Reach.GLOBAL),
    ("::127.0.0.1", Reach.LOOPBACK),
    ("fec0::1", Reach.LOCAL),
    ("0.0.0.0", Reach.LOOPBACK),
    ("::", Reach.LOOPBACK),
    ("224.0.0.1", Reach.NOWHERE),
    ("ff0e::1", Reach.NOWHERE),
    ("255.255.255.255", Reach.NOWHERE),
])
def test_an_address_reaches_as_far_as_its_network(host, reach):
    assert reach_of(host) is reach


@pytest.mark.parametrize(("host", "came_from_public", "on_loopback", "verdict"), [
    ("93.184.216.34", True, False, True),
    ("2606:2800:220:1::1", True, False, True),
    ("10.0.0.1", False, False, True),
    ("10.0.0.1", True, False, False),
    ("fd00::1", True, False, False),
    ("fec0::1", True, False, False),
    ("64:ff9b::a00:1", True, False, False),
    ("127.0.0.1", False, True, True),
    ("127.0.0.1", False, False, False),
    ("::1", False, False, False),
    ("127.0.0.1", True, True, False),
    ("64:ff9b::7f00:1", False, False, False),
    ("2002:7f00:1::", False, False, False),
    ("::127.0.0.1", False, False, False),
    ("169.254.169.254", False, True, False),
    ("64:ff9b::a9fe:a9fe", False, True, False),
    ("100.100.100.200", False, True, False),
    ("fd00:ec2::254", False, True, False),
    ("fd20:ce::254", False, True, False),
    ("168.63.129.16", False, True, False),
    ("fe80::1", False, True, False),
    ("224.0.0.1", False, True, False),
    ("255.255.255.255", False, True, False),
    ("0.0.0.0", False, True, False),
    ("::", False, True, False),
])
def test_where_a_strangers_url_may_lead(host, came_from_public, on_loopback, verdict):
    address = ipaddress.ip_address(host)
    assert may_ask(address, came_from_public=came_from_public, on_loopback=on_loopback) is verdict


def test_groups_and_what_is_reserved_are_no_hosts():
    for host in ("224.0.0.1", "ff02::1", "0.0.0.0", "::", "255.255.255.255", "::ffff:224.0.0.1"):
        assert not is_host(host)
    assert all(map(is_host, ("10.0.0.1", "::1", "fe80::1%eth0")))


def test_who_is_unknown_counts_as_a_host_of_the_internet():
    assert is_public(None)
    assert [is_public(ipaddress.ip_address(host)) for host in ("8.8.8.8", "10.0.0.1", "64:ff9b::a00:1")] == [
        True, False, False]


@pytest.mark.parametrize(("by", "host", "admitted"), [
    ("8.8.8.8", "9.9.9.9", True),
    ("8.8.8.8", "192.168.0.1", False),
    ("8.8.8.8", "127.0.0.1", False),
    ("192.168.0.9", "192.168.0.1", True),
    ("192.168.0.9", "9.9.9.9", True),
    ("192.168.0.9", "127.0.0.1", False),
    ("127.0.0.1", "127.0.0.1", True),
    ("127.0.0.1", "192.168.0.1", True),
    (None, "9.9.9.9", True),
    (None, "10.0.0.1", False),
    ("8.8.8.8", "224.0.0.1", False),
    ("192.168.0.9", "224.0.0.1", False),
    ("192.168.0.9", "0.0.0.0", False),
])
def test_nobody_names_what_lies_nearer_than_he_is(by, host, admitted):
    assert may_name(by, host, allow_loopback=False) is admitted
    assert may_name(by, host, allow_loopback=True)


@pytest.mark.parametrize(("host", "port", "allowed", "with_the_setting"), [
    ("9.9.9.9", 22, True, True),
    ("127.0.0.1", 6881, True, True),
    ("127.0.0.1", 1023, False, True),
    ("::ffff:127.0.0.1", 22, False, True),
    ("64:ff9b::7f00:1", 25, False, True),
    ("192.168.0.1", 80, False, True),
    ("192.168.0.1", 6881, True, True),
    ("fd00::1", 443, False, True),
    ("fd00::1", 6881, True, True),
    ("169.254.169.254", 6881, False, True),
    ("fe80::1", 6881, False, True),
    ("100.100.100.200", 6881, False, True),
    ("168.63.129.16", 32526, False, True),
    ("224.0.0.1", 6881, False, False),
    ("ff02::1", 6881, False, False),
    ("0.0.0.0", 6881, False, False),
    ("255.255.255.255", 6881, False, False),
])
def test_a_link_names_no_service_of_this_machine_or_its_network(host, port, allowed, with_the_setting):
    assert may_link(host, port, allow_loopback=False) is allowed
    assert may_link(host, port, allow_loopback=True) is with_the_setting


@pytest.mark.parametrize(("host", "site"), [
    ("20.1.2.3", "20.1.2.3"),
    ("10.1.2.3", "10.1.2.3"),
    ("2a00:1:2:3:4::5", "2a00:1:2:3::/64"),
    ("::ffff:20.1.2.3", "20.1.2.3"),
    ("2002:1401:203::9", "20.1.2.3"),
    ("fd00::1", "fd00::1"),
    ("fe80::1%eth0", "fe80::1%eth0"),
    ("::1", "::1"),
])
def test_on_the_internet_a_subnet_of_ipv6_counts_as_one_host(host, site):
    assert site_of(host) == site


@pytest.mark.parametrize(("host", "network"), [
    ("20.1.2.3", "20.1.2.0/24"),
    ("64:ff9b::1401:203", "20.1.2.0/24"),
    ("2a00:1:2:3:4::5", "2a00:1:2::/48"),
    ("fe80::1%eth0", "fe80::/48"),
])
def test_the_network_around_a_host(host, network):
    assert neighbourhood_of(host) == network


@pytest.mark.parametrize(("host", "region"), [
    ("20.1.2.3", "20.1.0.0/16"), ("2a00:1:2:3::4", "2a00:1::/32"), ("2002:1401:203::1", "20.1.0.0/16"),
    ("10.1.2.3", ""), ("127.0.0.1", ""), ("fd00::1", ""), ("fe80::1%eth0", ""),
])
def test_what_a_provider_has_is_a_region_of_the_internet(host, region):
    assert region_of(host) == region
