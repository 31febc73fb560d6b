"""Who may tell us of which address."""

from __future__ import annotations

import pytest

from blobtorrent.model.reach import Reach, may_name, neighbourhood_of, reach_of, site_of


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
])
def test_an_address_reaches_as_far_as_its_network(host, reach):
    assert reach_of(host) is reach


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
])
def test_nobody_names_what_lies_nearer_than_he_is(by, host, admitted):
    assert may_name(by, host, allow_loopback=False) is admitted
    assert may_name(by, host, allow_loopback=True)


@pytest.mark.parametrize(("host", "site"), [
    ("20.1.2.3", "20.1.2.3"),
    ("10.1.2.3", "10.1.2.3"),
    ("2a00:1:2:3:4::5", "2a00:1:2:3::/64"),
    ("::ffff:20.1.2.3", "20.1.2.3"),
    ("fd00::1", "fd00::1"),
    ("fe80::1%eth0", "fe80::1%eth0"),
    ("::1", "::1"),
])
def test_on_the_internet_a_subnet_of_ipv6_counts_as_one_host(host, site):
    assert site_of(host) == site


@pytest.mark.parametrize(("host", "network"), [
    ("20.1.2.3", "20.1.2.0/24"),
    ("2a00:1:2:3:4::5", "2a00:1:2::/48"),
    ("fe80::1%eth0", "fe80::/48"),
])
def test_the_network_around_a_host(host, network):
    assert neighbourhood_of(host) == network
