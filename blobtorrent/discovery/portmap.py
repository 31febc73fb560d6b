"""Thread `portmap`: asks the router of our network to pass ports on to us, by PCP, NAT-PMP or UPnP. Blocking.

Only who is on our own network is believed: the default gateway, or a UPnP device whose address lies in one of our
networks and that tells nothing of other hosts. Every conversation has an end in time.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from blobtorrent.discovery.mapmessages import MapPort, PortMapFailed, PortMapped, UnmapPort
from blobtorrent.discovery.upnpcall import UpnpRouter, find_router
from blobtorrent.model.errors import BlobTorrentError, FormatError, NetworkError
from blobtorrent.network.binding import Binding
from blobtorrent.network.interfaces import survey
from blobtorrent.protocol import natpmp, pcp
from blobtorrent.protocol.portmap import Mapping, Transport
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import Worker

log = get_logger(__name__)

T = TypeVar("T")

TRIES_S = (0.25, 0.5, 1.0, 2.0)        # between two datagrams to a router (RFC 6886, 3.1)
LAST_TRY_S = (0.5,)                    # when we go
MAX_STRAYS = 16                        # datagrams of a try that are no answer
WAYS = ("pcp", "nat-pmp", "upnp")      # the better one first


class Router(NamedTuple):
    """The default gateway, and which address of ours is on its network."""

    host: str
    source: str


class _Held(NamedTuple):
    """What a router agreed to, and how it is asked to forget it."""

    way: str
    external_port: int
    nonce: bytes
    upnp: UpnpRouter | None


class PortMapper:
    """Takes MapPort and UnmapPort in its `mailbox`. `ways` are those that may be tried, in this order."""

    def __init__(self, binding: Binding, ways: tuple[str, ...] = WAYS, find: Callable[[], Router] | None = None,
                 ) -> None:
        self._binding = binding
        self._ways = ways
        self._find = find or self._gateway
        self._held: dict[tuple[Transport, int], _Held] = {}
        self.mailbox: Mailbox[MapPort | UnmapPort] = Mailbox("portmap")
        self._worker: Worker[MapPort | UnmapPort] = Worker("portmap", self.mailbox, self._on_order)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """Take back what is to be, then end. True when that was done in time."""
        return self._worker.stop(timeout_s)

    def _on_order(self, order: MapPort | UnmapPort) -> None:
        if isinstance(order, UnmapPort):
            try:
                self._unmap(order)
            except (NetworkError, FormatError, OSError) as error:
                log.debug("the router keeps a mapping", port=order.port, detail=str(error))
            return
        answer: PortMapped | PortMapFailed = PortMapFailed(
            order.transport, order.port, NetworkError("portmap.failed", "our own mistake; the log has it"))
        try:
            answer = self._map(order)
        except NetworkError as error:
            answer = PortMapFailed(order.transport, order.port, error)
        finally:
            order.reply_to.post(answer)        # whatever happens, or it would be waited for for ever

    def _map(self, order: MapPort) -> PortMapped:
        """Raises NetworkError ("portmap.no-router", "portmap.no-answer", "portmap.refused")."""
        failure = NetworkError("portmap.no-answer", "no router answers")
        held = self._held.get((order.transport, order.port))
        for way in sorted(self._ways, key=lambda way: held is None or way != held.way):
            same = held if held is not None and held.way == way else _Held(way, 0, os.urandom(pcp.NONCE_BYTES), None)
            try:
                mapping, upnp = self._map_by(same, order)
                if not mapping.external_port:
                    raise NetworkError("portmap.refused", "the router names no port outside")
            except BlobTorrentError as error:
                # That somebody refused tells more than that nobody was there.
                if failure.code == "portmap.no-answer":
                    failure = NetworkError(error.code, f"{way}: {error.detail}")
            except OSError as error:
                if failure.code == "portmap.no-answer":
                    failure = NetworkError("portmap.no-answer", f"{way}: {error.strerror or error}")
            else:
                self._held[order.transport, order.port] = same._replace(
                    external_port=mapping.external_port, upnp=upnp)
                return PortMapped(mapping, way)
        raise failure

    def _map_by(self, held: _Held, order: MapPort) -> tuple[Mapping, UpnpRouter | None]:
        transport, port = order.transport, order.port
        if held.way == "upnp":
            if held.upnp is not None and any(own.host == held.upnp.source for own in survey().addresses):
                try:
                    return held.upnp.map(transport, port, order.wished_port, order.lifetime_s), held.upnp
                except (NetworkError, FormatError):
                    pass               # another router by now, or elsewhere; as when we have another address
            upnp = find_router(self._binding)
            return upnp.map(transport, port, order.wished_port, order.lifetime_s), upnp
        router = self._find()
        if held.way == "pcp":
            question = pcp.ask_mapping(
                transport, port, order.wished_port, order.lifetime_s, source=router.source, nonce=held.nonce)
            return self._ask(
                router, question, lambda data: pcp.read_mapping(data, transport, port, held.nonce)), None
        mapping = self._ask(router, natpmp.ask_mapping(transport, port, order.wished_port, order.lifetime_s),
                            lambda data: natpmp.read_mapping(data, transport, port))
        try:
            host = self._ask(router, natpmp.ASK_ADDRESS, natpmp.read_address)
        except (NetworkError, OSError):            # the port is mapped all the same
            host = ""
        return mapping._replace(external_host=host), None

    def _unmap(self, order: UnmapPort) -> None:
        transport, port = order.transport, order.port
        held = self._held.pop((transport, port), None)
        if held is None:
            return
        if held.upnp is not None:
            held.upnp.unmap(transport, held.external_port)
        elif held.way == "pcp":
            router, nonce = self._find(), held.nonce
            self._ask(router, pcp.ask_mapping(transport, port, 0, 0, source=router.source, nonce=nonce),
                      lambda data: pcp.read_mapping(data, transport, port, nonce), LAST_TRY_S)
        else:
            self._ask(self._find(), natpmp.ask_mapping(transport, port, 0, 0),
                      lambda data: natpmp.read_mapping(data, transport, port), LAST_TRY_S)

    def _ask(self, router: Router, question: bytes, read: Callable[[bytes], T], tries_s: tuple[float, ...] = TRIES_S,
             ) -> T:
        """Send until there is an answer; the socket hears nobody but the router. Raises what `read` does, OSError,
        NetworkError ("portmap.no-answer")."""
        with self._binding.open_at(router.source, 0, socket.SOCK_DGRAM) as sock:
            sock.connect((router.host, pcp.PORT))
            for pause_s in tries_s:
                sock.send(question)
                end_s = time.monotonic() + pause_s
                for _ in range(MAX_STRAYS):
                    sock.settimeout(max(0.001, end_s - time.monotonic()))
                    try:
                        return read(sock.recv(pcp.MAX_BYTES))
                    except TimeoutError:
                        break
                    except FormatError:
                        continue
        raise NetworkError("portmap.no-answer", "the router does not answer")

    def _gateway(self) -> Router:
        """Raises NetworkError ("portmap.no-router", "net.no-netlink")."""
        found = survey(with_routes=True)
        ours = self._binding.sources if self._binding.is_confined else tuple(own.host for own in found.addresses)
        for gateway in sorted(found.gateways, key=lambda gateway: gateway.metric):
            host = ipaddress.ip_address(gateway.host)
            for own in found.addresses:
                network = ipaddress.ip_interface(f"{own.host}/{own.prefix_bits}").network
                if host.version == 4 and own.interface == gateway.interface and host in network and own.host in ours:
                    return Router(gateway.host, own.host)
        raise NetworkError("portmap.no-router", "no router is known that ports could be mapped at")
