"""Peers that are given by name: the addresses of a host, or all that a service of the DNS names (RFC 2782). Blocking.

The DNS of a fleet that way tells every node where the others are, without a tracker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.model.address import Endpoint, split_host_port
from blobtorrent.model.errors import NetworkError
from blobtorrent.network.outgoing import look_up

if TYPE_CHECKING:
    from blobtorrent.discovery.httpcall import Deadline
    from blobtorrent.network.binding import Binding

MAX_TARGETS = 64                       # hosts of one service
MAX_FOUND = 256


def resolve_peers(name: str, deadline: Deadline, binding: Binding) -> tuple[Endpoint, ...]:
    """Where the peers of a name are, each once; `name` as `config.values.peer_name` has it. At least one.

    Raises NetworkError ("net.no-such-host", "net.no-such-service", "net.no-name-server", "net.proxy-only",
    "net.interface-gone"), TimedOut.
    """
    if name.startswith("_"):
        return _of_service(name, deadline, binding)
    host, port = split_host_port(name)
    return _of_host(host, int(port), deadline, binding)[:MAX_FOUND]


def _of_service(name: str, deadline: Deadline, binding: Binding) -> tuple[Endpoint, ...]:
    from blobtorrent.network import resolver
    from blobtorrent.protocol.dns import Kind, Service

    services = [record for record in resolver.look_up(binding, name, Kind.SRV, deadline.left_s)
                if isinstance(record, Service) and record.host and record.port]
    services.sort(key=lambda service: (service.priority, -service.weight))
    failure = NetworkError("net.no-such-service", f"{name}: no such service is known")
    found: dict[Endpoint, None] = {}
    for service in services[:MAX_TARGETS]:
        try:
            found.update(dict.fromkeys(_of_host(service.host, service.port, deadline, binding)))
        except NetworkError as error:  # one node of many is gone
            failure = error
    if not found:
        raise failure
    return tuple(found)[:MAX_FOUND]


def _of_host(host: str, port: int, deadline: Deadline, binding: Binding) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(str(address), port) for address in look_up(binding, host, deadline.left_s))
