"""What the settings give up of the protection that is usual, in words for the log, the session and `why`. Pure."""

from __future__ import annotations

from blobtorrent.config.schema import NetworkSettings

_MEANING = "anybody on the way can answer in their place and read passkeys"


def unchecked_servers(network: NetworkSettings) -> tuple[str, ...]:
    """Of which HTTPS servers the certificates are not checked, or not for their names: one text for each setting."""
    texts = []
    if not network.tls_verify:
        texts.append(f"network.tls_verify is false: certificates of HTTPS servers are not checked: {_MEANING}")
    elif not network.tls_verify_host:
        texts.append("network.tls_verify_host is false: certificates of HTTPS servers may be of any other name: "
                     f"{_MEANING}")
    if network.tls_verify and network.tls_unchecked_hosts:
        texts.append(f"network.tls_unchecked_hosts: certificates of {', '.join(network.tls_unchecked_hosts)} are not "
                     f"checked: {_MEANING}")
    return tuple(texts)
