"""PEX injection: a flood of 10,000 addresses by peers that lie, and where none of them may lead."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.exchange import AROUND, HEAR_BURST, HEAR_INTERVAL_S, MAX_SHARE
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import HANDSHAKE_ID, OUR_IDS, UT_PEX, ExtendedHandshake
from blobtorrent.protocol.wire.pex import PeerExchange
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

K = 1024
FLOOD = 10_000
PER_MESSAGE = 50
THERE = Endpoint("20.9.9.9", 40000)


@pytest.fixture(scope="module")
def torrent() -> StoredTorrent:
    return StoredTorrent([64 * K], 16 * K)


def joined(one: OneSwarm, endpoint: Endpoint = THERE) -> object:
    link = one.join([], unchoked=False)
    link.endpoint = endpoint
    one.tell(link, wire.Extended(HANDSHAKE_ID, ExtendedHandshake(ids={UT_PEX: 7}, port=6881).payload()))
    return link


def flood(number: int) -> list[Endpoint]:
    return [Endpoint(f"{30 + number % 90}.{index >> 8}.{index & 255}.{1 + number // 90}", 6881)
            for index in range(number * PER_MESSAGE, (number + 1) * PER_MESSAGE)]


def tell(one: OneSwarm, link: object, endpoints: list[Endpoint]) -> None:
    message = PeerExchange(dict.fromkeys(endpoints, 0)).encode()
    one.tell(link, wire.Extended(OUR_IDS[UT_PEX], message))  # type: ignore[arg-type]


def test_of_a_flood_of_ten_thousand_a_source_keeps_two_hundred(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent)
    link = joined(one)
    told = 0
    for number in range(FLOOD // PER_MESSAGE):
        one.notes.now += HEAR_INTERVAL_S + 1
        tell(one, link, flood(number))
        told += PER_MESSAGE
    assert told == FLOOD
    assert 0 < len(one.swarm.peers) <= MAX_SHARE == 200


def test_a_network_full_of_liars_keeps_little_more(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent)
    for number in range(FLOOD // PER_MESSAGE):
        tell(one, joined(one, Endpoint(f"20.9.9.{1 + number}", 40000)), flood(number))
    assert 0 < len(one.swarm.peers) <= AROUND * MAX_SHARE


def test_who_tells_more_than_one_message_a_minute_goes(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent)
    link = joined(one)
    with pytest.raises(PeerError) as caught:
        for number in range(FLOOD // PER_MESSAGE):
            tell(one, link, flood(number))
    assert caught.value.code == "wire.pex-flood"
    assert len(one.swarm.peers) <= HEAR_BURST * PER_MESSAGE


@pytest.mark.parametrize("host", [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "224.0.0.1", "239.192.152.143", "255.255.255.255", "240.0.0.1", "10.0.0.1",
    "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "::1", "::", "ff02::1", "fe80::1",
    "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
])
def test_nobody_is_sent_to_this_machine_to_its_network_or_nowhere(torrent: StoredTorrent, host: str) -> None:
    one = OneSwarm(torrent)
    tell(one, joined(one), [Endpoint(host, 6881)])
    assert len(one.swarm.peers) == 0 and one.notes.dialled == []


def test_ports_of_other_services_wait(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent)
    tell(one, joined(one), [Endpoint("30.0.0.1", port) for port in (22, 25, 80, 443, 0)])
    assert one.notes.dialled == []


def test_a_private_torrent_neither_tells_nor_believes() -> None:
    private = StoredTorrent([64 * K], 16 * K)
    private.metainfo = private.metainfo._replace(is_private=True)
    one = OneSwarm(private)
    link = joined(one)
    assert not one.swarm.talk.offers(UT_PEX)
    tell(one, link, flood(1))
    assert len(one.swarm.peers) == 0
    one.swarm.peers.found(tuple(flood(2)), PeerSource.TRACKER, one.swarm.now)
    one.pass_time(70.0)
    assert not any(isinstance(message, wire.Extended) and message.sub_id
                   for messages in one.said().values() for message in messages)
