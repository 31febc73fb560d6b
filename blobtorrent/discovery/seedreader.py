"""SeedReader: reads ranges of files from one web seed, over one connection that it keeps (BEP 19). Blocking.

The bytes go from the socket to where they will stay. A server that stalls, drips, lies about lengths or leads inside
our own network is left with a typed error; nothing of what it sends is held but what was asked for. A server without
ranges sends a file from its start: that answer is kept open, and the next range behind it is read from it.

A reader belongs to one thread at a time: it goes to the reading thread with an order and comes back with the answer.
"""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import partial
from http.client import HTTPException, HTTPResponse
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from blobtorrent.discovery.httpcall import USER_AGENT, Deadline, connect, failure_of, split_url, target_of
from blobtorrent.discovery.seedstream import STALL_S, Progress, SeedStream
from blobtorrent.model.errors import NetworkError, WebSeedError
from blobtorrent.model.reach import is_public, may_ask
from blobtorrent.model.urls import WEB_SEED_SCHEMES, usable_url
from blobtorrent.network.binding import Binding
from blobtorrent.network.outgoing import far_end
from blobtorrent.network.webpolicy import WebPolicy
from blobtorrent.protocol.webseed import (
    MAX_SKIP_BYTES,
    REDIRECTS,
    Answer,
    Body,
    FileRange,
    SecretHeader,
    SeedContent,
    body_of,
    headers_for,
    retry_after_s,
)
from blobtorrent.runtime.clock import Clock

CONNECT_S = 20.0                       # for the name, the connection and TLS
MAX_REDIRECTS = 3
MAX_REMEMBERED = 64                    # redirects
MAX_ERROR_BYTES = 64 << 10             # so much is read of an answer that is of no use, to keep the connection
SCRATCH_BYTES = 64 << 10
PLACE_BYTES = 64 << 10                 # no more than that is lost when reading ends in the middle


class Sink(Protocol):
    """Where the bytes go, one behind the other."""

    def place(self, limit: int) -> memoryview:
        """Room for the next bytes, at most `limit` of them."""

    def filled(self, count: int) -> None:
        """So many bytes are in the place that was given last."""


class Way(NamedTuple):
    """How the outside is reached. `allow_local`: URLs with a query may lead to loopback and private addresses.

    Without it a torrent's author could have us call whatever acts on a query there; a plain file is harmless for nearly
    all services. Without `asks_loopback` nothing leads to this machine.
    """

    clock: Clock
    binding: Binding
    secret_headers: Callable[[], Sequence[SecretHeader]]
    allow_local: bool
    asks_loopback: bool = True


