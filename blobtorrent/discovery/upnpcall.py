"""Finds a UPnP gateway on our networks and asks it, over HTTP. Blocking."""

from __future__ import annotations

import ipaddress
import socket
import time
from urllib.parse import urlsplit

from blobtorrent.discovery.httpcall import USER_AGENT, Deadline, exchange, failure_of, split_url, target_of
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import FormatError, NetworkError
from blobtorrent.network.binding import Binding
from blobtorrent.network.interfaces import survey
from blobtorrent.protocol import upnp
from blobtorrent.protocol.netlink import OwnAddress
from blobtorrent.protocol.portmap import Mapping, Transport
from blobtorrent.runtime.clock import SystemClock

SEARCH_S = 2.5                         # for gateways to answer: they wait up to 2 s
CALL_S = 5.0                           # for one request
MAX_ANSWERS = 64                       # to a search
MAX_DATAGRAM = 2048
HTTP_OK = 200
PORT = 80
_TTL = 2


class UpnpRouter:
    """A gateway that was found. `host` is its address, `source` ours on its network."""

    def __init__(self, control: upnp.Control, host: str, source: str, binding: Binding) -> None:
        self._control = control
        self._host = host
        self.source = source
        self._binding = binding

    def map(self, transport: Transport, port: int, wished_port: int, lifetime_s: int) -> Mapping:
        """Raises NetworkError ("portmap.refused", and those of connections), FormatError."""
        answer = self._call(*upnp.ask_mapping(self._control, transport, port, wished_port, lifetime_s, self.source))
        if upnp.wants_permanent(answer):
            lifetime_s = 0
            answer = self._call(*upnp.ask_mapping(self._control, transport, port, wished_port, 0, self.source))
        mapping = upnp.mapping_of(answer, transport, port, wished_port, lifetime_s)
        return mapping._replace(external_host=self._external_host())

    def unmap(self, transport: Transport, external_port: int) -> None:
        """Raises as `map` does."""
        self._call(*upnp.ask_removal(self._control, transport, external_port))

    def _external_host(self) -> str:
        """Nothing when the router does not tell: the port is mapped all the same."""
        try:
            told = self._call(*upnp.ask_address(self._control)).values.get("NewExternalIPAddress", "")
            return str(ipaddress.ip_address(told))
        except (NetworkError, FormatError, ValueError):
            return ""

    def _call(self, action: str, body: bytes) -> upnp.Answer:
        status, data = _exchange(self._control.url, self._host, self._binding, "POST", body, (
            'Content-Type: text/xml; charset="utf-8"', f"SOAPAction: {action}"))
        answer = upnp.read_answer(data, action)
        if status != HTTP_OK and not answer.error:
            raise FormatError("portmap.bad-answer", f"the router: HTTP status {status}")
        return answer


def find_router(binding: Binding) -> UpnpRouter:
    """The first gateway of our networks that maps ports. Raises NetworkError ("portmap.no-router", ...), FormatError.
    """
    own = [one for one in survey().addresses if ":" not in one.host and not one.host.startswith("127.")
           and (not binding.is_confined or one.host in binding.sources)]
    failure: NetworkError | FormatError = NetworkError("portmap.no-router", "no UPnP gateway answers")
    for address in own:
        for host, location in _search(binding, address).items():
            try:
                control = upnp.read_description(_exchange(location, host, binding, "GET")[1], location)
            except (NetworkError, FormatError) as error:
                failure = error
            else:
                return UpnpRouter(control, host, address.host, binding)
    raise failure


def _search(binding: Binding, own: OwnAddress) -> dict[str, str]:
    """Where the gateways of one of our networks that answer describe themselves, by their addresses."""
    network = ipaddress.ip_interface(f"{own.host}/{own.prefix_bits}").network
    found: dict[str, str] = {}
    with binding.open_at(own.host, 0, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _TTL)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own.host))
        try:
            for search in upnp.searches():
                sock.sendto(search, upnp.GROUP)
        except OSError:                # no way to groups from this address
            return found
        end_s = time.monotonic() + SEARCH_S
        for _ in range(MAX_ANSWERS):
            sock.settimeout(max(0.001, end_s - time.monotonic()))
            try:
                data, (host, _) = sock.recvfrom(MAX_DATAGRAM)
                location = upnp.read_location(data)
            except TimeoutError:
                break
            except FormatError:
                continue
            # A device speaks for itself alone, and from our own network.
            if ipaddress.ip_address(host) in network and urlsplit(location).hostname == host:
                found.setdefault(host, location)
    return found


def _exchange(url: str, host: str, binding: Binding, method: str, body: bytes = b"", headers: tuple[str, ...] = (),
              ) -> tuple[int, bytes]:
    """Any answer's status and body. Raises NetworkError.

    Nobody but `host` is asked, which is an address, and without a proxy: that one has other neighbours than we.
    """
    parts = split_url(url)
    if parts.hostname != host:
        raise NetworkError("net.forbidden-address", f"the gateway {host} sends us to {parts.hostname}")
    endpoint = Endpoint(host, parts.port or PORT)
    deadline = Deadline(SystemClock(), CALL_S)
    lines = [f"{method} {target_of(parts)} HTTP/1.1", f"Host: {parts.netloc}", f"User-Agent: {USER_AGENT}",
             f"Content-Length: {len(body)}", *headers, "Connection: close", "", ""]
    try:
        with binding.stream_to(endpoint.host, endpoint.port) as sock:
            sock.settimeout(deadline.left_s())
            sock.connect(endpoint)
            answer = exchange(sock, "\r\n".join(lines).encode("ascii") + body, deadline, upnp.MAX_BYTES)
            return answer.status, bytes(answer.body)
    except OSError as error:
        raise failure_of(error) from None
