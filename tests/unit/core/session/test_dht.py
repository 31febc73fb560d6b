"""DhtManager: which torrents are looked for in the DHT, when, and what becomes of the answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blobtorrent.core.session.commands import AddTorrent, Reannounce, StopTorrent
from blobtorrent.core.session.dht import FIRST_RETRY_S, FIRST_S, MAX_NAMED, REPEAT_S, SEARCHES_PER_S, Sought
from blobtorrent.core.swarm.messages import (
    ChangeSwarm,
    NodeNamed,
    OpenSwarm,
    PeersFound,
    PeerSource,
    SwarmSettings,
)
from blobtorrent.discovery.dhtmessages import DhtAddress, DhtPeers, DhtSearched, FindPeers, ForgetPeers, TryNode
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.network.messages import Listening
from tests.support.sessions import SessionRig, saved_torrent, torrent_of
from tests.unit.core.session.test_lasting import prepared
from tests.unit.core.session.test_metadata import found, info_of, link_to

PEER = Endpoint("20.1.2.3", 7)


def running(
    tmp_path: Path, *, is_private: bool = False, is_hybrid: bool = False, **settings: Any
) -> tuple[SessionRig, Metainfo]:
    torrent = torrent_of(4)._replace(is_private=is_private)
    if is_hybrid:
        torrent = torrent._replace(info_hash=InfoHash(v1=torrent.info_hash.v1, v2=bytes(range(32))))
    rig = SessionRig(keeps=True, saved=[saved_torrent(torrent, tmp_path, 0)], **settings)
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig)
    return rig, torrent


def asked(rig: SessionRig, after_s: float) -> list[FindPeers]:
    rig.advance(after_s)
    return [message for message in rig.udp.drain() if isinstance(message, FindPeers)]


def answer(rig: SessionRig, order: FindPeers, *, nodes: int, peers: int = 0) -> None:
    rig.tell(DhtSearched(order.info_hash, order.wire_hash, order.round, nodes, peers, nodes))


def test_a_torrent_that_runs_is_looked_for_and_announced(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path)
    assert asked(rig, FIRST_S / 2) == []
    (order,) = asked(rig, FIRST_S)
    assert (order.wire_hash, order.is_urgent, order.is_seed) == (torrent.info_hash.v1, True, False)


def test_each_family_is_told_the_port_where_it_reaches_us(tmp_path: Path) -> None:
    rig, _ = running(tmp_path)
    assert [(order.port, order.port_ipv6) for order in asked(rig, FIRST_S)] == [(0, 0)]
    for host, port in (("0.0.0.0", 6881), ("::", 6882)):
        rig.tell(Listening(host, port))
    rig.session.use_external_port(50_000)
    assert [(order.port, order.port_ipv6) for order in asked(rig, 1.1 * REPEAT_S)] == [(50_000, 6882)]


def test_peers_that_are_found_are_told_to_its_swarm(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path)
    asked(rig, FIRST_S)
    rig.shard.drain()
    rig.tell(DhtPeers(torrent.info_hash, (PEER,)))
    (found,) = [message for message in rig.shard.drain() if isinstance(message, PeersFound)]
    assert (found.endpoints, found.source) == ((PEER,), PeerSource.DHT)


@pytest.mark.parametrize(
    ("nodes", "peers", "wait_s"), [(20, 5, REPEAT_S), (20, 0, FIRST_RETRY_S), (0, 0, FIRST_RETRY_S)])
def test_it_is_looked_for_again_sooner_when_less_was_found(
    tmp_path: Path, nodes: int, peers: int, wait_s: float
) -> None:
    rig, _ = running(tmp_path)
    (order,) = asked(rig, FIRST_S)
    answer(rig, order, nodes=nodes, peers=peers)
    assert asked(rig, 0.89 * wait_s) == []
    (again,) = asked(rig, 0.25 * wait_s)
    assert not again.is_urgent


@pytest.mark.parametrize(
    ("announced", "port", "wait_s"),
    [(8, 6881, REPEAT_S), (1, 6881, FIRST_RETRY_S), (0, 6881, FIRST_RETRY_S), (0, 0, REPEAT_S)])
def test_who_can_be_reached_is_announced_again_soon_when_few_nodes_took_it(
    tmp_path: Path, announced: int, port: int, wait_s: float
) -> None:
    rig, _ = running(tmp_path)
    (order,) = asked(rig, FIRST_S)
    if port:
        rig.tell(Listening("0.0.0.0", port))
    rig.tell(DhtSearched(order.info_hash, order.wire_hash, order.round, 20, 5, announced))
    assert asked(rig, 0.89 * wait_s) == []
    assert [again.port for again in asked(rig, 0.25 * wait_s)] == [port]


def test_a_download_that_finds_nobody_asks_as_seldom_as_others_in_the_end(tmp_path: Path) -> None:
    rig, _ = running(tmp_path)
    times = []
    (order,) = asked(rig, FIRST_S)
    while len(times) < 10:
        answer(rig, order, nodes=20)
        waited_s = 0
        while not (orders := asked(rig, 1.0)):
            waited_s += 1
        (order,) = orders
        times.append(waited_s)
    assert times[0] <= 1.1 * FIRST_RETRY_S
    assert min(times[7:]) >= 0.8 * REPEAT_S


def test_an_answer_to_an_older_question_counts_for_nothing(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path)
    (first,) = asked(rig, FIRST_S)
    rig.advance(60.0)
    rig.command(Reannounce(torrent.info_hash))
    (second,) = asked(rig, 0.01)
    answer(rig, first, nodes=0)
    assert asked(rig, 2 * FIRST_RETRY_S) == []
    answer(rig, second, nodes=0)
    assert len(asked(rig, 1.2 * FIRST_RETRY_S)) == 1


def test_a_round_is_over_when_both_halves_of_a_hybrid_were_looked_for(tmp_path: Path) -> None:
    rig, hybrid = running(tmp_path, is_hybrid=True)
    first, second = asked(rig, FIRST_S)
    assert (first.wire_hash, second.wire_hash) == hybrid.info_hash.wire_forms
    answer(rig, first, nodes=20)
    assert asked(rig, 1.2 * FIRST_RETRY_S) == []
    answer(rig, second, nodes=20)
    assert asked(rig, 0.8 * FIRST_RETRY_S) == []
    assert len(asked(rig, 0.4 * FIRST_RETRY_S)) == 2


def test_many_torrents_have_their_turns_later(tmp_path: Path) -> None:
    rig, _ = running(tmp_path)
    (order,) = asked(rig, FIRST_S)
    manager = rig.session.messages[DhtSearched].__self__
    manager._sought |= {torrent_of(1, seed=seed).info_hash: Sought() for seed in range(2, 4)}
    assert manager._repeat_s == REPEAT_S
    manager._sought |= {InfoHash(v1=seed.to_bytes(20, "big")): Sought() for seed in range(3600)}
    answer(rig, order, nodes=20, peers=5)
    assert asked(rig, 0.89 * 3600 / SEARCHES_PER_S) == []
    assert len(asked(rig, 0.25 * 3600 / SEARCHES_PER_S)) == 1


def test_a_search_that_nobody_answers_is_repeated_all_the_same(tmp_path: Path) -> None:
    rig, _ = running(tmp_path)
    asked(rig, FIRST_S)
    assert len(asked(rig, 1.1 * REPEAT_S)) == 1


def test_who_wants_it_announced_again_has_it_looked_for_at_once(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path)
    (order,) = asked(rig, FIRST_S)
    answer(rig, order, nodes=20, peers=5)
    rig.advance(60.0)
    rig.command(Reannounce(torrent.info_hash))
    assert [order.is_urgent for order in asked(rig, 0.01)] == [True]


def test_a_torrent_that_is_stopped_is_looked_for_no_more(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path)
    (order,) = asked(rig, FIRST_S)
    rig.command(StopTorrent(torrent.info_hash))
    answer(rig, order, nodes=0)
    rig.shard.drain()
    rig.tell(DhtPeers(torrent.info_hash, (PEER,)))
    assert not any(isinstance(message, PeersFound) for message in rig.shard.drain())
    assert asked(rig, 2 * REPEAT_S) == []


def test_the_search_under_way_ends_with_the_torrent(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path)
    asked(rig, FIRST_S)
    rig.command(StopTorrent(torrent.info_hash))
    assert rig.udp.drain()[-1] == ForgetPeers(torrent.info_hash)


def test_nothing_is_to_be_forgotten_of_what_was_never_looked_for(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path)
    rig.command(StopTorrent(torrent.info_hash))
    assert not any(isinstance(message, ForgetPeers) for message in rig.udp.drain())


def test_the_search_for_a_link_ends_when_it_turns_out_private(tmp_path: Path) -> None:
    rig = SessionRig()
    rig.open_listeners()
    info = info_of(private=1)
    link = link_to(info)
    rig.ask(AddTorrent(None, tmp_path, magnet=link))
    (order,) = asked(rig, FIRST_S)
    assert order.wire_hash == link.info_hash.v1
    found(rig, info, link)
    assert ForgetPeers(link.info_hash) in rig.udp.drain()
    assert asked(rig, 2 * REPEAT_S) == []


def test_a_private_torrent_is_never_looked_for(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, is_private=True)
    rig.command(Reannounce(torrent.info_hash))
    assert asked(rig, 2 * REPEAT_S) == []


def nodes_tried(rig: SessionRig, after_s: float) -> list[Endpoint]:
    rig.advance(after_s)
    return [message.endpoint for message in rig.udp.drain() if isinstance(message, TryNode)]


def test_nodes_that_peers_name_are_tried_once_we_take_part(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path)
    for port in range(1, 1000):
        rig.tell(NodeNamed(torrent.info_hash, PEER._replace(port=port)))
    assert nodes_tried(rig, FIRST_S / 2) == []
    assert nodes_tried(rig, FIRST_S) == [PEER._replace(port=port) for port in range(1, MAX_NAMED + 1)]
    rig.tell(NodeNamed(torrent.info_hash, PEER))
    assert nodes_tried(rig, 0.0) == [PEER]
    rig.command(StopTorrent(torrent.info_hash))
    rig.tell(NodeNamed(torrent.info_hash, PEER))
    assert nodes_tried(rig, 1.0) == []


def settings_of_swarm(rig: SessionRig) -> SwarmSettings:
    return next(message for message in reversed(rig.shard.drain()) if isinstance(message, (OpenSwarm, ChangeSwarm))
                ).settings


def test_swarms_tell_where_our_node_is_but_none_that_is_private(tmp_path: Path) -> None:
    rig, _ = running(tmp_path)
    assert settings_of_swarm(rig).dht_ports == (0, 0)
    rig.tell(Listening("0.0.0.0", 6881))
    assert settings_of_swarm(rig).dht_ports == (6881, 0)
    (tmp_path / "private").mkdir()
    rig, _ = running(tmp_path / "private", is_private=True)
    rig.tell(Listening("0.0.0.0", 6881))
    assert settings_of_swarm(rig).dht_ports is None
    (tmp_path / "off").mkdir()
    rig, _ = running(tmp_path / "off", dht__enabled=False)
    assert settings_of_swarm(rig).dht_ports is None


def test_off_is_off(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, dht__enabled=False)
    rig.command(Reannounce(torrent.info_hash))
    assert asked(rig, 2 * REPEAT_S) == []


def test_the_address_that_nodes_see_us_at_is_voted_for(tmp_path: Path) -> None:
    rig, _ = running(tmp_path)
    asked(rig, FIRST_S)
    rig.tell(DhtAddress("90.1.2.3", ("20.1.0.0", "30.1.0.0", "40.1.0.0", "50.1.0.0")))
    rig.advance(2.0)
    assert rig.session._status.external == ("90.1.2.3",)
