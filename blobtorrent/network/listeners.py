"""Listeners: the sockets that peers come in by, as long as there is an address for them. Owned by the door.

What could not be opened is tried again when addresses change, and what is bound to an interface is opened anew when
that comes back: on the same port, if it is still free, since trackers and peers know that one.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial

from blobtorrent.model.errors import NetworkError
from blobtorrent.network import transport
from blobtorrent.network.binding import Binding
from blobtorrent.network.messages import Listen, ListenFailed, Listening
from blobtorrent.runtime.loop import EVENT_READ, SelectorLoop

Accept = Callable[[socket.socket, int], None]


class Listeners:
    """`accept(listener, mask)` is called when somebody knocks."""

    def __init__(self, loop: SelectorLoop, binding: Binding, accept: Accept) -> None:
        self._loop = loop
        self._binding = binding
        self._accept = accept
        self._places: list[_Place] = []
        self._is_paused = False
        self._is_closed_to_all = False

    def open(self, wish: Listen) -> None:
        """Answered by Listening or ListenFailed."""
        place = _Place(wish)
        self._places.append(place)
        self._open(place, wish.ports)

    def renew(self, *, rebind: bool) -> None:
        """Addresses have changed: open what was not open, and with `rebind` all the others anew."""
        for place in self._places:
            port = place.port
            if place.listener is None:
                self._open(place, range(port, port + 1) if port else place.wish.ports, is_retry=True)
            elif rebind:
                self._close(place)
                self._open(place, range(port, port + 1), is_retry=True)

    def close_to_all(self, is_closed: bool) -> None:
        """Keep the ports, and let nobody in there; or let them in again. Who knocks is told that nobody listens."""
        if is_closed != self._is_closed_to_all:
            self._is_closed_to_all = is_closed
            self.renew(rebind=True)

    def pause(self) -> None:
        """Leave whoever knocks to the kernel."""
        if not self._is_paused:
            self._is_paused = True
            for place in self._places:
                self._unregister(place)

    def resume(self) -> None:
        self._is_paused = False
        for place in self._places:
            self._register(place)

    def close(self) -> None:
        for place in self._places:
            if place.listener is not None:
                place.listener.close()

    def _open(self, place: _Place, ports: range, *, is_retry: bool = False) -> None:
        wish = place.wish
        try:
            try:
                place.listener = self._bind(wish.host, ports)
            except NetworkError as error:
                if not is_retry or error.code != "net.cannot-listen":
                    raise
                place.listener = self._bind(wish.host, wish.ports)
        except NetworkError as error:
            if place.is_told_open or not is_retry:
                place.is_told_open = False
                wish.reply_to.post(ListenFailed(wish.host, error.code, error.detail))
            return
        port = place.listener.getsockname()[1]
        if not self._is_paused:
            self._register(place)
        if not place.is_told_open or port != place.port:
            wish.reply_to.post(Listening(wish.host, port))
        place.port, place.is_told_open = port, True

    def _bind(self, host: str, ports: range) -> socket.socket:
        return transport.open_listener(host, ports, self._binding, is_deaf=self._is_closed_to_all)

    def _register(self, place: _Place) -> None:
        if place.listener is not None and not self._is_closed_to_all:
            self._loop.register(place.listener, EVENT_READ, partial(self._accept, place.listener))

    def _unregister(self, place: _Place) -> None:
        if place.listener is not None:
            try:
                self._loop.unregister(place.listener)
            except KeyError:           # dropped by the loop after an unexpected error
                pass

    def _close(self, place: _Place) -> None:
        if place.listener is not None:
            if not self._is_paused:
                self._unregister(place)
            place.listener.close()
            place.listener = None


class _Place:
    """Somewhere to listen. `port` is the last one that was open; `is_told_open` what the asker believes."""

    __slots__ = ("is_told_open", "listener", "port", "wish")

    def __init__(self, wish: Listen) -> None:
        self.wish = wish
        self.listener: socket.socket | None = None
        self.port = 0
        self.is_told_open = False
