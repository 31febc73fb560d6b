"""MappingManager: has a router pass the port of the peers on to us, and keeps it so. Owned by `core`.

Both transports are mapped to one port outside if the router agrees, since peers are told one. Leases are renewed at
half their time, also those without an end: routers forget when they restart.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from blobtorrent.core.session.outlets import Outlet
from blobtorrent.discovery.mapmessages import MapPort, PortMapFailed, PortMapped, UnmapPort
from blobtorrent.model.errors import NetworkError
from blobtorrent.model.status import MappingStatus
from blobtorrent.protocol.portmap import Mapping, Transport
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.machine import Machine, Table
from blobtorrent.runtime.timers import Timer, TimerWheel

if TYPE_CHECKING:
    from typing import Any

    from blobtorrent.core.session.session import Session
    from blobtorrent.runtime.mailbox import Mailbox

log = get_logger(__name__)

LIFETIME_S = 3600                      # that we ask for
SHORTEST_LIFETIME_S = 120              # that we believe: nobody wants to be asked all the time
FIRST_RETRY_S = 60.0                   # doubled with every failure
LONGEST_RETRY_S = 3600.0


def map_ports(router: Outlet, inbox: Mailbox[Any], session: Session, *, clock: Clock, timers: TimerWheel) -> None:
    """Have the session's port mapped as long as it is open."""
    manager = MappingManager(router, inbox, clock=clock, timers=timers, on_external=session.use_external_port,
                             tell=session.tell_mappings)
    session.on_port = manager.want
    session.on_addresses = manager.renew
    session.at_stop.append(manager.end)
    session.messages.update({PortMapped: manager.on_mapped, PortMapFailed: manager.on_failed})


class State(Enum):
    UNMAPPED = "unmapped"
    REQUESTING = "requesting"
    MAPPED = "mapped"
    RENEWING = "renewing"
    BACKOFF = "backoff"
    WANTED = "wanted"                  # parent of all but unmapped


class Event(Enum):
    WANT = "want"
    GRANTED = "granted"
    FAILED = "failed"
    DUE = "due"
    DROP = "drop"


MAPPING: Table[State, Event] = Table(
    {
        State.UNMAPPED: {Event.WANT: State.REQUESTING},
        State.REQUESTING: {Event.GRANTED: State.MAPPED, Event.FAILED: State.BACKOFF},
        State.MAPPED: {Event.DUE: State.RENEWING},
        State.RENEWING: {Event.GRANTED: State.MAPPED, Event.FAILED: State.BACKOFF},
        State.BACKOFF: {Event.DUE: State.REQUESTING},
        State.WANTED: {Event.DROP: State.UNMAPPED},
    },
    home=State.MAPPED,
    start=State.UNMAPPED,
    faults=(State.BACKOFF,),
    parents={State.WANTED: (State.REQUESTING, State.MAPPED, State.RENEWING, State.BACKOFF)},
)


