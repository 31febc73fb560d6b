"""Thread `door`: listeners, dials and greetings. Sole owner of every peer socket that is not a link yet.

What comes through is handed over with its socket as PeerArrived, and the door forgets it. What comes by uTP is one end
of a socket pair, and treated alike; which way a dial takes is decided in `racing`. Neither slow nor hostile
peers can fill it: a half-made connection has a deadline, one site gets no more than its share, and when all places
are taken the oldest incoming one gives way, since honest peers greet within a round trip. While the interface or the
proxy that all must go by is not there, dials wait: no peer is to blame for that.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from blobtorrent.model.address import Endpoint
from blobtorrent.model.addressfilter import Gate
from blobtorrent.model.errors import BlobTorrentError, FormatError, NetworkError, PeerError, ProxyFailed
from blobtorrent.model.reach import site_of
from blobtorrent.network import transport
from blobtorrent.network.arrival import Arrival, State
from blobtorrent.network.binding import Binding
from blobtorrent.network.encryption import WORK_S, Encryption
from blobtorrent.network.listeners import Listeners
from blobtorrent.network.messages import (
    Dial,
    DialFailed,
    Listen,
    PeerArrived,
    PeerRefused,
    Serve,
    TunePeers,
    UseEncryption,
    UseFilter,
    WatchAddresses,
    Withdraw,
)
from blobtorrent.network.racing import Races
from blobtorrent.network.utpmessages import (
    Transport,
    UseTransports,
    UtpArrived,
    UtpConnected,
    UtpFailed,
    UtpReady,
)
from blobtorrent.network.visits import Visit, Visits
from blobtorrent.network.way import Way
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.heartbeat import Heart
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import EVENT_READ, EVENT_WRITE, SelectorLoop
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.metrics import Registry
from blobtorrent.runtime.timers import Timer

if TYPE_CHECKING:
    from blobtorrent.protocol.proxy.tunnel import Tunnel

log = get_logger(__name__)

CONNECT_TIMEOUT_S = 10.0
GREETING_TIMEOUT_S = 20.0
WITHDRAWN = "net.withdrawn"
SHORTAGE_PAUSE_S = 1.0                 # without new sockets when descriptors ran out
MAX_DIALS = 100                        # under way at once; more wait their turn
MAX_INCOMING = 500                     # incoming sockets that have not greeted yet
MAX_PER_SITE = MAX_INCOMING // 2       # of these from one site: whole fleets sit behind one address
ACCEPTS_PER_PASS = 64                  # then dials and greetings get their turn
RECEIVE_BYTES = 4096                   # a greeting, and what many clients send right behind it

_PROXY_IS_AT_FAULT = frozenset(("proxy.down", "proxy.login", "proxy.bad-answer"))

DoorMessage = (Listen | Serve | Withdraw | Dial | UseFilter | TunePeers | UseEncryption | WatchAddresses | UseTransports
               | UtpReady | UtpConnected | UtpFailed | UtpArrived)


class Door:
    """Takes the messages of its `mailbox`; answers as they say."""

    def __init__(self, binding: Binding, clock: Clock | None = None) -> None:
        self._binding = binding
        self._loop = SelectorLoop("door", self._on_message, clock=clock, on_stop=self._close)
        self.mailbox: Mailbox[DoorMessage] = self._loop.mailbox
        self.gate = Gate()             # for peers that come to us: swarms know whom not to dial
        self._tuning = transport.AS_USUAL
        self._listeners = Listeners(self._loop, binding, self._accept)
        self._served: dict[bytes, Serve] = {}              # by every wire form of the torrent
        self._encryption = Encryption(self._served, lambda: self._loop.now)
        self._waiting: deque[Dial] = deque()
        self._visits = Visits()
        self._pause: Timer | None = None
        self._way = Way(self._loop, binding, self._dial_more)
        self._utp: Mailbox[Any] | None = None              # the thread udp, while it makes and takes connections
        self._filter: UseFilter | None = None
        self._races = Races(lambda delay_s, call: self._loop.timers.at(self._loop.now + delay_s, call),
                            self._queue, self._abandon, _answer_failed)

    def measure(self, registry: Registry) -> None:
        """Have the thread's figures exported."""
        self._loop.measure(registry)
        registry.gauge("blobtorrent_handshakes_connections", "Connections to peers that are being made.",
                       lambda: len(self._visits))
        self._encryption.measure(registry)

    @property
    def heart(self) -> Heart:
        return self._loop

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout_s: float) -> bool:
        """Close listeners and half-made connections and end the thread. True when it ended in time."""
        return self._loop.stop(timeout_s)

    def _on_message(self, message: DoorMessage) -> None:
        if isinstance(message, Dial):
            self._races.begin(message)
        elif isinstance(message, Serve):
            for wire_hash in message.info_hash.wire_forms:
                self._served[wire_hash] = message
            self._encryption.on_served(message.info_hash.wire_forms)
        elif isinstance(message, Withdraw):
            self._withdraw(message)
        elif isinstance(message, UseFilter):
            self.gate.use(message.address_filter)
            self._filter = message
            if self._utp is not None:
                self._utp.post(message)
        elif isinstance(message, TunePeers):
            self._tuning = message
        elif isinstance(message, UtpArrived):
            self._on_utp_arrived(message)
        elif isinstance(message, UtpConnected):
            self._on_utp_connected(message)
        elif isinstance(message, UtpFailed):
            self._races.unreached(*message)
        elif isinstance(message, UtpReady):
            self._on_utp_ready(message)
        elif isinstance(message, UseTransports):
            self._races.transports = message
            self._listeners.close_to_all(not message.tcp)
        elif isinstance(message, UseEncryption):
            self._encryption.use(message.mode)
        elif isinstance(message, WatchAddresses):
            self._way.watch(message.reply_to, self._on_other_addresses)
        else:
            self._listeners.open(message)

    # ---- listening

    def _accept(self, listener: socket.socket, _mask: int) -> None:
        for _ in range(ACCEPTS_PER_PASS):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if not transport.is_shortage(error):
                    continue           # that one is gone already, or its network is
                log.warning("cannot accept peers for now", detail=error.strerror)
                self._hold_back()
                return
            self._take_in(sock, transport.endpoint_of(address))

    def _take_in(self, sock: socket.socket, endpoint: Endpoint, transport_kind: Transport = Transport.TCP) -> None:
        if self.gate.refuses(endpoint.host):
            sock.close()
            return
        site = site_of(endpoint.host)
        if self._visits.of_site(site) >= MAX_PER_SITE:
            sock.close()
            return
        if self._visits.incoming >= MAX_INCOMING:
            crowded_out = PeerError("wire.crowded-out", "too many half-made connections")
            self._refuse(self._visits.oldest_incoming(), crowded_out)
        arrival = Arrival(None, self._served.get, None, self._encryption, site)
        visit = Visit(sock, endpoint, arrival, site, transport_kind)
        self._visits.add(visit)
        try:
            if transport_kind is Transport.TCP:
                transport.tune_peer(sock, self._tuning)
            self._await_greeting(visit)
        except OSError as error:       # no room to watch it; or it has gone already
            self._refuse(visit, _broken(error))
            if transport.is_shortage(error):
                self._hold_back()

    def _hold_back(self) -> None:
        """No descriptors: let links close before more are opened. The kernel keeps whoever knocks meanwhile."""
        if self._pause is None:
            self._listeners.pause()
            self._pause = self._loop.timers.at(self._loop.now + SHORTAGE_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._listeners.resume()
        self._dial_more()

    # ---- uTP

    def _on_utp_ready(self, message: UtpReady) -> None:
        self._utp = message.mailbox
        if self._utp is not None and self._filter is not None:
            self._utp.post(self._filter)
        self._races.on_ready(message.mailbox)

    def _on_utp_arrived(self, message: UtpArrived) -> None:
        if self._races.transports.utp:
            self._take_in(message.sock, message.endpoint, Transport.UTP)
        else:
            message.sock.close()

    def _on_utp_connected(self, message: UtpConnected) -> None:
        dial = self._races.reached(message.number)
        if dial is None:
            message.sock.close()
            return
        visit = Visit(message.sock, dial.endpoint, Arrival(dial, self._served.get, None, self._encryption),
                       transport=Transport.UTP)
        self._visits.add(visit)
        if self._send(visit, visit.arrival.connected()):
            self._await_greeting(visit)

    # ---- the way

    def _on_other_addresses(self, rebind: bool) -> None:
        self._listeners.renew(rebind=rebind)
        if rebind:
            self._dial_again()

    def _dial_again(self) -> None:
        """What is being dialled goes by a way that is no more."""
        for visit in self._visits:
            if isinstance(visit.arrival.purpose, Dial) and visit.transport is Transport.TCP:
                self._waiting.append(visit.arrival.purpose)
                self._drop(visit)
        self._dial_more()

    # ---- dialing

    def _queue(self, dial: Dial) -> None:
        """Dial by TCP, as soon as there is a place."""
        self._waiting.append(dial)
        self._dial_more()

    def _abandon(self, dial: Dial) -> None:
        """The peer was reached by another way, before it was by TCP."""
        for visit in self._visits:
            if visit.arrival.purpose is dial and visit.transport is Transport.TCP:
                self._drop(visit)
                return
        self._waiting = deque(waiting for waiting in self._waiting if waiting is not dial)

    @property
    def _may_dial(self) -> bool:
        return self._visits.outgoing < MAX_DIALS and self._pause is None and self._way.is_open

    def _dial_more(self) -> None:
        while self._waiting and self._may_dial:
            dial = self._waiting.popleft()
            try:
                self._encryption.check_means()
                tunnel = self._tunnel_to(dial.endpoint)
                proxy = self._binding.proxy
                sock = transport.begin_dial(dial.endpoint if proxy is None else proxy.endpoint, self._binding,
                                            self._tuning)
            except (NetworkError, FormatError) as error:
                self._races.failed(dial, Transport.TCP, error.code, error.detail)
                continue
            except OSError as error:
                if transport.is_shortage(error):
                    self._waiting.appendleft(dial)
                    self._hold_back()
                else:
                    self._races.failed(dial, Transport.TCP, transport.error_code(error), error.strerror or "")
                continue
            visit = Visit(sock, dial.endpoint, Arrival(dial, self._served.get, tunnel, self._encryption))
            self._visits.add(visit)
            self._loop.register(sock, EVENT_WRITE, partial(self._on_dialed, visit))
            self._set_deadline(visit, CONNECT_TIMEOUT_S)

    def _tunnel_to(self, endpoint: Endpoint) -> Tunnel | None:
        proxy = self._binding.proxy
        return None if proxy is None else proxy.tunnel_to(endpoint.host, endpoint.port)

    def _on_dialed(self, visit: Visit, _mask: int) -> None:
        status = visit.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if status:
            self._refuse(visit, _broken(OSError(status, "connect failed")))
            return
        self._loop.unregister(visit.sock)
        if isinstance(visit.arrival.purpose, Dial) and self._binding.proxy is None:
            self._races.connected(visit.arrival.purpose, Transport.TCP)
        if self._send(visit, visit.arrival.connected()):
            self._await_greeting(visit)

    # ---- greeting

    def _await_greeting(self, visit: Visit) -> None:
        self._loop.register(visit.sock, EVENT_READ, partial(self._on_greeting, visit))
        self._set_deadline(visit, GREETING_TIMEOUT_S)

    def _on_greeting(self, visit: Visit, _mask: int) -> None:
        try:
            data = visit.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._refuse(visit, _broken(error))
            return
        if not data:
            self._refuse(visit, NetworkError("net.reset", "closed before it greeted"))
            return
        self._converse(visit, visit.arrival.feed, data)

    def _converse(self, visit: Visit, listen: Callable[..., bytes], *heard: bytes) -> None:
        """Say what there is to say to what was heard, and let the peer in when it has said all."""
        try:
            if not self._send(visit, listen(*heard)):
                return
            admitted = visit.arrival.admit()
        except (PeerError, NetworkError) as error:
            self._refuse(visit, error)
            return
        if visit.arrival.must_wait:
            self._let_wait(visit)
        purpose = visit.arrival.purpose
        if admitted is None or purpose is None:
            return
        self._encryption.on_admitted(visit.arrival)
        self._forget(visit)
        if isinstance(purpose, Dial):
            self._races.greeted(purpose)
            if visit.transport is Transport.TCP:
                self._way.note_proxy(None)
        greeting, early = admitted
        arrivals = purpose.arrivals if isinstance(purpose, Serve) else purpose.reply_to
        arrivals.post(PeerArrived(
            purpose.info_hash, visit.sock, visit.endpoint, greeting, early, visit.arrival.is_incoming,
            visit.transport.value, visit.arrival.obfuscation))

    def _let_wait(self, visit: Visit) -> None:
        """It wants a handshake, and there were so many just now: read it no more for a moment."""
        def go_on() -> None:
            if visit in self._visits:
                self._loop.register(visit.sock, EVENT_READ, partial(self._on_greeting, visit))
                self._converse(visit, visit.arrival.resume)

        self._loop.unregister(visit.sock)
        self._loop.timers.at(self._loop.now + WORK_S, go_on)

    def _send(self, visit: Visit, data: bytes) -> bool:
        """Send our greeting, or words to a proxy. False when the connection broke, and is gone."""
        try:
            # The buffer of a new connection is empty, so few bytes fit or the connection is of no use.
            if data and visit.sock.send(data) != len(data):
                raise OSError("no room for a greeting")
        except OSError as error:
            self._refuse(visit, _broken(error))
            return False
        return True

    # ---- the ends

    def _set_deadline(self, visit: Visit, timeout_s: float) -> None:
        if visit.deadline is not None:
            visit.deadline.cancel()
        visit.deadline = self._loop.timers.at(self._loop.now + timeout_s, partial(self._on_late, visit, timeout_s))

    def _on_late(self, visit: Visit, timeout_s: float) -> None:
        self._refuse(visit, NetworkError("net.timed-out", f"nothing in {timeout_s:g} s"))

    def _refuse(self, visit: Visit, reason: BlobTorrentError) -> None:
        purpose = visit.arrival.purpose
        if self._binding.proxy is not None and visit.arrival.state is State.DIALING and reason.code != WITHDRAWN:
            reason = ProxyFailed("proxy.down", f"the proxy {self._binding.proxy.endpoint}: {reason.detail}")
        if isinstance(purpose, Dial) and reason.code in _PROXY_IS_AT_FAULT:
            self._way.rest(reason)
            self._waiting.append(purpose)
            self._drop(visit)
            return
        is_met = visit.arrival.state in (State.GREETING, State.ENCRYPTING)
        if isinstance(purpose, Dial) and is_met and visit.transport is Transport.TCP:
            self._way.note_proxy(None)
        then = self._encryption.on_refused(visit.arrival, reason)
        if isinstance(then, Dial):
            assert isinstance(purpose, Dial)
            self._drop(visit)
            self._races.again(purpose, then, visit.transport)
            return
        reason = then
        self._drop(visit)
        log.debug("refused a peer", peer=visit.endpoint, code=reason.code)
        if isinstance(purpose, Dial):
            self._races.failed(purpose, visit.transport, reason.code, reason.detail)
        elif purpose is not None and reason.code == "encryption.required":
            purpose.arrivals.post(PeerRefused(purpose.info_hash, visit.endpoint, reason.code, reason.detail))

    def _drop(self, visit: Visit) -> None:
        self._forget(visit)
        visit.sock.close()
        visit.arrival.refuse()

    def _forget(self, visit: Visit) -> None:
        """Give up the place of a half-made connection; its socket stays open."""
        self._visits.remove(visit)
        if visit.deadline is not None:
            visit.deadline.cancel()
        try:
            self._loop.unregister(visit.sock)
        except KeyError:               # between dial and greeting, or dropped by the loop after an unexpected error
            pass
        if not visit.arrival.is_incoming:
            self._dial_more()

    def _withdraw(self, message: Withdraw) -> None:
        gone = NetworkError(WITHDRAWN, "the torrent was withdrawn")
        for wire_hash in message.info_hash.wire_forms:
            serve = self._served.get(wire_hash)
            if serve is not None and serve.info_hash == message.info_hash:
                del self._served[wire_hash]
        self._races.withdraw(message.info_hash, gone.code, gone.detail)
        self._encryption.on_served(message.info_hash.wire_forms)
        dropped = [dial for dial in self._waiting if dial.info_hash == message.info_hash]
        self._waiting = deque(dial for dial in self._waiting if dial.info_hash != message.info_hash)
        for dial in dropped:
            self._races.failed(dial, Transport.TCP, gone.code, gone.detail)
        for visit in self._visits:
            purpose = visit.arrival.purpose
            if purpose is not None and purpose.info_hash == message.info_hash:
                self._refuse(visit, gone)

    def _close(self) -> None:
        closing = NetworkError(WITHDRAWN, "shutting down")
        self._listeners.close()
        self._way.close()
        self._races.withdraw(None, closing.code, closing.detail)
        while self._waiting:
            self._races.failed(self._waiting.popleft(), Transport.TCP, closing.code, closing.detail)
        for visit in self._visits:
            self._refuse(visit, closing)


def _broken(error: OSError) -> NetworkError:
    return NetworkError(transport.error_code(error), error.strerror or str(error))


def _answer_failed(dial: Dial, code: str, detail: str) -> None:
    dial.reply_to.post(DialFailed(dial.info_hash, dial.endpoint, code, detail))
