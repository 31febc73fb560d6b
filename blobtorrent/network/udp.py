"""Thread `udp`: the UDP sockets, and who takes what comes in on them. Sole owner of the sockets.

One port carries three protocols, which their first byte tells apart: uTP (type and version 1), the DHT (a bencoded
dictionary), trackers (an action below 256 in four bytes). What is none of them is dropped. The protocols themselves
live in drivers that run on this thread: each takes one kind of traffic (`serve`) and its own messages (`handle`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError
from blobtorrent.network import transport
from blobtorrent.network.binding import Binding
from blobtorrent.network.handler import DatagramEndpoint
from blobtorrent.network.messages import BindUdp, RebindUdp, RelayChanged, UdpBindFailed, UdpBound, WatchRelay
from blobtorrent.runtime.clock import Clock, SystemClock
from blobtorrent.runtime.heartbeat import Heart
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import EVENT_READ, SelectorLoop
from blobtorrent.runtime.mailbox import Mailbox, WakingMailbox
from blobtorrent.runtime.metrics import Registry
from blobtorrent.runtime.timers import TimerWheel

if TYPE_CHECKING:
    from blobtorrent.network.relay import Relay
    from blobtorrent.network.runs import RunSender

log = get_logger(__name__)

MAX_DATAGRAM = 8192                    # bytes; nothing that we speak is longer than a packet, but for uTP
DATAGRAMS_PER_PASS = 64                # of one socket; then messages and timers get their turn
UTP_FIRST_BYTES = frozenset((0x01, 0x11, 0x21, 0x31, 0x41))            # BEP 29: type 0..4, version 1
BUFFER_BYTES = 1 << 20                 # of the kernel, each way: bursts of a busy DHT are short
BUFFER_BYTES_OF_RUNS = 8 << 20         # with uTP, as far as the system lets us: what does not fit is lost
MAX_SOURCES = 1024                     # addresses whose Endpoint is remembered


class Traffic(Enum):
    """What a datagram is, by its first byte."""

    UTP = "utp"
    DHT = "dht"
    TRACKER = "tracker"


class UdpPort(Protocol):
    """Where datagrams of one family come and go; `host` is as it was asked for."""

    host: str
    is_ipv6: bool

    def send(self, data: bytes, to: Endpoint) -> None:
        """Raises OSError when it could not leave."""


class RunTaker(Protocol):
    """What takes datagrams of uTP from one port: alone, or many that came together (`protocol.utp.node`)."""

    def receive(self, data: Any, sender: Endpoint, now: float) -> None: ...

    def receive_run(self, data: Any, size: int, sender: Endpoint, now: float) -> int:
        """Returns the bytes that were taken: up to the first datagram that is none of its own."""


class BoundPort:
    """A socket; `port` is the real one. `reply_to` is told when it changes."""

    __slots__ = ("host", "port", "is_ipv6", "reply_to", "sock", "takes_runs", "_sender")

    def __init__(self, host: str, sock: socket.socket, reply_to: Mailbox[Any] | None) -> None:
        self.host = host
        self.is_ipv6 = sock.family == socket.AF_INET6
        self.reply_to = reply_to
        self.use(sock)

    def use(self, sock: socket.socket) -> None:
        self.sock = sock
        self.port: int = sock.getsockname()[1]
        self.takes_runs = False        # what comes in is read by the run, for uTP
        self._sender: RunSender | None = None

    @property
    def is_ephemeral(self) -> bool:
        """Nobody asked for it: opened to have something to send from."""
        return self.reply_to is None

    @property
    def is_open(self) -> bool:
        return self.sock.fileno() >= 0

    def send(self, data: bytes, to: Endpoint) -> None:
        self.sock.sendto(data, to)

    def take_runs(self) -> None:
        from blobtorrent.network.runs import join_what_comes

        join_what_comes(self.sock)
        self.takes_runs = True

    @property
    def runs(self) -> RunSender:
        """What sends many at a time on the socket as it is now."""
        if self._sender is None:
            from blobtorrent.network.runs import RunSender

            self._sender = RunSender(self.sock)
        return self._sender


class UdpLoop:
    """Takes BindUdp, and the messages that drivers `handle`, in its `mailbox`.

    All methods but start() and stop() are for the thread, or before it runs for whoever builds it.
    """

    def __init__(self, binding: Binding, clock: Clock | None = None) -> None:
        self._binding = binding
        self._clock: Clock = SystemClock() if clock is None else clock
        self._loop = SelectorLoop(
            "udp", self._on_message, self._on_pass, clock=clock, on_error=_go_on, on_stop=self._close)
        self.mailbox: WakingMailbox[Any] = self._loop.mailbox
        self._ports: list[BoundPort] = []
        self._relay: Relay | None = None
        self._relay_state = RelayChanged("idle")
        self._relay_watcher: Mailbox[Any] | None = None
        if binding.proxy is not None and binding.proxy.has_relay:
            from blobtorrent.network.relay import Relay

            self._relay = Relay(self._loop, binding, binding.proxy, self._take, self._tell_relay)
        self._endpoints: dict[Traffic, DatagramEndpoint] = {}
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            BindUdp: self._bind, RebindUdp: lambda _: self.rebind(), WatchRelay: self._watch_relay}
        self._at_stop: list[Callable[[], None]] = []
        self._at_rebind: list[Callable[[], None]] = []
        self._at_pass: list[Callable[[], None]] = []
        self._takes_runs = False
        self._taker_of: Callable[[UdpPort], RunTaker] | None = None
        self._sources: dict[Any, Endpoint] = {}            # by address, of those that were heard lately
        self.received = 0              # datagrams
        self.sent = 0
        self.unknown = 0               # of no protocol that is served here
        self.unsent = 0                # for which the system had no room or no way

    # ---- for whoever builds it, and for the drivers

    def serve(self, traffic: Traffic, endpoint: DatagramEndpoint) -> None:
        """Give what comes of this kind to `endpoint`."""
        self._endpoints[traffic] = endpoint

    def handle(self, kind: type[Any], handler: Callable[[Any], None]) -> None:
        """Give messages of this type to `handler`."""
        self._handlers[kind] = handler

    def rebind(self) -> None:
        """The policy leaves another way: open all sockets anew, on the same ports if they are free; whoever asked for
        one that is not is told. One without an address now stays closed until the next time; drivers keep theirs
        whatever happens."""
        for port in self._ports:
            before = port.port
            self._reopen(port, before)
            if port.is_open and port.port != before and port.reply_to is not None:
                port.reply_to.post(UdpBound(port.host, port.port))
        if self._relay is not None:
            self._relay.renew()
        for step in self._at_rebind:
            step()

    def at_rebind(self, step: Callable[[], None]) -> None:
        """Call this when our addresses are other ones, with the sockets opened anew."""
        self._at_rebind.append(step)

    def at_pass(self, step: Callable[[], None]) -> None:
        """Call this at the end of every pass: all that was ready has been read."""
        self._at_pass.append(step)

    def take_runs(self, taker_of: Callable[[UdpPort], RunTaker]) -> None:
        """Read datagrams of any size, many at a time where the kernel does that, from all sockets. Those of uTP go to
        what `taker_of` has for their port, without a look into the table: there are thousands of them a pass."""
        self._takes_runs = True
        self._taker_of = taker_of
        for port in self._ports:
            self._prepare(port)

    def at_stop(self, step: Callable[[], None]) -> None:
        """Call this on the thread before its sockets are closed."""
        self._at_stop.append(step)

    @property
    def loop(self) -> SelectorLoop:
        """For sockets of a driver's own, such as those of multicast groups."""
        return self._loop

    @property
    def timers(self) -> TimerWheel:
        return self._loop.timers

    @property
    def now(self) -> float:
        """Monotonic seconds, as of the start of the pass."""
        return self._loop.now

    def read_clock(self) -> float:
        """The same, as of this moment: for who measures how long packets take."""
        return self._clock.now()

    @property
    def ports(self) -> tuple[UdpPort, ...]:
        """The bound sockets, those that were asked for first; behind a proxy what stands for one of IPv4."""
        if self._relay is not None and self._relay.carries:
            return (self._relay.port(is_ipv6=False),)
        return tuple(self._ports)

    @property
    def takes_names(self) -> bool:
        """Whether hosts are to be given by name: a proxy carries what is sent, and looks names up."""
        return self._relay is not None and self._relay.carries

    def port_for(self, *, is_ipv6: bool, host: str = "") -> UdpPort | None:
        """The socket to send from: the one bound to `host`, or the first of the family; one is opened when there is
        none. None when the machine has no such addresses, or `host` is of the other family. Behind a proxy all is sent
        by its relay."""
        if self._relay is not None and self._relay.carries:
            return self._relay.port(is_ipv6=is_ipv6)
        if host and (":" in host) != is_ipv6:
            return None
        for port in self._ports:
            if port.is_ipv6 == is_ipv6 and host in ("", port.host):
                return port
        try:
            return self._open(host or ("::" if is_ipv6 else "0.0.0.0"), 0)
        except NetworkError as error:
            log.debug("no UDP socket", host=host, ipv6=is_ipv6, code=error.code, detail=error.detail)
            return None

    def send(self, data: bytes, to: Endpoint, via: UdpPort | None = None) -> bool:
        """Send one datagram. False when it could not leave: datagrams get lost, so senders repeat anyway."""
        port = via or self.port_for(is_ipv6=to.is_ipv6)
        if port is None:
            return False
        try:
            port.send(data, to)
        except OSError:
            self.unsent += 1
            return False
        self.sent += 1
        return True

    # ---- the thread

    @property
    def heart(self) -> Heart:
        return self._loop

    def measure(self, registry: Registry) -> None:
        """Have the thread's figures exported."""
        name, text = "blobtorrent_udp_datagrams_total", "Datagrams."
        registry.total(name, text, lambda: self.received, result="received")
        registry.total(name, text, lambda: self.sent, result="sent")
        registry.total(name, text, lambda: self.unknown, result="unknown")
        registry.total(name, text, lambda: self.unsent, result="unsent")
        self._loop.measure(registry)

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout_s: float) -> bool:
        """Close the sockets and end the thread. True when it ended in time."""
        return self._loop.stop(timeout_s)

    def _on_message(self, message: Any) -> None:
        self._handlers[type(message)](message)

    def _bind(self, wish: BindUdp) -> None:
        known = next((port for port in self._ports if port.host == wish.host and not port.is_ephemeral), None)
        try:
            if known is None:
                port = self._open(wish.host, wish.port, wish.reply_to)
            else:                      # its listener was opened anew
                port = known
                if not port.is_open or port.port != wish.port:
                    self._reopen(port, wish.port)
        except NetworkError as error:
            wish.reply_to.post(UdpBindFailed(wish.host, error.code, error.detail))
        else:
            wish.reply_to.post(UdpBound(wish.host, port.port))

    def _open(self, host: str, number: int, reply_to: Mailbox[Any] | None = None) -> BoundPort:
        port = BoundPort(host, open_datagrams(host, number, self._binding), reply_to)
        if port.is_ephemeral:
            self._ports.append(port)
        else:
            asked_for = sum(not known.is_ephemeral for known in self._ports)
            self._ports.insert(asked_for, port)
        self._prepare(port)
        self._loop.register(port.sock, EVENT_READ, partial(self._receive, port))
        return port

    def _reopen(self, port: BoundPort, number: int) -> None:
        if port.is_open:
            self._loop.unregister(port.sock)
            port.sock.close()
        try:
            port.use(open_datagrams(port.host, number, self._binding))
        except NetworkError as error:
            log.warning("no datagrams", host=port.host, code=error.code, detail=error.detail)
        else:
            self._prepare(port)
            self._loop.register(port.sock, EVENT_READ, partial(self._receive, port))

    def _prepare(self, port: BoundPort) -> None:
        if self._takes_runs and port.is_open:
            port.take_runs()
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                port.sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES_OF_RUNS)

    def _on_pass(self, _now: float) -> None:
        for step in self._at_pass:
            step()

    def _watch_relay(self, wish: WatchRelay) -> None:
        self._relay_watcher = wish.reply_to
        self._tell_relay(self._relay_state)

    def _tell_relay(self, state: RelayChanged) -> None:
        self._relay_state = state
        if self._relay_watcher is not None:
            self._relay_watcher.post(state)

    def _receive(self, port: BoundPort, _mask: int) -> None:
        if port.takes_runs:
            self._receive_runs(port)
            return
        for _ in range(DATAGRAMS_PER_PASS):
            try:
                data, address = port.sock.recvfrom(MAX_DATAGRAM)
            except OSError:            # no more; or an answer that nobody was there, which tells us nothing new
                return
            source = transport.endpoint_of(address) if port.is_ipv6 else Endpoint(address[0], address[1])
            self._take(data, source, port)

    def _receive_runs(self, port: BoundPort) -> None:
        from blobtorrent.network.runs import receive_runs

        assert self._taker_of is not None
        sources, read_clock = self._sources, self._clock.now
        taker = self._taker_of(port)
        for data, size, address in receive_runs(port.sock):
            source = sources.get(address)
            if source is None:
                if len(sources) >= MAX_SOURCES:
                    sources.clear()
                source = transport.endpoint_of(address) if port.is_ipv6 else Endpoint(address[0], address[1])
                sources[address] = source
            length, now = len(data), read_clock()
            if size >= length:
                if data and data[0] in UTP_FIRST_BYTES and source.port:
                    self.received += 1
                    taker.receive(data, source, now)
                else:
                    self._take(data, source, port)
                continue
            view, start = memoryview(data), 0
            while start < length:
                if source.port:
                    taken = taker.receive_run(view[start:], size, source, now)
                    self.received += -(-taken // size)
                    start += taken
                if start < length:
                    self._take(view[start:start + size], source, port)
                    start += size

    def _take(self, data: bytes | memoryview, source: Endpoint, port: UdpPort) -> None:
        self.received += 1
        traffic = traffic_of(data)
        endpoint = self._endpoints.get(traffic) if traffic is not None else None
        if endpoint is None or not source.port:
            self.unknown += 1
            return
        endpoint.on_datagram(data if traffic is Traffic.UTP else bytes(data[:MAX_DATAGRAM]), source, port)

    def _close(self) -> None:
        for step in self._at_stop:
            step()
        if self._relay is not None:
            self._relay.close()
        for port in self._ports:
            port.sock.close()


def traffic_of(data: bytes | memoryview) -> Traffic | None:
    """Whose datagram this is; None for what is nobody's. Its content is not looked at further."""
    first = data[0] if data else 0xFF
    if first in UTP_FIRST_BYTES:
        return Traffic.UTP
    if first == 0x64:
        return Traffic.DHT             # "d", BEP 5
    return Traffic.TRACKER if first == 0 else None         # BEP 15: actions 0..3


def open_datagrams(host: str, port: int, binding: Binding) -> socket.socket:
    """A non-blocking UDP socket on `port`, or on any when that is taken. An IPv6 one leaves IPv4 alone.

    Raises NetworkError ("net.cannot-listen", "net.interface-gone", "net.off-interface").
    """
    reason = ""
    for number in dict.fromkeys((port, 0)):
        try:
            sock = binding.open_at(host, number, socket.SOCK_DGRAM)
        except OSError as error:
            reason = error.strerror or str(error)
            continue
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        return sock
    raise NetworkError("net.cannot-listen", f"cannot receive UDP on {host}: {reason}")


def _go_on(_owner: object, _error: Exception) -> None:
    """A datagram that a driver failed at is no reason to be deaf. The loop has logged it."""
