"""The door at work: what its tests have in common, a torrent with two peers and both ends of a connection."""

from __future__ import annotations

import socket
from typing import Any

from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.network.door import Door, DoorMessage
from blobtorrent.network.messages import Listen, Listening, Serve
from blobtorrent.protocol.wire.greeting import OUR_RESERVED, OUR_RESERVED_V2, Greeting
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.threads import settle

TORRENT = InfoHash(v1=b"1" * 20, v2=b"2" * 32)
OURS, THEIRS = PeerId(b"o" * 20), PeerId(b"t" * 20)
WAIT_S = 20.0


def tell(door: Door, *messages: DoorMessage) -> None:
    """Have messages handled. Of a socket and a message that come at once either may be first: who is about to connect
    or send must not leave it at a post."""
    for message in messages:
        door.mailbox.post(message)
    settle(door.heart)


def listen(door: Door, box: Mailbox[Any], host: str = "127.0.0.1") -> Endpoint:
    """Where it listens now."""
    door.mailbox.post(Listen(host, range(1), box))
    answer = box.get(WAIT_S)
    assert isinstance(answer, Listening)
    return Endpoint(host, answer.port)


def serve(door: Door, arrivals: Mailbox[Any], peer_id: PeerId = OURS, host: str = "127.0.0.1") -> Endpoint:
    """Where it listens now, and has the torrent for who asks."""
    endpoint = listen(door, arrivals, host)
    tell(door, Serve(TORRENT, peer_id, arrivals))
    return endpoint


def connect(endpoint: Endpoint, source: str | None = None) -> socket.socket:
    """A connection, from another address of this machine if there is a `source`."""
    return socket.create_connection(endpoint, WAIT_S, None if source is None else (source, 0))


def knock(endpoint: Endpoint, data: bytes, source: str | None = None) -> socket.socket:
    """A connection on which that was said."""
    sock = connect(endpoint, source)
    sock.sendall(data)
    return sock


def greeting(info_hash: bytes = b"1" * 20, peer_id: PeerId = THEIRS) -> bytes:
    """As we send it for the torrent, which has a v2 hash, or as peers do who know nothing of that."""
    return Greeting(OUR_RESERVED_V2 if peer_id == OURS else OUR_RESERVED, info_hash, peer_id).encode()


def exactly(sock: socket.socket, count: int) -> bytes:
    """So many bytes; fewer when the stream ends before."""
    return sock.recv(count, socket.MSG_WAITALL)


def receive_all(sock: socket.socket) -> bytes:
    """What comes until the other side closes, however it does that."""
    received = b""
    try:
        while part := sock.recv(4096):
            received += part
    except ConnectionResetError:
        pass
    return received
