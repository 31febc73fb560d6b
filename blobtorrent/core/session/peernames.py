"""PeerNames: names that stand for peers, looked up while a torrent that wants them runs, and again now and then.

Those of the settings are for every torrent that is not private, those of a torrent's owner for that one. Owned by
`core`; the looking up is done by the threads for outside calls.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.discovery.messages import PeersResolved, ResolvePeers
from blobtorrent.model.address import Endpoint
from blobtorrent.model.details import PeerNameStatus
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.machine import Machine, Table
from blobtorrent.runtime.timers import Timer, TimerWheel

if TYPE_CHECKING:
    from random import Random

log = get_logger(__name__)

RENEW_S = 300.0                        # nodes come and go
FIRST_RETRY_S = 5.0                    # after a failure, doubled each time
LONGEST_RETRY_S = 300.0


class State(Enum):
    ASKING = "asking"
    KNOWN = "known"
    BACKOFF = "backoff"


class Event(Enum):
    FOUND = "found"
    FAILED = "failed"
    DUE = "due"


PEER_NAME: Table[State, Event] = Table(
    {
        State.ASKING: {Event.FOUND: State.KNOWN, Event.FAILED: State.BACKOFF},
        State.KNOWN: {Event.DUE: State.ASKING},
        State.BACKOFF: {Event.DUE: State.ASKING},
    },
    home=State.KNOWN,
    start=State.ASKING,
    faults=(State.BACKOFF,),
)


class PeerNames:
    """`common` are the names of the settings. A name that nobody wants any more is forgotten."""

    def __init__(self, outlets: Outlets, swarms: SwarmManager, common: tuple[str, ...], *, clock: Clock,
                 timers: TimerWheel, rng: Random) -> None:
        self._outlets = outlets
        self._swarms = swarms
        self._common = common
        self._clock = clock
        self._timers = timers
        self._rng = rng
        self._names: dict[str, _Name] = {}
        self._running: dict[InfoHash, Torrent] = {}
        swarms.at_close.append(self.end)

    def begin(self, torrent: Torrent) -> None:
        """A torrent runs, or other names are wanted for it: one that was known by a link only may be private."""
        self._running[torrent.info_hash] = torrent
        wanted = dict.fromkeys(torrent.record.wishes.peer_names)
        if not torrent.record.facts.is_private:
            wanted.update(dict.fromkeys(self._common))
        for text, name in list(self._names.items()):
            if text not in wanted:
                self._leave(name, torrent.info_hash)
        for text in wanted:
            name = self._names.get(text) or self._make(text)
            name.torrents[torrent.info_hash] = None
            self._swarms.tell_peers(torrent, name.endpoints, PeerSource.DNS)

    def end(self, torrent: Torrent) -> None:
        """A torrent runs no more."""
        if self._running.pop(torrent.info_hash, None) is not None:
            for name in list(self._names.values()):
                self._leave(name, torrent.info_hash)

    def apply(self, common: tuple[str, ...]) -> None:
        """Other settings."""
        if common != self._common:
            self._common = common
            for torrent in list(self._running.values()):
                self.begin(torrent)

    def statuses(self, torrent: Torrent) -> tuple[PeerNameStatus, ...]:
        """How the names stand that are looked up for a torrent."""
        now = self._clock.now()
        return tuple(
            PeerNameStatus(
                name.text, name.machine.state.value, len(name.endpoints), *name.error,
                next_s=None if name.timer is None else max(0.0, name.timer.deadline_s - now))
            for name in self._names.values() if torrent.info_hash in name.torrents)

    def _make(self, text: str) -> _Name:
        name = self._names[text] = _Name(text)
        self._ask(name)
        return name

    def _leave(self, name: _Name, info_hash: InfoHash) -> None:
        name.torrents.pop(info_hash, None)
        if not name.torrents:
            del self._names[name.text]
            if name.timer is not None:
                name.timer.cancel()

    def _ask(self, name: _Name) -> None:
        self._outlets.outcalls.post(ResolvePeers(name.text, self._outlets.inbox))

    def _again(self, name: _Name) -> None:
        name.timer = None
        name.machine.fire(Event.DUE)
        self._ask(name)

    def on_resolved(self, answer: PeersResolved) -> None:
        """Handler of the answers."""
        name = self._names.get(answer.name)
        if name is None or name.machine.state is not State.ASKING:
            return                     # nobody wants it any more, or it was forgotten and came back: asked for twice
        if answer.error is not None:
            if not name.failures:
                log.info("no peers by this name", name=name.text, code=answer.error.code, detail=answer.error.detail)
            wait_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(name.failures, 10))
            name.failures += 1
            name.error = (answer.error.code, answer.error.detail)
            name.machine.fire(Event.FAILED)
        else:
            wait_s, name.failures, name.error = RENEW_S, 0, ("", "")
            name.endpoints = answer.endpoints
            name.machine.fire(Event.FOUND)
            for info_hash in name.torrents:
                self._swarms.tell_peers(self._running[info_hash], name.endpoints, PeerSource.DNS)
        spread = 0.9 + 0.2 * self._rng.random()            # a fleet that starts at once asks at once only once
        name.timer = self._timers.at(self._clock.now() + wait_s * spread, lambda: self._again(name))


class _Name:
    """What is known of one name."""

    __slots__ = ("endpoints", "error", "failures", "machine", "text", "timer", "torrents")

    def __init__(self, text: str) -> None:
        self.text = text
        self.machine = Machine(PEER_NAME)
        self.endpoints: tuple[Endpoint, ...] = ()          # as of the last answer that was one
        self.error = ("", "")          # code and detail of the last failure, until it was found again
        self.failures = 0
        self.timer: Timer | None = None
        self.torrents: dict[InfoHash, None] = {}           # that want it
