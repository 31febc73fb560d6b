"""Relay: datagrams by way of a SOCKS 5 proxy. Runs on the thread `udp`, which is its owner.

The proxy is asked over a connection, which has to stay open: the relay lives as long as it does, and when it ends
another one is asked for. Nobody but the relay is heard. What is sent while there is none waits, a little of it: whoever
sends datagrams repeats them only after many seconds.
"""

from __future__ import annotations

import ipaddress
import socket
from collections import deque
from collections.abc import Callable
from enum import Enum

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BlobTorrentError, FormatError, NetworkError, ProxyFailed
from blobtorrent.network import transport
from blobtorrent.network.binding import Binding
from blobtorrent.network.messages import RelayChanged
from blobtorrent.network.proxy import Proxy
from blobtorrent.network.udp import DATAGRAMS_PER_PASS, MAX_DATAGRAM, UdpPort
from blobtorrent.protocol.proxy.socks5 import MAX_NAME, Socks5, unwrap_datagram, wrap_datagram
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import EVENT_READ, EVENT_WRITE, SelectorLoop
from blobtorrent.runtime.machine import Machine, Table
from blobtorrent.runtime.timers import Timer

log = get_logger(__name__)

ANSWER_S = 20.0                        # for the proxy to grant a relay
FIRST_REST_S = 1.0                     # doubled with every failure
LONGEST_REST_S = 60.0
REFUSED_S = 600.0                      # then the proxy is asked again: its rules may have changed
MAX_WAITING = 64                       # datagrams
RECEIVE_BYTES = 4096                   # of the proxy's answer, which is short
_HEADER_BYTES = MAX_NAME + 8           # in front of a datagram, at most
_KEEP_ALIVE_S = 60


class State(Enum):
    IDLE = "idle"
    ASKING = "asking"
    OPEN = "open"
    RESTING = "resting"
    REFUSED = "refused"                # the proxy carries no datagrams


class Event(Enum):
    WANTED = "wanted"
    GRANTED = "granted"
    LOST = "lost"
    REFUSED = "refused"
    DUE = "due"
    DROPPED = "dropped"


RELAY: Table[State, Event] = Table(
    {
        State.IDLE: {Event.WANTED: State.ASKING},
        State.ASKING: {Event.GRANTED: State.OPEN, Event.REFUSED: State.REFUSED, Event.LOST: State.RESTING,
                       Event.DROPPED: State.IDLE},
        State.OPEN: {Event.LOST: State.RESTING, Event.DROPPED: State.IDLE},
        State.RESTING: {Event.DUE: State.ASKING, Event.DROPPED: State.IDLE},
        State.REFUSED: {Event.DUE: State.ASKING, Event.DROPPED: State.IDLE},
    },
    home=State.OPEN,
    start=State.IDLE,
    faults=(State.RESTING, State.REFUSED),
)


class RelayPort:
    """Stands for a bound socket of one family: the relay takes both."""

    __slots__ = ("host", "is_ipv6", "send")

    def __init__(self, send: Callable[[bytes, Endpoint], None], *, is_ipv6: bool) -> None:
        self.host = "::" if is_ipv6 else "0.0.0.0"
        self.is_ipv6 = is_ipv6
        self.send = send


