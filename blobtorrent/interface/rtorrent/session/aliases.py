"""Names that rTorrent 0.16 has for commands which go by their names of 0.9 here, and short ones of these."""

from __future__ import annotations

from typing import Final

from blobtorrent.interface.rtorrent.registry import Registry

NAMES_OF_16: Final = {
    "execute": "execute2",
    "network.http.max_open": "network.http.max_total_connections",
    "network.http.max_open.set": "network.http.max_total_connections.set",
    "network.listen.port.random": "network.port_random",
    "network.listen.port.random.set": "network.port_random.set",
    "network.listen.port.range": "network.port_range",
    "network.listen.port.range.set": "network.port_range.set",
    "network.proxy.global": "network.proxy_address",
    "network.proxy.global.set": "network.proxy_address.set",
    "network.proxy.http": "network.http.proxy_address",
    "network.proxy.http.set": "network.http.proxy_address.set",
    "proxy_address": "network.proxy_address.set",
    "schedule": "schedule2",
    "schedule.remove": "schedule_remove2",
    "schedule_remove": "schedule_remove2",
    "system.sockets.max_size": "network.max_open_sockets",
    "system.sockets.max_size.set": "network.max_open_sockets.set",
    "system.sockets.size": "network.open_sockets",
}


def add_names(registry: Registry) -> None:
    """Where nothing has the name yet."""
    for alias, name in NAMES_OF_16.items():
        if alias not in registry:
            registry.redirect(alias, name)
