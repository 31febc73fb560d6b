"""From the settings of the network to the policy that its sockets obey."""

from __future__ import annotations

from blobtorrent.config.schema import NetworkSettings
from blobtorrent.network.binding import Binding
from blobtorrent.network.proxy import open_proxy


def binding_of(network: NetworkSettings) -> Binding:
    """Raises ConfigError ("config.bad-login") when the login for the proxy cannot be read."""
    proxy = open_proxy(network.proxy, network.proxy_login_file, is_strict=network.proxy_strict)
    return Binding(network.interface, proxy=proxy, allow_loopback=network.allow_loopback)
