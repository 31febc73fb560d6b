"""A peer that has the metadata of many torrents, and nothing else of them (BEP 9)."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping

import bencodepy

from tests.support.peers.client import LOOPBACK
from tests.support.peers.magnets import EXTENDED, HANDSHAKE, OUR_ID, PIECE_BYTES, extended
from tests.support.peers.mini import LINK_TIMEOUT_S, PROTOCOL, receive_exactly

JOIN_S = 10.0
_EXTENSIONS = bytes((0, 0, 0, 0, 0, 0x10, 0, 0))


class InfoSeed:
    """Used as a context manager. `infos` has encoded info dictionaries by the 20 bytes that a handshake names."""

    def __init__(self, infos: Mapping[bytes, bytes]) -> None:
        self._infos = infos
        self._listener = socket.create_server((LOOPBACK, 0), backlog=100)
        self.endpoint = f"{LOOPBACK}:{self._listener.getsockname()[1]}"
        self._links: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> InfoSeed:
        self._threads[0].start()
        return self

    def __exit__(self, *raised: object) -> None:
        for one in (self._listener, *self._links):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass                   # closed already
            one.close()
        for thread in self._threads:
            thread.join(JOIN_S)

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return                 # it was closed
            link.settimeout(LINK_TIMEOUT_S)
            self._links.append(link)
            thread = threading.Thread(target=self._serve, args=(link,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, link: socket.socket) -> None:
        try:
            info_hash = receive_exactly(link, 68)[28:48]
            info = self._infos[info_hash]
            link.sendall(PROTOCOL + _EXTENSIONS + info_hash + b"-XX0001-" + info_hash[:12])
            link.sendall(extended(HANDSHAKE, {b"m": {b"ut_metadata": OUR_ID}, b"metadata_size": len(info)}))
            their_id = 0
            while True:
                length, = struct.unpack(">I", receive_exactly(link, 4))
                body = receive_exactly(link, length)
                if len(body) < 2 or body[0] != EXTENDED:
                    continue
                told = bencodepy.decode(body[2:])
                if body[1] == HANDSHAKE:
                    their_id = told[b"m"].get(b"ut_metadata", their_id)
                elif body[1] == OUR_ID and told[b"msg_type"] == 0:
                    piece = told[b"piece"]
                    link.sendall(extended(
                        their_id, {b"msg_type": 1, b"piece": piece, b"total_size": len(info)},
                        info[piece * PIECE_BYTES:(piece + 1) * PIECE_BYTES]))
        except (OSError, KeyError):
            pass                       # the other side has gone, or wants what nobody has
        finally:
            link.close()
