"""Client: the daemon's REST interface as the remote commands use it, over a UNIX socket or TCP."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from blobtorrent.cli.paint import color_options
from blobtorrent.config.places import SYSTEM_RUNTIME_DIR, runtime_dir, state_dir
from blobtorrent.model.errors import BlobTorrentError, Invalid, NetworkError, TimedOut

if TYPE_CHECKING:
    import socket

    from blobtorrent.cli.transport import HTTPResponse

TIMEOUT_S = 60.0                       # the daemon itself gives up on everything before
DEFAULT_URL = "http://127.0.0.1:7070"
SOCKET_FILE = "rest.sock"
TOKEN_FILE = "admin.token"             # noqa: S105  what a file is called
MAX_TOKEN = 1024
MAX_ANSWER_BYTES = 1 << 30
CHUNK_BYTES = 1 << 16

_STALE = (ConnectionResetError, BrokenPipeError)       # the daemon closed the connection, which was idle, meanwhile


class ApiError(BlobTorrentError):
    """The daemon refused; code and detail are its own."""


class Answer(NamedTuple):
    status: int
    value: Any                         # the JSON object of the body, None without one


class _Object(dict[str, Any]):
    """A JSON object of an answer. What should be in it and is not is no mistake of ours."""

    def __missing__(self, key: str) -> Any:
        raise NetworkError("client.bad-answer", f"the daemon's answer lacks {key!r}: it may be of another version")


class Stream:
    """The body of an answer that has no end."""

    def __init__(self, sock: socket.socket, response: HTTPResponse) -> None:
        self._sock = sock
        self._response = response

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, at least a byte; b"" at the end. Raises NetworkError, TimedOut after `timeout_s`."""
        from blobtorrent.cli.transport import HTTPException

        self._sock.settimeout(timeout_s)
        try:
            return self._response.read1(CHUNK_BYTES)
        except TimeoutError:
            raise TimedOut("client.silent", f"the daemon said nothing for {timeout_s:.0f} s") from None
        except (OSError, HTTPException) as error:
            raise NetworkError("client.broken", f"the connection to the daemon broke: {error}") from None


