"""LocalManager: which torrents are announced on the local network (BEP 14), never private ones. Owned by `core`."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.timers import Timer, TimerWheel

if TYPE_CHECKING:
    from blobtorrent.discovery.lsdmessages import FoundLocally

GATHER_S = 0.3                         # torrents that start together are announced together


class LocalManager:
    """`listeners()` tells the addresses and ports where peers reach us now; while there are none nothing is announced:
    nobody could come. Those at loopback count with `allow_loopback`. The handler of what is found is put into
    `messages`.
    """

    def __init__(self, roster: Roster, outlets: Outlets, swarms: SwarmManager,
                 listeners: Callable[[], tuple[tuple[str, int], ...]], messages: dict[type[Any], Callable[[Any], None]],
                 *, allow_loopback: bool, clock: Clock, timers: TimerWheel) -> None:
        self._roster = roster
        self._outlets = outlets
        self._swarms = swarms
        self._listeners = listeners
        self._messages = messages
        self._may_come_to = may_come_by(allow_loopback=allow_loopback)
        self._clock = clock
        self._timers = timers
        self._new: dict[InfoHash, None] = {}
        self._announced: dict[InfoHash, None] = {}
        self._told: tuple[tuple[str, int], ...] = ()       # the listeners that were announced
        self._timer: Timer | None = None
        swarms.at_open.append(self.begin)
        swarms.at_close.append(self.end)

    def begin(self, torrent: Torrent) -> None:
        """A torrent runs; one that was known by a link only may have turned out to be private."""
        if torrent.record.facts.is_private:
            self.end(torrent)
        elif torrent.info_hash not in self._announced:
            self._new[torrent.info_hash] = None
            self._soon()

    def end(self, torrent: Torrent) -> None:
        """A torrent runs no more."""
        self._new.pop(torrent.info_hash, None)
        if self._announced.pop(torrent.info_hash, self) is not self:
            from blobtorrent.discovery.lsdmessages import HushLocally

            self._outlets.udp.post(HushLocally((torrent.info_hash,)))

    def on_listeners(self) -> None:
        """Peers reach us elsewhere, perhaps: what was announced is true no more, or what could not be can be now."""
        if self._new or self._announced:
            self._soon()

    def _soon(self) -> None:
        if self._timer is None:
            self._timer = self._timers.at(self._clock.now() + GATHER_S, self._announce)

    def _announce(self) -> None:
        self._timer = None
        listeners = tuple(listener for listener in self._listeners() if self._may_come_to(listener[0]))
        if not listeners or not self._new and listeners == self._told:
            return
        # A few milliseconds that nobody's start waits for.
        from blobtorrent.discovery.lsdmessages import AnnounceLocally, FoundLocally

        self._messages[FoundLocally] = self._on_found
        new, self._new, self._told = self._new, {}, listeners
        self._announced.update(new)
        self._outlets.udp.post(AnnounceLocally(tuple(new), listeners, self._outlets.inbox))

    def _on_found(self, message: FoundLocally) -> None:
        torrent = self._roster.get(message.info_hash)
        if torrent is not None and message.info_hash in self._announced:
            self._swarms.tell_peers(torrent, (message.endpoint,), PeerSource.LSD)


def may_come_by(*, allow_loopback: bool) -> Callable[[str], bool]:
    """Tells whether others could come to a listener at an address of ours."""
    return lambda host: allow_loopback or not ip_address(host).is_loopback
