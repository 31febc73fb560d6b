"""python -m tests.support.slowclients PORT COUNT ADDRESSES: so many connections that keep a server from its work.

They come from so many addresses of loopback, have no token, and do it in four ways, each a quarter of them: they send a
head a byte at a time, announce a body and send that a byte at a time, send nothing, or ask for health over and over and
read no answer. Whoever is left comes back a second later. It goes on until standard input ends.
"""

from __future__ import annotations

import resource
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle

NUM_CLIENTS = 2000
NUM_ADDRESSES = 250
DESCRIPTORS = NUM_CLIENTS + 100
TICK_S = 0.5                           # between two bytes
RETURN_S = 1.0
HOSTS_PER_NETWORK = 250

HEALTH = b"GET /v1/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HEAD = b"GET /v1/torrents HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Patience: " + b"a" * 4000
BODY = b"POST /v1/torrents HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n" + b" " * 4000
ANNOUNCED = BODY.index(b"\r\n\r\n") + 4
UNREAD = HEALTH * 10_000
WAYS = ((HEAD, 1), (BODY, ANNOUNCED), (b"", 0), (UNREAD, len(UNREAD)))     # what to send, and how much of it at once


@contextmanager
def siege(port: int) -> Iterator[None]:
    """NUM_CLIENTS of them around a server, in a process of their own."""
    words = [sys.executable, "-m", "tests.support.slowclients", str(port), str(NUM_CLIENTS), str(NUM_ADDRESSES)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as clients:
        assert clients.stdout is not None
        clients.stdout.readline()
        yield                          # leaving ends their standard input


class Slow:
    """One client, with a connection most of the time."""

    def __init__(self, address: tuple[str, int], source: str, way: tuple[bytes, int]) -> None:
        self._address = address
        self._source = source
        self._data, self._first = way
        self._sock: socket.socket | None = None
        self._sent = 0
        self._back_s = 0.0

    def tick(self, now: float) -> None:
        try:
            if self._sock is None:
                self._come(now)
            else:
                self._drip()
        except BlockingIOError:
            pass
        except OSError:                # it was left, or does not get in
            self.leave(now)

    def leave(self, now: float) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._back_s = now + RETURN_S

    def _come(self, now: float) -> None:
        if now < self._back_s:
            return
        self._sent = 0
        self._sock = socket.socket()
        self._sock.setblocking(False)
        self._sock.bind((self._source, 0))
        self._sock.connect(self._address)

    def _drip(self) -> None:
        assert self._sock is not None
        if self._data is not UNREAD and not self._is_open():
            raise ConnectionResetError
        count = max(1, self._first - self._sent)
        self._sent += self._sock.send(self._data[self._sent:self._sent + count])

    def _is_open(self) -> bool:
        assert self._sock is not None
        try:
            return bool(self._sock.recv(4096))
        except BlockingIOError:
            return True


def main(port: int, count: int, addresses: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, DESCRIPTORS), hard))
    places = (divmod(number, HOSTS_PER_NETWORK) for number in range(addresses))
    sources = [f"127.0.{1 + network}.{1 + host}" for network, host in places]
    clients = [
        Slow(("127.0.0.1", port), source, way) for _, source, way in zip(range(count), cycle(sources), cycle(WAYS))
    ]
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    print("there", flush=True)
    while not selector.select(TICK_S):
        for client in clients:
            client.tick(time.monotonic())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
