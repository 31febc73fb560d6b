"""UtpBridge: connections by uTP, which look like any other socket to the rest of the program. BEP 29.

It drives one node of the protocol for each UDP port and joins each stream to one end of a socket pair. Dials come from
the door, and what peers dial goes there, as if it had been accepted from a listener. Runs on the thread `udp`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from blobtorrent.model.address import Endpoint
from blobtorrent.model.addressfilter import Gate
from blobtorrent.network import transport
from blobtorrent.network.messages import UseFilter
from blobtorrent.network.udp import Traffic, UdpLoop, UdpPort
from blobtorrent.network.utpmessages import (
    CancelUtp,
    CloseUtp,
    DialUtp,
    OpenUtp,
    UtpArrived,
    UtpConnected,
    UtpFailed,
    UtpReady,
)
from blobtorrent.network.utppipe import Pipe, make_pair
from blobtorrent.network.utpport import UtpPort
from blobtorrent.protocol.utp.states import Accepted, Connected, Ended, Readable, UtpEvent, Writable
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.metrics import COUNTER, GAUGE, Registry, Sample, labelled

if TYPE_CHECKING:
    from random import Random

    from blobtorrent.protocol.utp.node import UtpNode
    from blobtorrent.protocol.utp.stream import UtpStream
    from blobtorrent.runtime.mailbox import Mailbox

log = get_logger(__name__)

MAX_STREAMS = 4096                     # of one port; the budget for links is the session's, this is against floods
ROUNDS = 4                             # of events in one pass: what they lead to may be news itself

_FIGURES = {
    "blobtorrent_utp_bytes_total": "What went through connections by uTP.",
    "blobtorrent_utp_connections": "Connections by uTP that are open, and dials that are under way.",
    "blobtorrent_utp_retransmits_total": "Packets of uTP that were sent again.",
    "blobtorrent_utp_dropped_total": "Packets of uTP that were not taken, by the reason.",
}


class UtpBridge:
    """`has_proxy`: connections go by a proxy, so that uTP is only used where it carries datagrams, too."""

    def __init__(self, udp: UdpLoop, rng: Random, *, has_proxy: bool = False) -> None:
        self.gate = Gate()
        self._udp = udp
        self._rng = rng
        self._has_proxy = has_proxy
        self._door: Mailbox[Any] | None = None
        self._is_open = False
        self._ports: dict[UdpPort, UtpPort] = {}
        self._pipes: dict[UtpStream, Pipe] = {}
        self._closing: set[Pipe] = set()                   # streams that are over, with bytes that nobody read yet
        self._dials: dict[UtpStream, int] = {}             # those that are not answered, with their numbers
        self._by_number: dict[int, UtpStream] = {}
        self._gone: Counter[str] = Counter()               # figures of streams that are no more
        udp.handle(OpenUtp, self.open)
        udp.handle(CloseUtp, lambda _: self._close())
        udp.handle(DialUtp, self._dial)
        udp.handle(CancelUtp, self._cancel)
        udp.handle(UseFilter, lambda message: self.gate.use(message.address_filter))
        udp.at_pass(self._settle)
        udp.at_rebind(self._break_off)
        udp.at_stop(self._stop)

    def measure(self, registry: Registry) -> None:
        """Have its figures exported."""
        registry.collect(_FIGURES, self._figures)

    def open(self, wish: OpenUtp) -> None:
        """Make and take connections from now on, where datagrams go the way of all traffic."""
        self._door = wish.door
        if self._has_proxy and not self._udp.takes_names:
            wish.door.post(UtpReady(None))
            return
        if not self._is_open:
            self._is_open = True
            self._udp.serve(Traffic.UTP, self)
            self._udp.take_runs(self._node_of)
        wish.door.post(UtpReady(self._udp.mailbox))

    def _close(self) -> None:
        """Those that are open stay."""
        self._is_open = False
        if self._door is not None:
            self._door.post(UtpReady(None))

    # ---- network.handler.DatagramEndpoint

    def on_datagram(self, data: Any, source: Endpoint, port: UdpPort) -> None:
        self._node_of(port).receive(data, source, self._udp.read_clock())

    def _node_of(self, port: UdpPort) -> UtpNode:
        utp_port = self._ports.get(port)
        if utp_port is None:
            utp_port = self._ports[port] = UtpPort(
                self._udp, port, self._rng, self._may_accept, max_streams=MAX_STREAMS)
        return utp_port.node

    def _may_accept(self, endpoint: Endpoint) -> bool:
        return self._is_open and bool(endpoint.port) and not self.gate.refuses(endpoint.host)

    # ---- dials

    def _dial(self, wish: DialUtp) -> None:
        port = self._udp.port_for(is_ipv6=wish.endpoint.is_ipv6) if self._is_open else None
        if port is None:
            self._tell(UtpFailed(wish.number, "net.unreachable", "no datagrams go there"))
            return
        stream = self._node_of(port).connect(wish.endpoint, self._udp.read_clock())
        self._dials[stream] = wish.number
        self._by_number[wish.number] = stream

    def _cancel(self, wish: CancelUtp) -> None:
        stream = self._by_number.pop(wish.number, None)
        if stream is not None:
            del self._dials[stream]
            stream.abort(self._udp.read_clock())

    # ---- what happens to streams

    def _settle(self) -> None:
        """At the end of a pass: all that is known of the streams has its consequences, and what they say leaves."""
        for port in self._ports.values():
            for _ in range(ROUNDS):
                events = port.node.take_events()
                if not events:
                    break
                for event in events:
                    self._on_event(event)
            port.flush()

    def _on_event(self, event: UtpEvent) -> None:
        stream = event.stream
        if isinstance(event, (Readable, Writable)):
            pipe = self._pipes.get(stream)
            if pipe is None:           # given up
                return
            if isinstance(event, Readable):
                pipe.deliver()
            else:
                pipe.write_on()
        elif isinstance(event, Connected):
            number = self._forget_dial(stream)
            if number is not None:
                self._join(stream, number)
        elif isinstance(event, Accepted):
            self._join(stream, None)
        elif isinstance(event, Ended):
            self._on_ended(stream, event.reason)

    def _forget_dial(self, stream: UtpStream) -> int | None:
        number = self._dials.pop(stream, None)
        if number is not None:
            del self._by_number[number]
        return number

    def _join(self, stream: UtpStream, number: int | None) -> None:
        """Give the door the other end of a stream: the answer to a dial, or somebody who came."""
        try:
            ours, theirs = make_pair()
        except OSError as error:
            log.warning("no socket for a peer", detail=error.strerror)
            stream.abort(self._udp.read_clock())
            if number is not None:
                self._tell(UtpFailed(number, transport.error_code(error), error.strerror or ""))
            return
        pipe = self._pipes[stream] = Pipe(self._udp.loop, stream, ours, self._on_pipe_closed)
        self._tell(UtpArrived(stream.endpoint, theirs) if number is None else UtpConnected(number, theirs))
        pipe.deliver()

    def _on_ended(self, stream: UtpStream, reason: str | None) -> None:
        number = self._forget_dial(stream)
        if number is not None:
            code = "net.timed-out" if reason == "no answer" else "net.refused"
            self._tell(UtpFailed(number, code, f"uTP: {reason}"))
        pipe = self._pipes.pop(stream, None)
        if pipe is not None:
            self._gone["received"] += pipe.received_bytes
            self._gone["sent"] += pipe.sent_bytes
            if not pipe.is_closed:
                self._closing.add(pipe)
                pipe.end()
        self._gone["retransmits"] += stream.stats.retransmits

    def _on_pipe_closed(self, pipe: Pipe) -> None:
        self._closing.discard(pipe)

    def _tell(self, message: Any) -> None:
        assert self._door is not None
        self._door.post(message)

    # ---- the ends

    def _break_off(self) -> None:
        """Our addresses are others: no peer knows our streams from there."""
        now = self._udp.read_clock()
        for port in self._ports.values():
            port.node.close_all(now)

    def _stop(self) -> None:
        self._break_off()
        self._settle()
        for pipe in (*self._pipes.values(), *self._closing):
            pipe.sock.close()

    # ---- figures

    def _figures(self) -> Iterator[Sample]:
        """Read by another thread: a figure may be a moment old."""
        pipes = list(self._pipes.values())
        received = self._gone["received"] + sum(pipe.received_bytes for pipe in pipes)
        sent = self._gone["sent"] + sum(pipe.sent_bytes for pipe in pipes)
        again = self._gone["retransmits"] + sum(pipe.stream.stats.retransmits for pipe in pipes)
        yield Sample("blobtorrent_utp_bytes_total", labelled(direction="received"), received, COUNTER)
        yield Sample("blobtorrent_utp_bytes_total", labelled(direction="sent"), sent, COUNTER)
        yield Sample("blobtorrent_utp_retransmits_total", (), again, COUNTER)
        yield Sample("blobtorrent_utp_connections", labelled(state="open"), len(pipes), GAUGE)
        yield Sample("blobtorrent_utp_connections", labelled(state="dialling"), len(self._dials), GAUGE)
        dropped = sum((port.node.counts for port in list(self._ports.values())), Counter[str]())
        for reason, number in dropped.items():
            yield Sample("blobtorrent_utp_dropped_total", labelled(reason=reason), number, COUNTER)
