"""Peers of magnet links: whoever writes a link does not have us dial services of this machine, its network or its
provider, and one who may only add torrents has us dial nobody near at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blobtorrent.core.session.commands import AddTorrent
from blobtorrent.core.swarm.messages import PeersFound, PeerSource
from blobtorrent.core.swarm.peers import LOW_PORT_S, PeerManager
from blobtorrent.discovery.messages import HostResolved, ResolveHost
from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.v1.adding import Adder, Wanted
from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import Unavailable
from blobtorrent.model.magnet import parse_magnet
from tests.support.rtorrentdownloads import Stage
from tests.support.sessions import SessionRig

XT = "magnet:?xt=urn:btih:" + "ab" * 20
PUBLIC = Endpoint("20.1.2.3", 6881)
# What answers there is no peer, or hands out credentials.
SERVICES = (
    ("127.0.0.1", 22), ("127.0.0.1", 25), ("127.99.1.1", 80), ("::1", 631), ("::ffff:127.0.0.1", 443),
    ("64:ff9b::7f00:1", 53), ("2002:7f00:1::", 111), ("10.0.0.1", 80), ("192.168.1.1", 443), ("fd00::1", 445),
    ("100.64.0.1", 23), ("169.254.169.254", 80), ("169.254.169.254", 6881), ("fe80::1", 6881), ("168.63.129.16", 32526),
    ("100.100.100.200", 8080), ("fd00:ec2::254", 8080), ("0.0.0.0", 6881), ("::", 6881), ("224.0.0.1", 6881),
    ("239.255.255.250", 1900), ("ff02::1", 6881), ("255.255.255.255", 6881),
)
NEAR = (("127.0.0.1", 6881), ("::1", 6881), ("10.0.0.1", 6881), ("192.168.1.1", 51413), ("fd00::1", 6881))


def link_to(*peers: tuple[str, int]) -> str:
    return XT + "".join(f"&x.pe=[{host}]:{port}" if ":" in host else f"&x.pe={host}:{port}" for host, port in peers)


def told(rig: SessionRig) -> list[Endpoint]:
    """The peers that the swarm hears of."""
    found = [message for message in rig.shard.drain() if isinstance(message, PeersFound)]
    assert all(message.source is PeerSource.MAGNET for message in found)
    return [endpoint for message in found for endpoint in message.endpoints]


@pytest.mark.parametrize("service", SERVICES, ids=str)
def test_no_link_has_us_dial_a_service(tmp_path: Path, service: tuple[str, int]) -> None:
    rig = SessionRig()
    rig.ask(AddTorrent(None, tmp_path, magnet=parse_magnet(link_to(service, PUBLIC))))
    assert told(rig) == [PUBLIC]


@pytest.mark.parametrize("service", SERVICES, ids=str)
def test_no_name_in_a_link_turns_out_to_be_one(tmp_path: Path, service: tuple[str, int]) -> None:
    host, port = service
    rig = SessionRig()
    rig.ask(AddTorrent(None, tmp_path, magnet=parse_magnet(link_to(("changing.example", port)))))
    assert [job.host for job in rig.outcalls.drain() if isinstance(job, ResolveHost)] == ["changing.example"]
    assert told(rig) == []
    rig.tell(HostResolved("changing.example", port, (PUBLIC, Endpoint(host, port))))
    assert told(rig) == [PUBLIC]


def test_who_only_adds_torrents_has_us_dial_nobody_near(tmp_path: Path) -> None:
    """Nor look up names that may be near."""
    link = parse_magnet(link_to(*NEAR, ("changing.example", 6881), PUBLIC))
    rig = SessionRig()
    rig.ask(AddTorrent(None, tmp_path, magnet=link, only_public_peers=True))
    assert told(rig) == [PUBLIC]
    assert not [job for job in rig.outcalls.drain() if isinstance(job, ResolveHost)]


def test_the_owner_may_fetch_from_a_peer_next_to_him(tmp_path: Path) -> None:
    rig = SessionRig()
    rig.ask(AddTorrent(None, tmp_path, magnet=parse_magnet(link_to(*NEAR))))
    assert told(rig) == [Endpoint(*peer) for peer in NEAR]


class Asked(Exception):
    """What the gateway was asked."""


class Gateway:
    """Takes the command and does nothing."""

    def ask(self, command: Any, _timeout_s: float) -> Any:
        raise Asked(command)


@pytest.mark.parametrize(("scopes", "is_public_only"), [
    ((Scope.ADMIN,), False), ((Scope.ADD,), True), ((Scope.CONTROL, Scope.ADD), True)])
def test_over_rest_everything_takes_the_scope_admin(scopes: tuple[Scope, ...], is_public_only: bool) -> None:
    adder = Adder(Gateway(), None)  # type: ignore[arg-type]
    with pytest.raises(Asked) as caught:
        adder.add(Grant("who", frozenset(scopes)), Wanted(None, None, {}, parse_magnet(link_to(PUBLIC))))
    (command,) = caught.value.args
    assert command.only_public_peers is is_public_only


@pytest.mark.parametrize(("trust", "is_public_only"), [(Trust.FULL, False), (Trust.NO_CODE, True)])
def test_in_the_language_of_rtorrent_it_takes_trust(
    monkeypatch: pytest.MonkeyPatch, trust: Trust, is_public_only: bool,
) -> None:
    stage = Stage()
    asked: list[AddTorrent] = []

    def ask(command: AddTorrent, _info_hash: object) -> None:
        asked.append(command)
        raise Unavailable("test", "enough")

    monkeypatch.setattr(stage.side.arrivals, "_ask_to_add", ask)
    stage.call("load.normal", "", link_to(PUBLIC), trust=trust)
    assert [command.only_public_peers for command in asked] == [is_public_only]


@pytest.mark.parametrize("port", [22, 25, 1023])
def test_a_port_of_the_system_waits_until_others_were_tried(port: int) -> None:
    peers = PeerManager()
    odd = Endpoint("20.9.9.9", port)
    peers.found((odd, PUBLIC), PeerSource.MAGNET, 0.0)
    assert peers.to_dial(10, 0.0, seeding=False) == [PUBLIC]
    assert odd in peers.to_dial(10, LOW_PORT_S + 1, seeding=False)
