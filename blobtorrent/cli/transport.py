"""Transport: HTTP to the daemon over TCP, TLS or a UNIX socket. Loaded only by commands that talk to a daemon."""

from __future__ import annotations

import socket
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from blobtorrent.model.errors import Invalid

__all__ = ["HTTPConnection", "HTTPException", "HTTPResponse", "Place", "open_connection", "parse_place"]

_PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """Where a daemon listens. `path` is that of a UNIX socket, or what comes before every path of requests over TCP."""

    scheme: str                        # http, https or unix
    host: str
    port: int
    path: str


def parse_place(url: str) -> Place:
    """Read http://HOST:PORT, https://HOST:PORT or unix:PATH. Raises Invalid ("client.bad-url")."""
    if url.startswith("unix:") and len(url) > len("unix:"):
        return Place("unix", "localhost", 0, url.removeprefix("unix:"))
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        port = None
    if (
        port is None or parts.scheme not in _PORTS or not parts.hostname
        or parts.query or parts.fragment or parts.username is not None
    ):
        raise Invalid("client.bad-url", f"{url}: write http://HOST:PORT, https://HOST:PORT or unix:PATH")
    return Place(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))


def open_connection(place: Place, *, timeout_s: float | None, ca_file: Path | None = None) -> HTTPConnection:
    """A connection that opens itself with the first request.

    `ca_file` holds the certificates that an https server may prove itself with, besides those that the system trusts.
    Raises Invalid ("client.bad-ca-file").
    """
    if place.scheme == "unix":
        return _UnixConnection(place.path, timeout_s)
    if place.scheme == "http":
        return HTTPConnection(place.host, place.port, timeout=timeout_s)
    import ssl

    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:       # an SSLError is one
            raise Invalid("client.bad-ca-file", f"{ca_file}: {error.strerror or 'no certificate'}") from None
    return HTTPSConnection(place.host, place.port, timeout=timeout_s, context=context)


class _UnixConnection(HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str, timeout_s: float | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