class Client:
    """One daemon. Everything raises ApiError when it refuses, NetworkError ("client.*") when it cannot be talked to."""

    def __init__(self, url: str, token: str | None = None, *, ca_file: Path | None = None) -> None:
        """Raises Invalid ("client.bad-url", "client.bad-ca-file")."""
        from blobtorrent.cli.transport import open_connection, parse_place

        self._url = url
        self._headers = {"Accept": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._place = parse_place(url)
        self._ca_file = ca_file
        self._connection = open_connection(self._place, timeout_s=TIMEOUT_S, ca_file=ca_file)
        self._was_used = False

    def get(self, path: str, **query: str | None) -> Any:
        """Parameters that are None are left out."""
        return self.request("GET", path, query=query).value

    def request(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str | None] | None = None
    ) -> Answer:
        """One request; `path` begins with /v1, `body` is sent as JSON. Names of people's own in a path come quoted."""
        headers = self._headers
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers = {**headers, "Content-Type": "application/json"}
        status, raw = self._exchange(method, self._target(path, query), data, headers)
        return Answer(status, self._decoded(status, raw))

    def download(self, path: str) -> bytes:
        """The body of a GET as it is."""
        status, raw = self._exchange("GET", self._target(path, None), None, {**self._headers, "Accept": "*/*"})
        if status >= 400:
            self._decoded(status, raw)
        return raw

    @contextmanager
    def stream(
        self, path: str, *, query: Mapping[str, str | None], headers: Mapping[str, str]
    ) -> Iterator[Stream]:
        """An answer without an end, on a connection of its own."""
        from blobtorrent.cli.transport import HTTPException, open_connection

        connection = open_connection(self._place, timeout_s=TIMEOUT_S, ca_file=self._ca_file)
        try:
            try:
                connection.request("GET", self._target(path, query), headers={**self._headers, **headers})
                sock = connection.sock
                response = connection.getresponse()
                if response.status >= 400:
                    self._decoded(response.status, response.read(MAX_ANSWER_BYTES))
            except (OSError, HTTPException) as error:
                raise self._unreachable(error) from None
            yield Stream(sock, response)
        finally:
            connection.close()

    def _target(self, path: str, query: Mapping[str, str | None] | None) -> str:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        base = "" if self._place.scheme == "unix" else self._place.path
        return base + quote(path, safe="/%") + (f"?{urlencode(given)}" if given else "")

    def _exchange(self, method: str, target: str, data: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        from blobtorrent.cli.transport import HTTPException

        may_repeat = self._was_used and method == "GET"
        self._was_used = True
        while True:
            try:
                self._connection.request(method, target, data, headers)
                response = self._connection.getresponse()
                return response.status, response.read(MAX_ANSWER_BYTES)
            except (OSError, HTTPException) as error:
                self._connection.close()
                if not may_repeat or not isinstance(error, _STALE):
                    raise self._unreachable(error) from None
                may_repeat = False

    def _decoded(self, status: int, raw: bytes) -> Any:
        try:
            value = json.loads(raw, object_hook=_Object) if raw else None
        except (ValueError, RecursionError):
            value = ()
        if status >= 400:
            raise _refusal(status, value)
        if value is not None and not isinstance(value, dict):
            raise NetworkError("client.bad-answer", f"{self._url} does not answer as BlobTorrent does")
        return value

    def _unreachable(self, error: Exception) -> NetworkError:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        process = _process_at(self._url, os.environ)
        advice = "" if process is None else f"; process {process} may be starting or ending: try again"
        return NetworkError("client.unreachable", f"cannot talk to the daemon at {self._url}: {reason}{advice}")


def client_options() -> argparse.ArgumentParser:
    """The options of every remote command, as a parent parser."""
    parser = argparse.ArgumentParser(add_help=False, parents=[color_options()])
    parser.add_argument("--json", action="store_true", help="print what the daemon answered, as JSON")
    where = parser.add_argument_group("the daemon")
    where.add_argument("--url", metavar="URL", help="http://HOST:PORT, https://HOST:PORT or unix:PATH (default: "
                       "BLOBTORRENT_URL, else the daemon of this user or machine)")
    where.add_argument("--token-file", type=Path, metavar="FILE",
                       help="file with the token for it (default: BLOBTORRENT_TOKEN_FILE)")
    where.add_argument("--ca-file", type=Path, metavar="FILE",
                       help="certificates that it may have with https (default: BLOBTORRENT_CA_FILE)")
    return parser


def connect(args: Namespace, environ: Mapping[str, str] = os.environ) -> Client:
    """The client that the options and the environment name. Raises Invalid."""
    given = args.url or environ.get("BLOBTORRENT_URL")
    url = given or default_url(environ)
    named = args.token_file or environ.get("BLOBTORRENT_TOKEN_FILE")
    trusted = args.ca_file or environ.get("BLOBTORRENT_CA_FILE")
    ca_file = Path(trusted) if trusted else None
    if named:
        return Client(url, _read_token(Path(named)), ca_file=ca_file)
    # The usual port, where nobody said that it is ours: while our daemon does not run, anybody may wait there for it.
    return Client(url, _own_token(url, environ) if given or url != DEFAULT_URL else None, ca_file=ca_file)


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
    from blobtorrent.daemon.pidfile import PID_FILE, running_process

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


def _refusal(status: int, value: Any) -> ApiError:
    """The daemon's own words, or, from something in between, its status."""
    problem = value if isinstance(value, dict) else {}
    code, detail = problem.get("code"), problem.get("detail")
    if isinstance(code, str) and isinstance(detail, str):
        return ApiError(code, detail)
    return ApiError("client.http-status", f"HTTP status {status}")
