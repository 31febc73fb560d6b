"""Peers that their torrent's owner has dealt with."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.commands import HandlePeer
from blobtorrent.interface.rtorrent.context import Target
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.model.address import Endpoint
from blobtorrent.model.details import PeerStatus, PeerTreatment
from tests.support.rtorrentdownloads import Stage

PEER = PeerStatus(
    host="10.0.0.1", port=6881, peer_id=b"-XX0000-" + bytes(12), client="x", source="tracker", transport="tcp",
    is_encrypted=False, is_incoming=False, connected_s=1.0, am_choking=True, am_interested=True, peer_choking=True,
    peer_interested=False, is_optimistic=False, is_snubbed=False, is_seed=False, pieces_had=1, progress=0.25,
    blocks_asked=0, upload_queue_bytes=0, down_bytes_per_s=0, up_bytes_per_s=0, downloaded_bytes=0, uploaded_bytes=0)


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.engine.peers[stage.engine.add("echo")] = (PEER,)
    return stage


def target(stage: Stage) -> str:
    return f"{stage.only().hash}:p{PEER.peer_id.hex().upper()}"


@pytest.mark.parametrize(("name", "params", "treatment"), [
    ("p.banned.set", [1], PeerTreatment.BAN), ("p.snubbed.set", [1], PeerTreatment.DENY),
    ("p.snubbed.set", [0], PeerTreatment.SERVE), ("p.disconnect", [], PeerTreatment.PART),
    ("p.disconnect_delayed", [], PeerTreatment.PART),
])
def test_the_engine_is_told_how(stage: Stage, name: str, params: list[int], treatment: PeerTreatment) -> None:
    assert stage.call(name, target(stage), *params) is None
    told = [command for command in stage.engine.asked if isinstance(command, HandlePeer)]
    assert told == [HandlePeer(stage.only().info_hash, Endpoint("10.0.0.1", 6881), treatment)]


def test_one_that_is_connected_is_not_banned(stage: Stage) -> None:
    stage.call("p.banned.set", target(stage), 0)
    assert not any(isinstance(command, HandlePeer) for command in stage.engine.asked)
    assert stage.call("p.banned", target(stage)) == 0


def test_one_that_is_sent_nothing_is_snubbed(stage: Stage) -> None:
    stage.engine.peers[stage.only().info_hash] = (PEER._replace(is_denied=True),)
    assert stage.call("p.snubbed", target(stage)) == stage.call("p.is_snubbed", target(stage)) == 1


def test_what_one_can_do_and_what_is_thought_of_its_address_is_told(stage: Stage) -> None:
    stage.engine.peers[stage.only().info_hash] = (PEER._replace(reserved=bytes.fromhex("0000000000100005")),)
    assert stage.call("p.options_str", target(stage)) == "0000000000100005"
    assert stage.call("p.is_preferred", target(stage)) == 0
    stage.registry.add(Command(
        "ipv4_filter.get", Target.NONE, lambda context, item, args: 32 + 32 * (PEER.host in args)))
    assert stage.call("p.is_preferred", target(stage)) == 1


def test_how_fast_one_downloads_from_all_is_told(stage: Stage) -> None:
    stage.engine.peers[stage.only().info_hash] = (PEER._replace(gained_bytes_per_s=9000),)
    assert stage.call("p.peer_rate", target(stage)) == 9000
