"""TransportManager: when the thread `udp` begins with uTP, and when it ends. Owned by `core`.

A short run that finds its peers by TCP does not pay for it: it begins some seconds after the first torrent wants
peers, or with the first dial that TCP did not make at once.
Which transports dials take is the door's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.network.utpmessages import CloseUtp, OpenUtp, UtpWanted
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.timers import TimerWheel

if TYPE_CHECKING:
    from blobtorrent.config.schema import UtpSettings

DELAY_S = 4.0                          # for those that dial us: who gets no answer asks again after three


class TransportManager:
    """`apply` is told the settings whenever they change, `on_open` of every torrent that wants peers."""

    def __init__(self, outlets: Outlets, tcp: bool, utp: UtpSettings, *, clock: Clock, timers: TimerWheel) -> None:
        self._outlets = outlets
        self._clock = clock
        self._timers = timers
        self._tcp = tcp
        self._utp = utp
        self._is_due = False           # it is begun, or will be in a moment
        self._is_open = False

    def on_open(self, _torrent: Torrent) -> None:
        if self._utp.enabled and not self._is_due:
            self._is_due = True
            if self._tcp and self._utp.dialing == "tcp-first":
                self._timers.at(self._clock.now() + DELAY_S, self._open)
            else:
                self._open()

    def on_wanted(self, _message: UtpWanted) -> None:
        """A dial waits for it."""
        if self._utp.enabled:
            self._is_due = True
            self._open()

    def apply(self, tcp: bool, utp: UtpSettings, *, is_used: bool) -> None:
        """`is_used`: some torrent wants peers now."""
        self._tcp, self._utp = tcp, utp
        if utp.enabled and is_used and not self._is_open:
            self._is_due = True
            self._open()
        elif not utp.enabled and self._is_due:
            self._is_due = False
            if self._is_open:
                self._is_open = False
                self._outlets.udp.post(CloseUtp())

    def _open(self) -> None:
        if self._is_due and not self._is_open:
            self._is_open = True
            self._outlets.udp.post(OpenUtp(self._outlets.door))
