"""Threads `outcall-k`: blocking calls to the outside (trackers, name servers), each under its own deadline.

There is always one that waits for work: whoever of them takes the last free one's place starts another. So a host that
does not answer holds up nobody, and a program that calls nobody has one thread for it.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from blobtorrent.discovery.messages import (
    Announce,
    AnnounceDone,
    HostResolved,
    PeersResolved,
    ResolveHost,
    ResolvePeers,
    Scrape,
    ScrapeDone,
)
from blobtorrent.model.errors import NetworkError, TrackerError
from blobtorrent.network.binding import Binding
from blobtorrent.runtime.clock import Clock, SystemClock
from blobtorrent.runtime.histogram import OF_CALLS, Histogram
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import Worker

if TYPE_CHECKING:
    from blobtorrent.discovery.http_tracker import HttpTrackers

MAX_THREADS = 40                       # more than are asked of a few hosts that do not answer
RESOLVE_S = 20.0                       # for a name, where the time of asking can be limited
OURS = "a failure of ours; the log has the reason"

_Answer: TypeAlias = "AnnounceDone | ScrapeDone | HostResolved | PeersResolved"


class Outcalls:
    """Takes Announce, Scrape, ResolveHost and ResolvePeers in its `mailbox`."""

    def __init__(self, binding: Binding, *, max_threads: int = MAX_THREADS, clock: Clock | None = None) -> None:
        self._clock: Clock = SystemClock() if clock is None else clock
        self._binding = binding
        self._http: dict[None, HttpTrackers] = {}          # one, loaded with the first call: many runs make none
        self.mailbox: Mailbox[Announce | Scrape | ResolveHost | ResolvePeers] = Mailbox("outcall")
        # Shared by the workers, by steps that are atomic: a count too many costs a thread too many, no more.
        self._workers: deque[Worker[Announce | Scrape | ResolveHost | ResolvePeers]] = deque()
        self._numbers = itertools.count()
        self.max_threads = max_threads # those that are there stay
        self._free: deque[None] = deque()          # one entry for each worker that waits for work
        self._is_stopping = False
        self.announce_times = Histogram(OF_CALLS)          # also of those that failed

    @property
    def threads(self) -> int:
        """How many there are by now."""
        return len(self._workers)

    def start(self) -> None:
        self._start_one()

    def stop(self, timeout_s: float) -> bool:
        """Finish what was asked before, then end. True when that was done in time."""
        self._is_stopping = True
        deadline_s = time.monotonic() + timeout_s
        workers = list(self._workers)
        for worker in workers:
            worker.begin_stop()
        is_done = all(worker.join(deadline_s - time.monotonic()) for worker in workers)
        for http in self._http.values():
            http.connections.close()
        return is_done

    def _start_one(self) -> None:
        if len(self._workers) < self.max_threads:
            worker = Worker(f"outcall-{next(self._numbers)}", self.mailbox, self._on_order)
            self._workers.append(worker)
            self._free.append(None)
            worker.start()

    def _on_order(self, order: Any) -> None:
        self._free.pop()
        if not self._free and not self._is_stopping:
            self._start_one()
        try:
            self._serve(order)
        finally:
            self._free.append(None)

    def _serve(self, order: Any) -> None:
        """Whatever happens, whoever asked is answered: it keeps a place for the answer."""
        answer = _failed(order)
        try:
            answer = self._answer(order)
        finally:                       # what it raises is logged by the worker
            order.reply_to.post(answer)

    def _answer(self, order: Any) -> _Answer:
        try:
            if isinstance(order, Announce):
                return self._announce(order)
            if isinstance(order, Scrape):
                return self._trackers().scrape(order)
            if isinstance(order, ResolvePeers):
                return self._resolve_peers(order)
            return self._resolve(order)
        except (TrackerError, NetworkError) as error:
            return _failed(order, error)

    def _announce(self, order: Announce) -> AnnounceDone:
        begun_s = self._clock.now()
        try:
            return self._trackers().announce(order)
        finally:
            self.announce_times.note(self._clock.now() - begun_s)

    def _trackers(self) -> HttpTrackers:
        if not self._http:
            from blobtorrent.discovery.http_tracker import HttpTrackers

            # Of two threads that come here at once one wins, in one step. What the other made holds nothing yet.
            self._http.setdefault(None, HttpTrackers(self._clock, self._binding))
        return self._http[None]

    def _resolve(self, order: ResolveHost) -> HostResolved:
        from blobtorrent.discovery.httpcall import Deadline, look_up

        found = look_up(order.host, order.port, Deadline(self._clock, RESOLVE_S), self._binding)
        return HostResolved(order.host, order.port, tuple(found))

    def _resolve_peers(self, order: ResolvePeers) -> PeersResolved:
        from blobtorrent.discovery.httpcall import Deadline
        from blobtorrent.discovery.peernames import resolve_peers

        return PeersResolved(order.name, resolve_peers(order.name, Deadline(self._clock, RESOLVE_S), self._binding))


def _failed(order: Any, error: Any = None) -> _Answer:
    """The answer that tells of an error; without one, of a failure of ours."""
    if isinstance(order, ResolvePeers):
        return PeersResolved(order.name, error=error or NetworkError("net.failed", OURS))
    if isinstance(order, ResolveHost):
        return HostResolved(order.host, order.port, error=error or NetworkError("net.failed", OURS))
    error = error or TrackerError("tracker.failed", OURS)
    if isinstance(order, Scrape):
        return ScrapeDone(order.url, order.wire_hashes, error=error)
    return AnnounceDone(order.info_hash, order.url, order.query, error=error, origin=order.origin)
