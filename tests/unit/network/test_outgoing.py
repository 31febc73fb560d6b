"""What is known of a host before it is connected to."""

from __future__ import annotations

import ipaddress

import pytest

from blobtorrent.config.values import InterfaceSpec, ProxySpec
from blobtorrent.model.errors import NetworkError, ProxyFailed
from blobtorrent.network.binding import ANYWHERE, Binding
from blobtorrent.network.outgoing import connect_to, known_address, look_up
from blobtorrent.network.proxy import Proxy

STRICT = Binding(proxy=Proxy(ProxySpec("socks5", "127.0.0.1", 9)))


def time_left():
    return 5.0


@pytest.mark.parametrize(("host", "known"), [
    ("localhost", "127.0.0.1"), ("a.LOCALHOST.", "127.0.0.1"), ("mylocalhost", None), ("192.0.2.1", "192.0.2.1"),
    ("::ffff:10.0.0.1", "10.0.0.1"), ("example.org", None), ("127.1", "127.0.0.1"), ("2130706433", "127.0.0.1"),
    ("0x7f000001", "127.0.0.1"), ("0177.0.0.1", "127.0.0.1"), ("127.0.0.1.", "127.0.0.1"), ("1.2.3.4.5", None),
    ("ip6-localhost", "127.0.0.1"), ("64:ff9b::7f00:1", "127.0.0.1"), ("1.example", None), ("4u.0example", None),
])
def test_only_this_machine_and_addresses_are_known_without_asking(host, known):
    assert known_address(host) == (None if known is None else ipaddress.ip_address(known))


def test_a_strict_proxy_is_the_only_one_that_looks_names_up():
    with pytest.raises(NetworkError) as caught:
        look_up(STRICT, "example.org", time_left)
    assert caught.value.code == "net.proxy-only"
    assert look_up(STRICT, "192.0.2.1", time_left) == [ipaddress.ip_address("192.0.2.1")]


@pytest.mark.parametrize("host", [
    "127.0.0.1", "localhost", "::ffff:127.0.0.1", "127.1", "2130706433", "64:ff9b::7f00:1"])
def test_a_proxy_is_not_sent_where_strangers_may_not_send_us(host):
    with pytest.raises(NetworkError) as caught:
        connect_to(STRICT, host, 80, time_left, lambda address: not address.is_loopback)
    assert caught.value.code == "net.forbidden-address"


def test_a_proxy_that_is_not_there_is_told_from_a_peer_that_is_not():
    with pytest.raises(ProxyFailed) as caught:
        connect_to(STRICT, "192.0.2.1", 80, time_left, lambda _: True)
    assert caught.value.code == "proxy.down"


def test_a_strict_proxy_is_the_only_one_that_is_connected_to():
    with pytest.raises(NetworkError) as caught:
        STRICT.stream_to("192.0.2.1", 9)
    assert caught.value.code == "net.proxy-only"
    STRICT.stream_to("127.0.0.1", 9).close()


def test_a_family_that_a_host_lacks_is_said_to_be_missing():
    with pytest.raises(NetworkError) as caught:
        connect_to(ANYWHERE, "192.0.2.1", 80, time_left, lambda _: True, family=6)
    assert caught.value.code == "net.no-address"


def test_without_the_interface_nobody_is_asked_for_a_name():
    with pytest.raises(NetworkError) as caught:
        look_up(Binding(InterfaceSpec("nosuch0")), "example.org", time_left)
    assert caught.value.code in ("net.no-such-host", "net.no-name-server", "net.interface-gone")
