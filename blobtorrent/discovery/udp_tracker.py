"""UdpTrackers: announces and scrapes over UDP (BEP 15). Runs on the thread `udp`.

Names are looked up by other threads and remembered for some minutes, so that thousands of torrents of one tracker
cost one question. Of several addresses one is used until it does not answer, then the next. A proxy that carries
datagrams is told the names themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from blobtorrent.discovery.messages import Announce, AnnounceDone, HostResolved, ResolveHost, Scrape, ScrapeDone
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import TrackerError
from blobtorrent.model.reach import address_of, may_ask
from blobtorrent.network.outgoing import known_address
from blobtorrent.network.udp import Traffic, UdpLoop, UdpPort
from blobtorrent.protocol.tracker.announce import AnnounceReply, is_tracker_path
from blobtorrent.protocol.tracker.faults import of_network
from blobtorrent.protocol.tracker.udp import (
    MAX_SCRAPE_HASHES,
    UdpTrackerUrl,
    announce_request,
    read_announced,
    read_scraped,
    scrape_request,
    split_tracker_url,
)
from blobtorrent.protocol.tracker.udpclient import Path, Question, UdpTrackerClient, is_name
from blobtorrent.runtime.histogram import OF_CALLS, Histogram
from blobtorrent.runtime.metrics import Registry

KNOWN_S = 300.0                        # for which the addresses of a name are remembered
UNKNOWN_S = 30.0                       # and that it has none
MAX_NAMES = 1000                       # that are remembered

Order = Announce | Scrape


class _Name:
    """A tracker's host: its addresses, the one to use first, and who waits for them."""

    def __init__(self) -> None:
        self.endpoints: tuple[Endpoint, ...] = ()
        self.error: TrackerError | None = None
        self.valid_until_s = 0.0
        self.waiting: list[Order] = []