class SeedReader:
    """One connection to a web seed of a torrent, made when it is needed."""

    def __init__(self, seed: str, content: SeedContent) -> None:
        self.seed = seed
        self.content = content
        self.has_ranges = True
        self.retry_after_s: float | None = None            # of the answer that was refused last
        self._connection: _Connection | None = None
        self._moved: dict[int, _Hop] = {}                  # file -> where a redirect led
        self._whole: _Whole | None = None

    def read(self, asked: FileRange, sink: Sink, progress: Progress, way: Way) -> None:
        """Read a range.

        Raises WebSeedError, NetworkError, or Cancelled; the connection is closed then.
        """
        self.retry_after_s = None
        try:
            left = asked
            while left.length:
                got = self._read_some(left, sink, progress, way)
                left = left._replace(offset=left.offset + got, length=left.length - got)
            progress.range_came(asked.length)
        except WebSeedError:
            self._moved.pop(asked.file, None)              # it may have expired
            raise
        except OSError as error:
            self._fail(asked.file)
            raise failure_of(error) from None
        except HTTPException as error:
            self._fail(asked.file)
            raise NetworkError("net.bad-http", f"not an HTTP answer ({type(error).__name__})") from None
        except BaseException:
            self._fail(asked.file)
            raise

    def close(self) -> None:
        """End the connection, if there is one. The reader may be used again."""
        self._whole = None
        if self._connection is not None:
            self._connection.stream.end()
            self._connection.sock.close()
            self._connection = None

    def _fail(self, file: int) -> None:
        self._moved.pop(file, None)
        self.close()

    def _read_some(self, asked: FileRange, sink: Sink, progress: Progress, way: Way) -> int:
        """Read what one answer has of a range, at least a byte; returns how much."""
        whole = self._whole
        if whole is not None and whole.leads_to(asked) and self._goes_on(whole, progress):
            response, body = whole.response, Body(asked.offset - whole.position, asked.length, is_whole=True)
        else:
            response, body = self._ask(asked, progress, way)
        _skip(response, body.skip)
        left = body.length
        while left:
            place = sink.place(min(left, PLACE_BYTES))
            _read_all(response, place)
            sink.filled(len(place))
            left -= len(place)
        end = asked.offset + body.length
        if body.is_whole and end < self.content.length_of(asked.file):
            assert self._connection is not None
            self._whole = _Whole(asked.file, end, response, self._connection.stream)
        elif response.will_close or not response.isclosed():
            self.close()               # a chunked answer has an end of its own, which may never come
        else:
            self._whole = None
        return body.length

    def _goes_on(self, whole: _Whole, progress: Progress) -> bool:
        """Whether more comes of an answer that was kept: its server may have ended it meanwhile."""
        whole.stream.progress = progress
        try:
            if whole.response.peek(1):
                return True
        except ConnectionError:
            pass
        self.close()
        return False

    def _ask(self, asked: FileRange, progress: Progress, way: Way) -> tuple[HTTPResponse, Body]:
        """The answer to a request for a range, up to its body."""
        hop = self._moved.get(asked.file) or _Hop(self.content.url_of(self.seed, asked.file))
        for _ in range(1 + MAX_REDIRECTS):
            parts = split_url(hop.url)
            if hop.came_from_tls and parts.scheme != "https":
                raise NetworkError("net.forbidden-address", "redirected from https to http")
            request = _request(hop.url, parts, asked, way.secret_headers())
            response, is_public = self._exchange(parts, request, hop, progress, way)
            location = response.getheader("Location")
            if response.status not in REDIRECTS or location is None:
                try:
                    body = self._body_of(response, asked, way.clock)
                except WebSeedError:
                    if not _is_read(response):
                        self.close()
                    raise
                if hop.is_redirected:
                    self._remember(asked.file, hop)
                return response, body
            self.close()               # what is in the body of a redirect is not worth reading
            hop = _Hop(_joined(hop.url, location), is_redirected=True, came_from_tls=parts.scheme == "https",
                       came_from_public=hop.came_from_public or is_public)
        raise NetworkError("net.too-many-redirects", f"more than {MAX_REDIRECTS} redirects")

    def _body_of(self, response: HTTPResponse, asked: FileRange, clock: Clock) -> Body:
        headers = {name.lower(): value for name, value in response.getheaders()}
        file_length = self.content.length_of(asked.file)
        try:
            body = body_of(Answer(response.status, headers), asked, file_length)
        except WebSeedError as error:
            self.has_ranges = self.has_ranges and error.code != "webseed.no-ranges"
            self.retry_after_s = retry_after_s(headers.get("retry-after"), clock.wall())
            raise
        self.has_ranges = self.has_ranges and not (body.is_whole and asked.length < file_length)
        return body

    def _remember(self, file: int, hop: _Hop) -> None:
        self._moved[file] = hop
        if len(self._moved) > MAX_REMEMBERED:
            del self._moved[next(iter(self._moved))]

    def _exchange(self, parts: SplitResult, request: bytes, hop: _Hop, progress: Progress,
                  way: Way) -> tuple[HTTPResponse, bool]:
        """Send a request and read the head of its answer, over the connection that is there or a new one; also whether
        that leads to a public address.

        A server may end a connection that it kept at any time: then a new one is tried.
        """
        kept, origin = self._connection, (parts.scheme, parts.netloc, way.binding.web)
        if kept is not None and (self._whole is not None or kept.origin != origin):
            self.close()
        was_kept = self._connection is not None
        while True:
            connection = self._connection or self._connect(parts, hop, progress, way)
            connection.stream.progress = progress
            try:
                with progress.head():
                    connection.sock.settimeout(STALL_S)
                    connection.sock.sendall(request)
                    response = HTTPResponse(connection.stream, method="GET")  # type: ignore[arg-type]
                    connection.stream.serve(response)
                    _begin(response)
                return response, connection.is_public
            except (ConnectionError, HTTPException):
                self.close()
                if not was_kept:
                    raise
                was_kept = False

    def _connect(self, parts: SplitResult, hop: _Hop, progress: Progress, way: Way) -> _Connection:
        progress.look()
        is_public_only = hop.came_from_public or not way.allow_local and bool(parts.query)
        may_ask_here = partial(may_ask, came_from_public=is_public_only, on_loopback=way.asks_loopback)
        web = way.binding.web
        with progress.aside():
            sock = connect(parts, Deadline(way.clock, CONNECT_S), may_ask_here, binding=way.binding, web=web)
        self._connection = _Connection(
            sock, SeedStream(sock, progress), (parts.scheme, parts.netloc, web),
            is_public(far_end(way.binding, sock, parts.hostname or "")))
        return self._connection


