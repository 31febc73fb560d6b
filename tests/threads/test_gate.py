"""The door lets nobody in whom the filter refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from blobtorrent.network.binding import ANYWHERE
from blobtorrent.network.door import Door
from blobtorrent.network.messages import PeerArrived, UseFilter
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.doors import WAIT_S, greeting, knock, receive_all, serve, tell
from tests.support.filters import filter_of


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door(ANYWHERE)
    door.start()
    yield door
    assert door.stop(WAIT_S)


def test_who_is_refused_hears_nothing_and_who_is_not_arrives(door: Door) -> None:
    box: Mailbox[Any] = Mailbox("test")
    tell(door, UseFilter(filter_of("127.0.0.2-127.0.0.9")))
    endpoint = serve(door, box)
    with knock(endpoint, greeting(), "127.0.0.5") as sock:
        assert receive_all(sock) == b""
    with knock(endpoint, greeting(), "127.0.0.10"):
        arrived = box.get(WAIT_S)
        assert isinstance(arrived, PeerArrived)
        assert arrived.endpoint.host == "127.0.0.10"
        arrived.sock.close()
    assert door.gate.hits == {"list": 1}