class MappingManager:
    """`on_external(port)` is told where peers reach us from outside, 0 when that is not known any more; `tell` how all
    is, whenever that changes."""

    def __init__(self, router: Outlet, inbox: Mailbox[Any], *, clock: Clock, timers: TimerWheel,
                 on_external: Callable[[int], None], tell: Callable[[tuple[MappingStatus, ...]], None]) -> None:
        self._router = router
        self._inbox = inbox
        self._clock = clock
        self._timers = timers
        self._on_external = on_external
        self._tell = tell
        self._leases = {transport: _Lease(transport) for transport in Transport}

    def states(self) -> dict[Transport, State]:
        return {transport: lease.machine.state for transport, lease in self._leases.items()}

    def _tell_all(self) -> None:
        self._tell(tuple(lease.status(self._clock) for lease in self._leases.values() if lease.port))

    def want(self, port: int) -> None:
        """This port is to be reached; 0: none."""
        for lease in self._leases.values():
            if port != lease.port:
                self._drop(lease)
                lease.port = port
                if port:
                    lease.machine.fire(Event.WANT)
                    self._ask(lease)
        self._tell_all()

    def renew(self) -> None:
        """Our addresses are others: what the router passes on must come here, or another router is asked."""
        for lease in self._leases.values():
            if lease.machine.can(Event.DUE):
                if lease.timer is not None:
                    lease.timer.cancel()
                lease.failures = 0
                lease.machine.fire(Event.DUE)
                self._ask(lease)
        self._tell_all()

    def end(self) -> None:
        """We go."""
        self.want(0)

    def on_mapped(self, answer: PortMapped) -> None:
        mapping = answer.mapping
        lease = self._leases[mapping.transport]
        if mapping.internal_port != lease.port or not lease.machine.can(Event.GRANTED):
            return                     # for a port that is not wanted any more: it was taken back meanwhile
        if lease.mapping is None:
            log.info("port mapped", way=answer.way, transport=mapping.transport.value, port=mapping.internal_port,
                     external_port=mapping.external_port, external_host=mapping.external_host)
        lease.mapping, lease.way, lease.error, lease.failures = mapping, answer.way, None, 0
        lease.granted_at_s = self._clock.now()
        lease.machine.fire(Event.GRANTED)
        # Not later either: the router may have been started anew, and forgotten it.
        lifetime_s = min(max(mapping.lifetime_s or LIFETIME_S, SHORTEST_LIFETIME_S), LIFETIME_S)
        self._wait(lease, lifetime_s / 2)
        self._tell_all()
        if mapping.transport is Transport.TCP:
            self._on_external(mapping.external_port)

    def on_failed(self, answer: PortMapFailed) -> None:
        lease = self._leases[answer.transport]
        if answer.port != lease.port or not lease.machine.can(Event.FAILED):
            return
        report = log.warning if not lease.failures else log.debug
        report("port not mapped", transport=answer.transport.value, port=answer.port, code=answer.error.code,
               detail=answer.error.detail)
        had_one, lease.mapping, lease.error = lease.mapping is not None, None, answer.error
        lease.machine.fire(Event.FAILED)
        self._wait(lease, min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(lease.failures, 10)))
        lease.failures += 1
        self._tell_all()
        if had_one and answer.transport is Transport.TCP:
            self._on_external(0)

    def _wait(self, lease: _Lease, pause_s: float) -> None:
        lease.timer = self._timers.at(self._clock.now() + pause_s, lambda: self._come_due(lease))

    def _come_due(self, lease: _Lease) -> None:
        lease.machine.fire(Event.DUE)
        self._ask(lease)
        self._tell_all()

    def _ask(self, lease: _Lease) -> None:
        wished = lease.mapping.external_port if lease.mapping is not None else lease.port
        self._router.post(MapPort(lease.transport, lease.port, wished, LIFETIME_S, self._inbox))

    def _drop(self, lease: _Lease) -> None:
        if lease.timer is not None:
            lease.timer.cancel()
        if lease.port:                 # also what is being asked for: the router may be about to agree
            self._router.post(UnmapPort(lease.transport, lease.port))
        lease.mapping, lease.error, lease.failures = None, None, 0
        if lease.machine.can(Event.DROP):
            lease.machine.fire(Event.DROP)


class _Lease:
    """What the router was asked for one transport."""

    __slots__ = ("error", "failures", "granted_at_s", "machine", "mapping", "port", "timer", "transport", "way")

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.machine = Machine(MAPPING)
        self.mapping: Mapping | None = None
        self.way = ""
        self.granted_at_s = 0.0
        self.error: NetworkError | None = None             # of the last try
        self.port = 0
        self.failures = 0
        self.timer: Timer | None = None

    def status(self, clock: Clock) -> MappingStatus:
        since_1970_s = clock.wall() - clock.now()
        told = MappingStatus(self.transport.value, self.machine.state.value, self.port)
        if self.mapping is not None:
            lifetime_s = self.mapping.lifetime_s
            told = told._replace(
                way=self.way, external_host=self.mapping.external_host, external_port=self.mapping.external_port,
                lease_until=since_1970_s + self.granted_at_s + lifetime_s if lifetime_s else 0.0)
        if self.error is not None:
            told = told._replace(error_code=self.error.code, error_detail=self.error.detail)
        if self.timer is not None and self.timer.is_pending:
            told = told._replace(next_try_at=since_1970_s + self.timer.deadline_s)
        return told
