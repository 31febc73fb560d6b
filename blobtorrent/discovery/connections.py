"""Connections: HTTP connections that were used and can be used again, shared by the threads that make calls.

Thousands of torrents announce to a few hosts: a handshake for each, with TLS, would cost both sides more than the
announce. Nothing here waits, and every step on the collections is atomic: a connection belongs to who took it.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import socket
from collections import deque
from typing import NamedTuple

from blobtorrent.network.webpolicy import USUAL, WebPolicy
from blobtorrent.runtime.clock import Clock

MAX_IDLE_S = 30.0                      # servers close what is idle for longer, and few tell for how long
MAX_IDLE_PER_PLACE = 24                # as many calls as a host has under way, when it is told of the end of many
MAX_IDLE = 256                         # in all
SWEEP_S = 10.0                         # between two looks for what is idle for too long


class Place(NamedTuple):
    """What a connection leads to, from where, and by which policy it was made: by another one it may not be used."""

    scheme: str
    netloc: str
    family: int
    source: str
    web: WebPolicy = USUAL


class Connections:
    """Any thread may call."""

    def __init__(self, clock: Clock) -> None:
        self.reused = 0
        self._clock = clock
        self._idle: dict[Place, deque[tuple[float, socket.socket]]] = {}
        self._swept_s = clock.now()

    def take(self, place: Place) -> socket.socket | None:
        """A connection that is idle and was not closed by the other side, as far as can be seen."""
        self._sweep()
        idle = self._idle.get(place, deque())
        while True:
            try:
                since_s, sock = idle.pop()
            except IndexError:
                return None
            if self._clock.now() - since_s < MAX_IDLE_S and _is_quiet(sock):
                self.reused += 1
                return sock
            sock.close()

    def give(self, place: Place, sock: socket.socket) -> None:
        """Keep a connection on which the last answer was read to its end."""
        self._sweep()
        idle = self._idle.setdefault(place, deque())
        if len(idle) >= MAX_IDLE_PER_PLACE or sum(map(len, list(self._idle.values()))) >= MAX_IDLE:
            sock.close()
        else:
            idle.append((self._clock.now(), sock))

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            _, idle = self._idle.popitem()
            while idle:
                idle.pop()[1].close()

    def _sweep(self) -> None:
        now = self._clock.now()
        if now - self._swept_s < SWEEP_S:
            return
        self._swept_s = now
        for place, idle in list(self._idle.items()):
            try:
                while idle and now - idle[0][0] >= MAX_IDLE_S:
                    idle.popleft()[1].close()
            except IndexError:         # somebody took it meanwhile
                pass
            if not idle:
                self._idle.pop(place, None)


def _is_quiet(sock: socket.socket) -> bool:
    """Whether the other side neither closed it nor sent what nobody asked for."""
    try:
        sock.settimeout(0)
        socket.socket.recv(sock, 1, socket.MSG_PEEK)       # the bare socket's, also below TLS
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
