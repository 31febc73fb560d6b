"""SeedReader: reads ranges of files from one web seed, over one connection that it keeps (BEP 19). Blocking.

The bytes go from the socket to where they will stay. A server that stalls, drips, lies about lengths or leads inside
our own network is left with a typed error; nothing of what it sends is held but what was asked for. A server without
ranges sends a file from its start: that answer is kept open, and the next range behind it is read from it.

A reader belongs to one thread at a time: it goes to the reading thread with an order and comes back with the answer.
"""

from __future__ import annotations

import io
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from blobtorrent.discovery.httpcall import USER_AGENT, Deadline, connect, failure_of, split_url, target_of
from blobtorrent.model.errors import NetworkError, TimedOut, WebSeedError
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

if TYPE_CHECKING:
    from typing_extensions import Buffer

CONNECT_S = 20.0                       # for the name, the connection and TLS
STALL_S = 15.0                         # so many seconds for every ...
STALL_BYTES = 16 << 10                 # ... so many bytes of an order, whatever lies between them
RANGE_BYTES = 2 << 10                  # a range that came counts as so many at least: files may be small
READ_AHEAD_BYTES = 8 << 10             # of a range, which may come with the head
LOOK_S = 0.25                          # between two looks whether all this is still wanted
MAX_REDIRECTS = 3
MAX_HEAD_BYTES = 256 << 10             # of one answer, and of all that a server says before it
MAX_REMEMBERED = 64                    # redirects
MAX_ERROR_BYTES = 64 << 10             # so much is read of an answer that is of no use, to keep the connection
MAX_RECEIVE = 1 << 20                  # bytes at a time: what is limited comes in smaller ones
SCRATCH_BYTES = 64 << 10
PLACE_BYTES = 64 << 10                 # no more than that is lost when reading ends in the middle
SAVED_S = 0.25                         # of a limit is kept while nothing comes


class Cancelled(Exception):
    """Nobody wants it any more."""


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
            sock, _Stream(sock, progress), (parts.scheme, parts.netloc, web),
            is_public(far_end(way.binding, sock, parts.hostname or "")))
        return self._connection


class _Connection(NamedTuple):
    sock: socket.socket
    stream: _Stream
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
    stream: _Stream

    def leads_to(self, asked: FileRange) -> bool:
        return self.file == asked.file and 0 <= asked.offset - self.position <= MAX_SKIP_BYTES


class Tally(Protocol):
    """Who wants to know how an order goes."""

    received_bytes: int


class Progress:
    """Watches one order while it is read: whether it is still wanted, whether bytes come, how fast they may.

    The time for bytes is one for the whole order: new answers, heads and redirects do not renew it, only what was asked
    for does. `is_cancelled` is asked now and then. `bytes_per_s` of 0 is no limit.
    """

    def __init__(self, is_cancelled: Callable[[], bool], clock: Clock, tally: Tally, bytes_per_s: int = 0) -> None:
        self._is_cancelled = is_cancelled
        self._clock = clock
        self._tally = tally
        self._bytes_per_s = bytes_per_s
        self._due_at = clock.now()                         # when the limit lets the next byte through
        self._armed_at = self._due_at
        self._since = 0                                    # bytes since then
        self._head_bytes: int | None = None                # while a head is read
        self.most_at_once = max(1024, min(MAX_RECEIVE, bytes_per_s // 8)) if bytes_per_s else MAX_RECEIVE

    def look(self) -> None:
        """Raises Cancelled."""
        if self._is_cancelled():
            raise Cancelled

    @contextmanager
    def head(self) -> Iterator[None]:
        """The head of an answer is awaited: it is nothing that was asked for."""
        self._head_bytes = 0
        try:
            yield
        finally:
            self._head_bytes = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is done here has a time limit of its own."""
        began_at = self._clock.now()
        try:
            yield
        finally:
            self._armed_at += self._clock.now() - began_at

    def range_came(self, length: int) -> None:
        """All of a range is here."""
        self._count(max(RANGE_BYTES, min(length, READ_AHEAD_BYTES)))

    def _count(self, count: int) -> None:
        self._since += count
        if self._since >= STALL_BYTES:
            self._armed_at = self._clock.now()
            self._since = 0

    def wait_s(self) -> float:
        """How long to wait for the next byte before this is asked again. Raises TimedOut, Cancelled."""
        self.look()
        left_s = self._armed_at + STALL_S - self._clock.now()
        if left_s <= 0:
            raise TimedOut("net.timed-out", f"less than {STALL_BYTES} bytes in {STALL_S:.0f} s")
        return min(left_s, LOOK_S)

    def came(self, count: int) -> None:
        """So many bytes came; holds the thread as long as the limit asks for. Raises Cancelled, NetworkError."""
        if self._head_bytes is not None:
            self._head_bytes += count
            if self._head_bytes > MAX_HEAD_BYTES:          # a limit stops the clock: time alone would never end it
                raise NetworkError("net.bad-http", "the head of an answer has no end")
        else:
            self._tally.received_bytes += count
            self._count(count)
        if self._bytes_per_s:
            now = self._clock.now()
            self._due_at = max(self._due_at, now - SAVED_S) + count / self._bytes_per_s
            self._armed_at += max(0.0, self._due_at - now)             # our own slowness is not the server's
            while (left_s := self._due_at - self._clock.now()) > 0:
                self.look()
                time.sleep(min(left_s, LOOK_S))


class _Stream:
    """What HTTPResponse reads from. One for a connection: what was read ahead belongs to the next answer."""

    def __init__(self, sock: socket.socket, progress: Progress) -> None:
        self.progress = progress       # of the order that reads now
        self._file = _KeptOpen(_Receiver(sock, self))

    def makefile(self, _mode: str) -> io.BufferedReader:
        return self._file


class _KeptOpen(io.BufferedReader):
    """An answer closes its file when it ends; the connection goes on."""

    def close(self) -> None:
        return


class _Receiver(io.RawIOBase):
    def __init__(self, sock: socket.socket, stream: _Stream) -> None:
        self._sock = sock
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        progress = self._stream.progress
        view = memoryview(buffer)[:progress.most_at_once]
        while True:
            self._sock.settimeout(progress.wait_s())
            try:
                count = self._sock.recv_into(view)
            except TimeoutError:
                continue
            progress.came(count)
            return count


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
