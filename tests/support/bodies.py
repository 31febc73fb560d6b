"""Bodies that are sent as they come, played: a server with one more resource, whose answer the test chooses."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.listeners import Place
from blobtorrent.interface.rest.routes import Operation, Route
from blobtorrent.interface.rest.streams import Push, Sink
from blobtorrent.model.errors import StorageError
from tests.support.peers.program import wait_still
from tests.support.rest import PATIENCE_S, TOKEN, RestRig

UNDOCUMENTED = Operation("", ())
STILL_S = 0.3


def wait_for(is_so: Callable[[], object]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.001)


def wait_full(figure: Callable[[], int]) -> None:
    """Until something has begun to count, and then counts no more: the buffers of the kernel are full."""
    wait_for(figure)
    wait_still(figure, STILL_S, PATIENCE_S, "what is sent")


class Reading:
    """A Pull that tells what became of it. `fails_at`: from this offset on it cannot be read."""

    def __init__(self, data: bytes, *, length: int | None = None, fails_at: int | None = None) -> None:
        self.length = len(data) if length is None else length
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.reads = 0
        self.closed = 0
        self._data = data
        self._place = 0
        self._fails_at = fails_at

    def read(self, max_bytes: int) -> bytes:
        assert not self.closed
        self.reads += 1
        self.threads.add(threading.current_thread().name)
        assert self.gate.wait(PATIENCE_S)
        if self._fails_at is not None and self._place >= self._fails_at:
            raise StorageError("storage.io-error", "unreadable")
        part = self._data[self._place:self._place + min(max_bytes, 100_000)]
        self._place += len(part)
        return part

    def close(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.closed += 1


class Pushing(Push):
    """Fed by a test."""

    def __init__(self) -> None:
        self.sink: Sink | None = None
        self.ended = 0

    def begin(self, sink: Sink) -> None:
        self.sink = sink

    def end(self) -> None:
        self.ended += 1


class Serving(RestRig):
    """A server with the resource /body besides its own."""

    def __init__(self, *places: Place, **options: object) -> None:
        self.response = Response(200)
        route = Route("GET", "/body", self._answer, Scope.READ, UNDOCUMENTED)
        super().__init__(*places, routes=[route], **options)

    def _answer(self, _request: Request) -> Response:
        return self.response

    def on_rest(self, call: Callable[[], None]) -> None:
        """Have it done on the thread that owns the connections, and wait for it."""
        done = threading.Event()

        def run() -> None:
            call()
            done.set()

        self.server.run_soon(run)
        assert done.wait(PATIENCE_S)

    def settle(self) -> None:
        for _ in range(3):
            self.on_rest(lambda: None)


def ask(sock: socket.socket, method: str = "GET", version: str = "1.1") -> None:
    sock.sendall(
        f"{method} /body HTTP/{version}\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    )


def receive_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        part = sock.recv(65536)
        assert part, data[-100:]
        data += part
    return data
