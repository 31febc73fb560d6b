"""WebPolicy: what all calls over HTTP obey besides the binding: whom they trust, and their own proxy."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import NamedTuple

from blobtorrent.config.values import ProxySpec


class WebPolicy(NamedTuple):
    """Authorities in a file and a folder of OpenSSL's form, instead of the system's where one of them is given.

    A server's certificate must come from one of them, and must name the host that was called, unless it `trusts_all`
    or `trusts_names`, or that host is one of `unchecked_hosts`, which are in lower case. With a `proxy` all calls go
    through it, and not through the one of other connections.
    """

    ca_file: str = ""
    ca_folder: str = ""
    trusts_all: bool = False
    trusts_names: bool = False
    proxy: ProxySpec | None = None
    unchecked_hosts: tuple[str, ...] = ()

    def for_host(self, host: str) -> "WebPolicy":
        """What the certificate of one host is judged by, and nothing else."""
        return self._replace(proxy=None, unchecked_hosts=(),
                             trusts_all=self.trusts_all or host.lower().rstrip(".") in self.unchecked_hosts)


USUAL = WebPolicy()
