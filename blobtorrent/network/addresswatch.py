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
from blobtorrent.protocol.netlink import Answer
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import EVENT_READ, SelectorLoop
from blobtorrent.runtime.timers import Timer

if TYPE_CHECKING:
    import socket

log = get_logger(__name__)

SETTLE_S = 0.2                         # an interface that comes up changes several times
LOOK_S = 60.0                          # between two looks without any word
BLIND_LOOK_S = 5.0                     # where the kernel sends no word
RETRY_S = 1.0                          # after a look that failed: descriptors ran out, perhaps


class AddressWatch:
    """`on_change(lost, rebind)` gets the addresses that are ours no more, and whether sockets that obey the policy have
    to be opened anew. `look()` is `interfaces.survey`: while it fails, what was seen last stays true."""

    def __init__(self, loop: SelectorLoop, binding: Binding, on_change: Callable[[frozenset[str], bool], None],
                 look: Callable[[], Answer] = survey) -> None:
        self._loop = loop
        self._binding = binding
        self._on_change = on_change
        self._survey = look
        self._known: frozenset[str] | None = None          # None: nothing was seen yet
        self._socket: socket.socket | None = None
        self._next_look: Timer | None = None
        self._is_settling = False
        self._has_failed = False       # the last look did

    def begin(self) -> None:
        try:
            self._socket = open_watch()
        except OSError as error:
            log.warning("the system does not tell when addresses change", detail=error.strerror)
        else:
            self._loop.register(self._socket, EVENT_READ, self._on_word)
        self._look()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _on_word(self, _mask: int) -> None:
        assert self._socket is not None
        try:
            drain_watch(self._socket)
        except OSError as error:
            log.warning("the system does not tell any more when addresses change", detail=error.strerror)
            self._loop.unregister(self._socket)
            self._socket.close()
            self._socket = None
        if not self._is_settling:
            self._is_settling = True
            self._loop.timers.at(self._loop.now + SETTLE_S, self._settled)

    def _settled(self) -> None:
        self._is_settling = False
        self._look()

    def _look(self) -> None:
        # Before anything can fail: whatever happens now, there is a next look.
        self._look_after(BLIND_LOOK_S if self._socket is None else LOOK_S)
        try:
            found = self._survey()
        except NetworkError as error:
            if not self._has_failed:
                log.warning("our addresses cannot be looked at", code=error.code, detail=error.detail)
            self._has_failed = True
            self._look_after(RETRY_S)
            return
        self._has_failed = False
        before, self._known = self._known, _far_reaching(found)
        if before is None:
            before = self._known
        lost, rebind = self._binding.look(found)
        if lost or rebind:
            log.info("interface changed", interface=str(self._binding.interface), addresses=self._binding.sources)
        lost |= before - self._known
        if rebind or lost or before != self._known:
            self._on_change(lost, rebind)

    def _look_after(self, pause_s: float) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
        self._next_look = self._loop.timers.at(self._loop.now + pause_s, self._look)


def _far_reaching(found: Answer) -> frozenset[str]:
    """All addresses of ours that reach further than this machine and its links."""
    loopbacks = {link.number for link in found.links if link.is_loopback}
    return frozenset(own.host for own in found.addresses if not own.is_link_local and own.interface not in loopbacks)
