"""WebPolicy: what all calls over HTTP obey besides the binding: whom they trust, and their own proxy."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import NamedTuple

from blobtorrent.config.values import ProxySpec


class WebPolicy(NamedTuple):
    """Authorities in a file and a folder of OpenSSL's form, instead of the system's where one of them is given.

    A server's certificate must come from one of them, and must name the host that was called, unless it `trusts_all`
    or `trusts_names`. With a `proxy` all calls go through it, and not through the one of other connections.
    """

    ca_file: str = ""
    ca_folder: str = ""
    trusts_all: bool = False
    trusts_names: bool = False
    proxy: ProxySpec | None = None


USUAL = WebPolicy()