class Relay:
    """Hosts may be given by name here: the proxy looks them up.

    `take(data, source, port)` gets what comes in; `tell` hears of every other state.
    """

    def __init__(self, loop: SelectorLoop, binding: Binding, proxy: Proxy,
                 take: Callable[[bytes, Endpoint, UdpPort], None], tell: Callable[[RelayChanged], None]) -> None:
        self._loop = loop
        self._binding = binding
        self._proxy = proxy
        self._take = take
        self._tell = tell
        self._machine = Machine(RELAY)
        self._ports = {is_ipv6: RelayPort(self.send, is_ipv6=is_ipv6) for is_ipv6 in (False, True)}
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._failures = 0
        self._is_refused = False       # the last time that the proxy had an answer
        self._told_code = ""           # of the failure that the log has
        self._control: socket.socket | None = None
        self._talk: Socks5 | None = None
        self._datagrams: socket.socket | None = None
        self._timer: Timer | None = None

    @property
    def carries(self) -> bool:
        """Whether datagrams go here. Where the proxy takes none they go directly, unless it is a strict one."""
        return self._proxy.is_strict or not self._is_refused

    def port(self, *, is_ipv6: bool) -> RelayPort:
        return self._ports[is_ipv6]

    def send(self, data: bytes, to: Endpoint) -> None:
        """Raises OSError when it could not leave."""
        try:
            wrapped = wrap_datagram(data, to.host, to.port)
        except FormatError as error:
            raise OSError(error.detail) from None
        if self._datagrams is None:
            if self._machine.state is State.REFUSED:
                raise OSError("the proxy carries no datagrams")
            self._waiting.append(wrapped)
            if self._machine.state is State.IDLE:
                self._machine.fire(Event.WANTED)
                self._ask()
            return
        try:
            self._datagrams.send(wrapped)
        except ConnectionRefusedError as error:    # the relay is gone, though its connection stands
            self._end(Event.LOST, _broken(error))
            raise

    def renew(self) -> None:
        """Our addresses are others: ask again from there."""
        if self._machine.state is not State.IDLE:
            self.close()
            self._machine.fire(Event.DROPPED)
            self._failures = 0
            self._machine.fire(Event.WANTED)
            self._ask()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for sock in (self._control, self._datagrams):
            if sock is not None:
                self._loop.unregister(sock)
                sock.close()
        self._control = self._datagrams = self._talk = None

    # ---- asking

    def _ask(self) -> None:
        try:
            self._talk = self._proxy.ask_relay()
            self._control = transport.begin_dial(self._proxy.endpoint, self._binding)
        except (NetworkError, FormatError) as error:
            self._end(Event.LOST, error)
        except OSError as error:
            self._end(Event.LOST, _broken(error))
        else:
            self._loop.register(self._control, EVENT_WRITE, self._on_connected)
            self._after(ANSWER_S, lambda: self._end(Event.LOST, ProxyFailed("proxy.down", "no answer in time")))

    def _on_connected(self, _mask: int) -> None:
        assert self._control is not None and self._talk is not None
        status = self._control.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if status:
            self._end(Event.LOST, _broken(OSError(status, "connect failed")))
            return
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._control.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEP_ALIVE_S)
        self._loop.modify(self._control, EVENT_READ, self._on_word)
        try:
            self._say(self._talk.begin())
        except OSError as error:
            self._end(Event.LOST, _broken(error))

    def _on_word(self, _mask: int) -> None:
        assert self._control is not None and self._talk is not None
        try:
            data = self._control.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(Event.LOST, _broken(error))
            return
        try:
            if not data:
                raise ConnectionResetError(0, "it closed the connection")
            if self._machine.state is State.OPEN:
                return                 # it has nothing to say there
            self._say(self._talk.feed(data))
            if self._talk.is_open:
                self._open(self._talk)
        except OSError as error:
            self._end(Event.LOST, _broken(error))
        except BlobTorrentError as error:
            self._end(Event.REFUSED if error.code == "proxy.refused" else Event.LOST, error)

    def _say(self, data: bytes) -> None:
        """Few bytes: they fit, or the connection is of no use."""
        assert self._control is not None
        if data and self._control.send(data) != len(data):
            raise ConnectionResetError(0, "it takes no data")

    def _open(self, talk: Socks5) -> None:
        """Raises ProxyFailed, NetworkError, OSError."""
        if talk.bound is None or not talk.bound[1]:
            raise ProxyFailed("proxy.bad-answer", "the proxy does not tell where its relay is")
        host, port = talk.bound
        address, proxy = ipaddress.ip_address(host), self._proxy.endpoint
        if address.is_unspecified or address.is_loopback:  # meant is its own machine, which may not be ours
            host = proxy.host
        self._datagrams = self._binding.datagrams_to(host, port)
        self._loop.register(self._datagrams, EVENT_READ, self._receive)
        if self._timer is not None:
            self._timer.cancel()
        self._failures, self._told_code, self._is_refused = 0, "", False
        self._machine.fire(Event.GRANTED)
        log.info("datagrams go through the proxy", proxy=str(proxy), relay=str(Endpoint(host, port)))
        self._tell(RelayChanged(State.OPEN.value))
        while self._waiting:
            self._datagrams.send(self._waiting.popleft())

    # ---- the end of one

    def _end(self, event: Event, error: BlobTorrentError) -> None:
        self.close()
        if error.code != self._told_code:
            self._told_code = error.code
            log.warning("the proxy carries no datagrams", proxy=str(self._proxy.endpoint), code=error.code,
                        detail=error.detail)
        self._machine.fire(event)
        if event is Event.REFUSED:
            self._is_refused = True
            self._waiting.clear()
            pause_s = REFUSED_S
        else:
            pause_s = min(LONGEST_REST_S, FIRST_REST_S * 2 ** min(self._failures, 10))
            self._failures += 1
        self._tell(RelayChanged(self._machine.state.value, error.code, error.detail))
        self._after(pause_s, self._ask_again)

    def _ask_again(self) -> None:
        self._machine.fire(Event.DUE)
        self._ask()

    def _after(self, pause_s: float, step: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.timers.at(self._loop.now + pause_s, step)

    # ---- datagrams

    def _receive(self, _mask: int) -> None:
        for _ in range(DATAGRAMS_PER_PASS):
            if self._datagrams is None:
                return
            try:
                wrapped = self._datagrams.recv(MAX_DATAGRAM + _HEADER_BYTES)
                data, source = unwrap_datagram(wrapped)
            except ConnectionRefusedError as error:
                self._end(Event.LOST, _broken(error))
                return
            except OSError:            # no more
                return
            except FormatError:
                continue
            self._take(data, source, self._ports[source.is_ipv6])


def _broken(error: OSError) -> ProxyFailed:
    return ProxyFailed("proxy.down", error.strerror or str(error))
