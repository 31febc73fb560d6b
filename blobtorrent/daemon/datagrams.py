"""Datagrams: the thread `udp` with all its drivers, as the core thread sees it. It begins with the first message that
needs it: most runs of `blobtorrent get` send no datagram, and then open no such socket either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from blobtorrent.network.messages import BindUdp, RebindUdp, WatchRelay

if TYPE_CHECKING:
    from blobtorrent.network.udp import UdpLoop


class Datagrams:
    """Only the core thread posts. `build()` makes the thread and what runs on it.

    It is a heart, too: that of a thread which is not there beats.
    """

    name = "udp"

    def __init__(self, build: Callable[[], UdpLoop]) -> None:
        self._build = build
        self._udp: UdpLoop | None = None
        self._first: list[BindUdp | WatchRelay] = []       # that it is told when it begins
        self._beats = 0

    def post(self, message: Any) -> None:
        if self._udp is None:
            if isinstance(message, (BindUdp, WatchRelay)):
                self._first.append(message)
                return
            if isinstance(message, RebindUdp):
                return
            self._udp = self._build()
            self._udp.start()
            for wish in self._first:
                self._udp.mailbox.post(wish)
        self._udp.mailbox.post(message)

    @property
    def beats(self) -> int:
        return self._beats if self._udp is None else self._beats + self._udp.heart.beats

    def ask_beat(self) -> None:
        if self._udp is None:
            self._beats += 1
        else:
            self._udp.heart.ask_beat()

    def stop(self, timeout_s: float) -> bool:
        """End the thread, if there is one. The core thread has ended before."""
        return self._udp is None or self._udp.stop(timeout_s)
