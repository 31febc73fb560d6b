"""Way: the interface and the proxy that connections to peers go by, and whether they do their work. Owned by the door.

Whoever watches is told when that changes, and when this machine has other addresses. A proxy that fails is left alone
for a while: it is not the peers' fault, who are dialled later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.network.binding import Binding
from blobtorrent.network.messages import AddressesChanged, WayChanged
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import SelectorLoop

if TYPE_CHECKING:
    from blobtorrent.network.addresswatch import AddressWatch
    from blobtorrent.runtime.mailbox import Mailbox
    from blobtorrent.runtime.timers import Timer

log = get_logger(__name__)

PROXY_PAUSE_S = 5.0                    # without dials when the proxy does not do its work


class Way:
    """`go_on` is called when dials may be made again."""

    def __init__(self, loop: SelectorLoop, binding: Binding, go_on: Callable[[], None]) -> None:
        self._loop = loop
        self._binding = binding
        self._go_on = go_on
        self._watch: AddressWatch | None = None
        self._pause: Timer | None = None
        self._fault: BlobTorrentError | None = None        # what the last dial through the proxy ended with
        self._told: WayChanged | None = None
        self._tell_to: Mailbox[Any] | None = None

    @property
    def is_open(self) -> bool:
        """Whether dials may be made."""
        return self._pause is None and self._binding.is_there

    def watch(self, reply_to: Mailbox[Any], on_change: Callable[[bool], None]) -> None:
        """Tell this mailbox by AddressesChanged and WayChanged from now on; before, call `on_change(rebind)`."""
        from blobtorrent.network.addresswatch import AddressWatch

        def changed(lost: frozenset[str], rebind: bool) -> None:
            on_change(rebind)
            reply_to.post(AddressesChanged(lost, rebind))
            self._tell()

        if self._watch is None:
            self._tell_to = reply_to
            self._tell()
            self._watch = AddressWatch(self._loop, self._binding, changed)
            self._watch.begin()

    def note_proxy(self, fault: BlobTorrentError | None) -> None:
        """It did its work, or not."""
        if fault is not self._fault:
            self._fault = fault
            self._tell()

    def rest(self, reason: BlobTorrentError) -> None:
        """The proxy is at fault: no more dials for a while."""
        self.note_proxy(reason)
        if self._pause is None:
            log.warning("the proxy does not do its work", code=reason.code, detail=reason.detail)
            self._pause = self._loop.timers.at(self._loop.now + PROXY_PAUSE_S, self._end_rest)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def _end_rest(self) -> None:
        self._pause = None
        self._go_on()

    def _tell(self) -> None:
        binding, proxy = self._binding, self._binding.proxy
        if self._tell_to is None or not binding.is_confined and proxy is None:
            return
        fault = self._fault
        way = WayChanged(
            str(binding.interface), binding.sources, "" if proxy is None else str(proxy),
            proxy is not None and proxy.is_strict, proxy is not None and proxy.has_relay,
            "" if fault is None else fault.code, "" if fault is None else fault.detail)
        if way != self._told:
            self._told = way
            self._tell_to.post(way)
