"""Client: the daemon's REST interface as the remote commands use it, over a UNIX socket or TCP."""

from __future__ import annotations

import argparse
import http.client
import ipaddress
import json
import os
import socket
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from blobtorrent.config.places import SYSTEM_RUNTIME_DIR, runtime_dir, state_dir
from blobtorrent.daemon.pidfile import PID_FILE, running_process
from blobtorrent.model.errors import BlobTorrentError, Invalid, NetworkError

TIMEOUT_S = 60.0                       # the daemon itself gives up on everything before
DEFAULT_URL = "http://127.0.0.1:7070"
SOCKET_FILE = "rest.sock"
TOKEN_FILE = "admin.token"
MAX_TOKEN = 1024
MAX_ANSWER_BYTES = 1 << 30

_PORTS = {"http": 80, "https": 443}


class ApiError(BlobTorrentError):
    """The daemon refused; code and detail are its own."""


class Answer(NamedTuple):
    status: int
    value: Any                         # the JSON of the body, None without one


class Client:
    """One daemon. Everything raises ApiError when it refuses, NetworkError ("client.*") when it cannot be talked to."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """Raises Invalid ("client.bad-url")."""
        self._url = url
        self._headers = {"Accept": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._connection, self._base = _connection_for(url)

    def get(self, path: str, **query: str | None) -> Any:
        """Parameters that are None are left out."""
        return self.request("GET", path, query=query).value

    def request(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str | None] | None = None
    ) -> Answer:
        """One request; `path` begins with /v1, `body` is sent as JSON."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = self._base + quote(path) + (f"?{urlencode(given)}" if given else "")
        headers = self._headers
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers = {**headers, "Content-Type": "application/json"}
        try:
            self._connection.request(method, target, data, headers)
            response = self._connection.getresponse()
            raw = response.read(MAX_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise self._unreachable(error) from None
        try:
            value = json.loads(raw) if raw else None
        except ValueError:
            raise NetworkError("client.bad-answer", f"{self._url} does not answer as BlobTorrent does") from None
        if response.status >= 400:
            raise _refusal(response.status, value)
        return Answer(response.status, value)

    def _unreachable(self, error: Exception) -> NetworkError:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        process = _process_at(self._url, os.environ)
        advice = "" if process is None else f"; process {process} may be starting or ending: try again"
        return NetworkError("client.unreachable", f"cannot talk to the daemon at {self._url}: {reason}{advice}")


def client_options() -> argparse.ArgumentParser:
    """The options of every remote command, as a parent parser."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--url", metavar="URL", help="the daemon: http://HOST:PORT or unix:PATH "
                        "(default: BLOBTORRENT_URL, else the daemon of this user or machine)")
    parser.add_argument("--token-file", type=Path, metavar="FILE",
                        help="file with the token for the daemon (default: BLOBTORRENT_TOKEN_FILE)")
    parser.add_argument("--json", action="store_true", help="print what the daemon answered, as JSON")
    return parser


def connect(args: Namespace, environ: Mapping[str, str] = os.environ) -> Client:
    """The client that the options and the environment name. Raises Invalid."""
    given = args.url or environ.get("BLOBTORRENT_URL")
    url = given or default_url(environ)
    named = args.token_file or environ.get("BLOBTORRENT_TOKEN_FILE")
    if named:
        return Client(url, _read_token(Path(named)))
    # The usual port, where nobody said that it is ours: while our daemon does not run, anybody may wait there for it.
    return Client(url, _own_token(url, environ) if given or url != DEFAULT_URL else None)


def default_url(environ: Mapping[str, str]) -> str:
    """The socket of a daemon that runs as this user, else of the machine's, else the usual port."""
    for folder in _runtime_dirs(environ):
        if os.path.exists(folder / SOCKET_FILE):           # no, when we may not look into the folder
            return f"unix:{folder / SOCKET_FILE}"
    return DEFAULT_URL


def _runtime_dirs(environ: Mapping[str, str]) -> tuple[Path, Path]:
    return runtime_dir(None, environ, state_dir(None, environ)), SYSTEM_RUNTIME_DIR


def _process_at(url: str, environ: Mapping[str, str]) -> str | None:
    """The daemon that is to be at a URL but does not listen there (yet): its pid file tells."""
    if url.startswith("unix:"):
        folders: tuple[Path, ...] = (Path(url.removeprefix("unix:")).parent,)
    else:
        folders = _runtime_dirs(environ) if url == DEFAULT_URL else ()
    numbers = (running_process(folder / PID_FILE) for folder in folders)
    return next((number for number in numbers if number is not None), None)


def _own_token(url: str, environ: Mapping[str, str]) -> str | None:
    """The token of this user's daemon, for addresses that only this machine has; None when there is none."""
    if not url.startswith("unix:") and not _is_loopback(urlsplit(url).hostname or ""):
        return None
    try:
        return _read_token(state_dir(None, environ) / TOKEN_FILE)
    except Invalid:
        return None


def _read_token(path: Path) -> str:
    try:
        with path.open("rb") as file:
            token = file.read(MAX_TOKEN).decode("ascii").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a token"
        raise Invalid("client.bad-token-file", f"{path}: {reason}") from None
    if not token or not token.isprintable():
        raise Invalid("client.bad-token-file", f"{path}: not a token")
    return token


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _connection_for(url: str) -> tuple[http.client.HTTPConnection, str]:
    """What to ask, and what comes before every path."""
    if url.startswith("unix:") and len(url) > len("unix:"):
        return _UnixConnection(url.removeprefix("unix:")), ""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        port = None
    if port is None or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise Invalid("client.bad-url", f"{url}: write http://HOST:PORT, https://HOST:PORT or unix:PATH")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, port, timeout=TIMEOUT_S), parts.path.rstrip("/")


def _refusal(status: int, value: Any) -> ApiError:
    """The daemon's own words, or, from something in between, its status."""
    problem = value if isinstance(value, dict) else {}
    code, detail = problem.get("code"), problem.get("detail")
    if isinstance(code, str) and isinstance(detail, str):
        return ApiError(code, detail)
    return ApiError("client.http-status", f"HTTP status {status}")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
