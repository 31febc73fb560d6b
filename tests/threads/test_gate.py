"""The door lets nobody in whom the filter refuses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.network.door import Door
from blobtorrent.network.messages import Listen, Listening, PeerArrived, Serve, UseFilter
from blobtorrent.protocol.wire.greeting import OUR_RESERVED, Greeting
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.filters import filter_of

TORRENT = InfoHash(v1=b"1" * 20)
GREETING = Greeting(OUR_RESERVED, TORRENT.wire_forms[0], PeerId(b"t" * 20)).encode()
WAIT_S = 10.0


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door(ANYWHERE)
    door.start()
    yield door
    assert door.stop(WAIT_S)


def knock(port: int, host: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S, source_address=(host, 0))
    sock.sendall(GREETING)
    return sock


def test_who_is_refused_hears_nothing_and_who_is_not_arrives(door: Door) -> None:
    box: Mailbox[Any] = Mailbox("test")
    door.mailbox.post(UseFilter(filter_of("127.0.0.2-127.0.0.9")))
    door.mailbox.post(Serve(TORRENT, PeerId(b"o" * 20), box))
    door.mailbox.post(Listen("127.0.0.1", range(1), box))
    listening = box.get(WAIT_S)
    assert isinstance(listening, Listening)
    with knock(listening.port, "127.0.0.5") as sock:
        try:
            assert sock.recv(68) == b""
        except ConnectionResetError:
            pass
    with knock(listening.port, "127.0.0.10"):
        arrived = box.get(WAIT_S)
        assert isinstance(arrived, PeerArrived)
        assert arrived.endpoint.host == "127.0.0.10"
        arrived.sock.close()
    assert door.gate.hits == {"list": 1}
