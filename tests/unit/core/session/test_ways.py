"""What the status says of the way that traffic takes."""

from __future__ import annotations

import types

import pytest

from blobtorrent.core.session.ways import WayManager
from blobtorrent.model.status import NetworkStatus
from blobtorrent.network.messages import RelayChanged, WatchRelay, WayChanged
from blobtorrent.runtime.mailbox import Mailbox

SOCKS = WayChanged("", (), "socks5://192.0.2.9:1080", is_strict=True, may_relay=True)


class Rig:
    def __init__(self):
        self.udp, self.told = Mailbox("udp"), []
        self.inbox = Mailbox("core")
        self.manager = WayManager(types.SimpleNamespace(udp=self.udp, inbox=self.inbox), self.told.append)


@pytest.fixture
def rig():
    return Rig()


def test_an_interface_is_told_with_its_addresses_and_datagrams_go_by_it(rig):
    rig.manager.on_way(WayChanged("tun0", ("10.8.0.2",), "", False, False))
    rig.manager.on_way(WayChanged("tun0", (), "", False, False))
    assert rig.told == [NetworkStatus("tun0", ("10.8.0.2",)), NetworkStatus("tun0")]
    assert rig.udp.drain() == []


def test_a_relay_is_watched_once_and_its_state_is_told(rig):
    rig.manager.on_way(SOCKS)
    rig.manager.on_way(SOCKS._replace(code="proxy.down", detail="refused"))
    assert rig.udp.drain() == [WatchRelay(rig.inbox)]
    told = rig.told[-1]
    assert (told.proxy, told.is_strict, told.proxy_error_code, told.datagrams) == (
        SOCKS.proxy, True, "proxy.down", "waiting")
    rig.manager.on_relay(RelayChanged("open"))
    assert rig.told[-1].datagrams == "relay"
    rig.manager.on_relay(RelayChanged("refused", "proxy.refused", "no"))
    assert (rig.told[-1].datagrams, rig.told[-1].datagrams_error_code) == ("none", "proxy.refused")


def test_where_the_proxy_is_not_strict_datagrams_that_it_refuses_go_directly(rig):
    rig.manager.on_way(SOCKS._replace(is_strict=False))
    rig.manager.on_relay(RelayChanged("refused", "proxy.refused", "no"))
    assert (rig.told[-1].datagrams, rig.told[-1].datagrams_error_code) == ("direct", "proxy.refused")


def test_a_strict_http_proxy_leaves_no_way_for_datagrams(rig):
    rig.manager.on_way(WayChanged("", (), "http://192.0.2.9:3128", is_strict=True, may_relay=False))
    assert rig.told[-1].datagrams == "none"
