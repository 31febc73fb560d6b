"""Bans hold for a host, and for a network whose owner has hosts without end; they are not remembered without end."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm import bans as bans_module
from blobtorrent.core.swarm.bans import MAX_OF_SITE, Bans
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import PeerId

ONE = PeerId(b"-XX0001-aaaaaaaaaaaa")
OTHER = PeerId(b"-XX0001-bbbbbbbbbbbb")


def test_a_host_is_banned_with_all_its_ports_and_on_loopback_only_the_peer() -> None:
    bans = Bans()
    bans.add(Endpoint("20.0.0.1", 1000), ONE)
    bans.add(Endpoint("127.0.0.1", 1000), ONE)
    assert bans.has(Endpoint("20.0.0.1", 2), OTHER)
    assert not bans.has(Endpoint("20.0.0.2", 1000), ONE)
    assert bans.has(Endpoint("127.0.0.1", 1000)) and bans.has(Endpoint("127.0.0.1", 2), ONE)
    assert not bans.has(Endpoint("127.0.0.1", 2), OTHER)


def test_the_oldest_of_very_many_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_module, "MAX_BANNED", 10)
    bans = Bans()
    for number in range(30):
        bans.add(Endpoint(f"20.0.0.{number}", 1000), ONE)
        bans.add(Endpoint("127.0.0.1", 1000 + number), PeerId(b"-XX0001-%012d" % number))
    assert [bans.has(Endpoint(f"20.0.0.{number}", 1)) for number in (0, 19, 20, 29)] == [False, False, True, True]
    assert not bans.has(Endpoint("127.0.0.1", 1024)) and bans.has(Endpoint("127.0.0.1", 1029))
    sizes = [len(bans._endpoints), len(bans._hosts), len(bans._on_host)]
    assert sizes == [10] * 3


def test_a_network_is_free_again_when_its_hosts_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_module, "MAX_BANNED", MAX_OF_SITE)
    bans = Bans()
    for number in range(MAX_OF_SITE):
        bans.add(Endpoint(f"2a00:1:2:3::{number + 1:x}", 1000), ONE)
    assert bans.has(Endpoint("2a00:1:2:3::ffff", 1))
    for number in range(MAX_OF_SITE):
        bans.add(Endpoint(f"20.0.0.{number}", 1000), ONE)
    assert not bans.has(Endpoint("2a00:1:2:3::ffff", 1)) and not bans._sites