class UdpTrackers:
    """Takes Announce and Scrape for udp:// URLs. `resolve` takes ResolveHost; `randbits` as UdpTrackerClient says;
    `admits(host, by)` tells whether a tracker at the address `by` (None: unknown) may name a peer at `host`."""

    def __init__(self, udp: UdpLoop, resolve: Callable[[ResolveHost], None], randbits: Callable[[int], int],
                 admits: Callable[[str, str | None], bool]) -> None:
        self._admits = admits
        self._udp = udp
        self._resolve = resolve
        self._client = UdpTrackerClient(udp.timers, randbits, self._send)
        self._names: dict[tuple[str, int], _Name] = {}
        self.announce_times = Histogram(OF_CALLS)          # from the question on, also of those that failed
        udp.serve(Traffic.TRACKER, self)
        udp.handle(Announce, self._on_order)
        udp.handle(Scrape, self._on_order)
        udp.handle(HostResolved, self._on_resolved)

    def measure(self, registry: Registry) -> None:
        """Have its figures exported."""
        registry.gauge("blobtorrent_udp_tracker_questions", "Questions under way.", lambda: len(self._client))
        registry.total("blobtorrent_udp_tracker_strays_total", "Datagrams that answered no question.",
                       lambda: self._client.strays)

    def on_datagram(self, data: bytes, source: Endpoint, port: UdpPort) -> None:
        self._client.on_datagram(data, port.host, source, self._udp.now)

    # ---- names

    def _on_order(self, order: Order) -> None:
        try:
            parts = split_tracker_url(order.url)
        except TrackerError as error:
            _answer(order, error)
            return
        name = self._name_of(parts.host, parts.port)
        if name.waiting:
            name.waiting.append(order)
        elif self._udp.now < name.valid_until_s:
            self._ask(order, parts, name)
        elif self._udp.takes_names:
            by_name = _Name()
            by_name.endpoints = (Endpoint(str(known_address(parts.host) or parts.host), parts.port),)
            self._ask(order, parts, by_name)
        else:
            name.waiting.append(order)
            self._resolve(ResolveHost(parts.host, parts.port, self._udp.mailbox))

    def _name_of(self, host: str, port: int) -> _Name:
        name = self._names.get((host, port))
        if name is None:
            if len(self._names) >= MAX_NAMES:
                idle = next((key for key, known in self._names.items() if not known.waiting), None)
                if idle is not None:
                    del self._names[idle]
            name = self._names[host, port] = _Name()
        return name

    def _on_resolved(self, answer: HostResolved) -> None:
        name = self._names[answer.host, answer.port]
        name.endpoints = answer.endpoints
        name.error = None if answer.error is None else of_network(answer.error)
        name.valid_until_s = self._udp.now + (KNOWN_S if answer.error is None else UNKNOWN_S)
        waiting, name.waiting = name.waiting, []
        for order in waiting:
            self._ask(order, split_tracker_url(order.url), name)

    # ---- questions

    def _ask(self, order: Order, parts: UdpTrackerUrl, name: _Name) -> None:
        via = ""
        try:
            if name.error is not None:
                raise name.error
            endpoint = self._endpoint_of(order, parts, name)
            if isinstance(order, Announce) and order.origin.host:
                port = self._udp.port_for(is_ipv6=endpoint.is_ipv6, host=order.origin.host)
                if port is None:
                    raise TrackerError("tracker.unreachable", f"cannot send from {order.origin.host}")
                via = port.host
        except TrackerError as error:
            _answer(order, error)
            return
        make, read = _codec_of(order, parts, is_ipv6=endpoint.is_ipv6)
        now = self._udp.now
        on_end = partial(self._on_end, order, name, endpoint, now)
        self._client.ask(Question(Path(via, endpoint), make, read, on_end), order.timeout_s, now)

    def _endpoint_of(self, order: Order, parts: UdpTrackerUrl, name: _Name) -> Endpoint:
        """Raises TrackerError ("tracker.no-address", "tracker.forbidden-address")."""
        family = order.origin.family if isinstance(order, Announce) else 0
        fitting = [one for one in name.endpoints if is_name(one) or family in (0, 6 if one.is_ipv6 else 4)]
        if not fitting:
            raise TrackerError("tracker.no-address", f"{parts.host} has no IPv{family or 4} address")
        allowed = [one for one in fitting if is_name(one) or may_send(one, parts.url_data)]
        if not allowed:
            raise TrackerError("tracker.forbidden-address", f"{parts.host} lies where strangers may not send us")
        return allowed[0]

    def _on_end(self, order: Order, name: _Name, endpoint: Endpoint, asked_at_s: float, result: Any) -> None:
        if isinstance(order, Announce):
            self.announce_times.note(self._udp.now - asked_at_s)
        if isinstance(result, TrackerError) and result.code == "tracker.timed-out" and endpoint in name.endpoints:
            others = tuple(one for one in name.endpoints if one != endpoint)
            name.endpoints = (*others, endpoint)
        if isinstance(result, AnnounceReply):
            by = None if is_name(endpoint) else endpoint.host
            admitted = tuple(one for one in result.endpoints if self._admits(one.host, by))
            result = result._replace(endpoints=admitted)
        _answer(order, result)

    def _send(self, path: Path, packet: bytes) -> None:
        is_ipv6 = path.to.is_ipv6
        if is_name(path.to) and not self._udp.takes_names:
            return                     # the proxy carries datagrams no more: the next question is asked without it
        self._udp.send(packet, path.to, self._udp.port_for(is_ipv6=is_ipv6, host=path.via))


def may_send(endpoint: Endpoint, url_data: bytes) -> bool:
    """Whether a stranger's URL may have us send there; on this machine only where a tracker could be, as over HTTP."""
    path = url_data.partition(b"?")[0].decode("ascii", "replace")
    return may_ask(address_of(endpoint.host), came_from_public=False, on_loopback=not path or is_tracker_path(path))


def _codec_of(order: Order, parts: UdpTrackerUrl, *, is_ipv6: bool) -> tuple[
        Callable[[int, int], bytes], Callable[[bytes], Any]]:
    if isinstance(order, Announce):
        query = order.query
        return (lambda connection_id, transaction_id: announce_request(
                    connection_id, transaction_id, query, parts.url_data),
                partial(read_announced, is_ipv6=is_ipv6))
    hashes = order.wire_hashes[:MAX_SCRAPE_HASHES]
    return (lambda connection_id, transaction_id: scrape_request(connection_id, transaction_id, hashes),
            lambda data: read_scraped(data, len(hashes)))


def _answer(order: Order, result: Any) -> None:
    if isinstance(order, Scrape):
        if isinstance(result, TrackerError):
            order.reply_to.post(ScrapeDone(order.url, order.wire_hashes, error=result))
        else:
            order.reply_to.post(ScrapeDone(order.url, order.wire_hashes, dict(zip(order.wire_hashes, result))))
        return
    done = AnnounceDone(order.info_hash, order.url, order.query, origin=order.origin)
    if isinstance(result, AnnounceReply):
        order.reply_to.post(done._replace(endpoints=result.endpoints, reply=result))
    else:
        order.reply_to.post(done._replace(error=result))