class _Connection(NamedTuple):
    sock: socket.socket
    stream: SeedStream
    origin: tuple[str, str, WebPolicy]  # scheme, host, and what it was judged by
    is_public: bool                    # its address is


class _Hop(NamedTuple):
    """A URL and how we came to it."""

    url: str
    is_redirected: bool = False
    came_from_tls: bool = False
    came_from_public: bool = False


class _Whole(NamedTuple):
    """An answer that is a file from its start, read up to `position`."""

    file: int
    position: int
    response: HTTPResponse
    stream: SeedStream

    def leads_to(self, asked: FileRange) -> bool:
        return self.file == asked.file and 0 <= asked.offset - self.position <= MAX_SKIP_BYTES


def _begin(response: HTTPResponse) -> None:
    """Raises OSError, HTTPException."""
    try:
        response.begin()
    except (TypeError, ValueError) as error:               # the library's parser of mail stumbles over some types
        raise HTTPException("a header that cannot be read") from error


def _read_all(response: HTTPResponse, place: memoryview) -> None:
    if response.readinto(place) != len(place):
        raise NetworkError("net.reset", "the answer was cut short")


def _skip(response: HTTPResponse, count: int) -> None:
    scratch = memoryview(bytearray(min(count, SCRATCH_BYTES)))
    for start in range(0, count, SCRATCH_BYTES):
        _read_all(response, scratch[:count - start])


def _is_read(response: HTTPResponse) -> bool:
    """Read the rest of an answer that is of no use, if it is short. True when the connection can go on."""
    if response.will_close or response.length is None or response.length > MAX_ERROR_BYTES:
        return False
    try:
        _skip(response, response.length)
    except (OSError, HTTPException, NetworkError):
        return False
    return True


def _request(url: str, parts: SplitResult, asked: FileRange, secrets: Sequence[SecretHeader]) -> bytes:
    """The request; `parts` are of the URL without user and password, which are in `url`."""
    target = target_of(parts)
    headers = headers_for(f"{parts.scheme}://{parts.netloc}{target}", secrets)
    if not any(name.lower() == "authorization" for name, _ in headers):
        headers += _authorization(url)
    lines = [
        f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", f"User-Agent: {USER_AGENT}",
        f"Range: bytes={asked.offset}-{asked.offset + asked.length - 1}", "Accept-Encoding: identity",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _authorization(url: str) -> list[tuple[str, str]]:
    parts = urlsplit(url)
    if parts.username is None:
        return []
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return [("Authorization", f"Basic {b64encode(pair.encode()).decode()}")]


def _joined(url: str, location: str) -> str:
    """Where a redirect leads. User and password go to their own host only, and none comes with a redirect."""
    try:
        parts = urlsplit(urljoin(url, location))
        if urlsplit(url).netloc != parts.netloc:
            parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        led = usable_url(parts.geturl().encode("latin-1"), WEB_SEED_SCHEMES)
    except ValueError:
        led = None
    if led is None:
        raise NetworkError("net.bad-url", "redirected to what is no URL")
    return led
