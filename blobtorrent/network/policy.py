"""From the settings of the network to the policy that its sockets obey."""

from __future__ import annotations

from blobtorrent.config.schema import NetworkSettings
from blobtorrent.model.errors import ConfigError
from blobtorrent.network.binding import NEEDS, Binding, may_confine
from blobtorrent.network.webpolicy import WebPolicy


def binding_of(network: NetworkSettings) -> Binding:
    """Raises ConfigError: "config.bad-login" when the login for the proxy cannot be used, "config.cannot-confine" when
    the kernel does not let us keep to an interface."""
    proxy = None
    if network.proxy is not None:
        from blobtorrent.network.proxy import Proxy, read_login

        login = None if network.proxy_login_file is None else read_login(
            network.proxy_login_file, network.proxy.kind)
        proxy = Proxy(network.proxy, login, is_strict=network.proxy_strict)
    interface = network.interface
    if (interface.name or interface.addresses) and not may_confine():
        raise ConfigError("config.cannot-confine", f"network.interface: {interface}: {NEEDS}")
    return Binding(network.interface, proxy=proxy, allow_loopback=network.allow_loopback,
                   web=web_policy_of(network))


def web_policy_of(network: NetworkSettings) -> WebPolicy:
    """What calls over HTTP obey, by the settings as they are now."""
    return WebPolicy(
        "" if network.tls_ca_file is None else str(network.tls_ca_file),
        "" if network.tls_ca_folder is None else str(network.tls_ca_folder),
        trusts_all=not network.tls_verify, trusts_names=not network.tls_verify_host,
        proxy=network.http_proxy,
        unchecked_hosts=tuple(host.rstrip(".") for host in network.tls_unchecked_hosts))
