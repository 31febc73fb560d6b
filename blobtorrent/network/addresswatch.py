"""AddressWatch: notices that this machine has other addresses than before. Runs on a loop, which is its owner.

The kernel says that something changed; then everything is looked at, once the changes have settled. What it says is not
taken for the whole truth: where it says nothing, a look now and then has to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from blobtorrent.model.errors import NetworkError
from blobtorrent.network.binding import Binding
from blobtorrent.network.interfaces import drain_watch, open_watch, survey
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import EVENT_READ, SelectorLoop

if TYPE_CHECKING:
    import socket

log = get_logger(__name__)

SETTLE_S = 0.2                         # an interface that comes up changes several times
LOOK_S = 60.0                          # between two looks without any word
BLIND_LOOK_S = 5.0                     # where the kernel tells nothing


class AddressWatch:
    """`on_change(lost, rebind)` gets the addresses that are ours no more, and whether sockets that obey the policy have
    to be opened anew."""

    def __init__(self, loop: SelectorLoop, binding: Binding, on_change: Callable[[frozenset[str], bool], None]) -> None:
        self._loop = loop
        self._binding = binding
        self._on_change = on_change
        self._known = _addresses()
        self._socket: socket.socket | None = None
        self._is_settling = False

    def begin(self) -> None:
        try:
            self._socket = open_watch()
        except OSError as error:
            log.warning("the system does not tell when addresses change", detail=error.strerror)
        else:
            self._loop.register(self._socket, EVENT_READ, self._on_word)
        self._later()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _later(self) -> None:
        pause_s = BLIND_LOOK_S if self._socket is None else LOOK_S
        self._loop.timers.at(self._loop.now + pause_s, self._look_in_turn)

    def _look_in_turn(self) -> None:
        self._look()
        self._later()

    def _on_word(self, _mask: int) -> None:
        assert self._socket is not None
        drain_watch(self._socket)
        if not self._is_settling:
            self._is_settling = True
            self._loop.timers.at(self._loop.now + SETTLE_S, self._settled)

    def _settled(self) -> None:
        self._is_settling = False
        self._look()

    def _look(self) -> None:
        before, self._known = self._known, _addresses()
        sources = self._binding.sources
        rebind = self._binding.look()
        lost = before - self._known
        if rebind:                     # also the same addresses on an interface that was made anew
            lost |= frozenset(sources)
            log.info("interface changed", interface=str(self._binding.interface), addresses=self._binding.sources)
        if rebind or lost or before != self._known:
            self._on_change(lost, rebind)


def _addresses() -> frozenset[str]:
    """All addresses of ours that reach further than this machine and its links."""
    try:
        found = survey()
    except NetworkError:
        return frozenset()
    loopbacks = {link.number for link in found.links if link.is_loopback}
    return frozenset(own.host for own in found.addresses if not own.is_link_local and own.interface not in loopbacks)
