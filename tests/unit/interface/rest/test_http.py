"""The HTTP reader: what it takes, wherever the bytes are cut, and what it refuses with which status."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.interface.rest.http import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_LINE_BYTES,
    Refused,
    RequestReader,
    Response,
    body_length,
    render_head,
)
from blobtorrent.interface.rest.streams import Push, Sink

POST = b"POST /v1/torrents?state=a%20b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nX-Odd:  \xe9 \r\n\r\nhello"


def head_of(data: bytes):
    reader = RequestReader()
    reader.feed(data)
    return reader.read_head()


def with_headers(*lines: str) -> bytes:
    return "\r\n".join(("GET / HTTP/1.1", "Host: a", *lines, "", "")).encode("latin-1")


@pytest.mark.parametrize("cut", range(len(POST) + 1))
def test_a_request_is_the_same_wherever_it_is_cut(cut):
    reader = RequestReader()
    reader.feed(POST[:cut])
    head = reader.read_head()
    early_body = reader.read_body(head.length) if head else None
    reader.feed(POST[cut:])
    head = head or reader.read_head()
    body = early_body or reader.read_body(head.length)
    assert (head.method, head.path, dict(head.query)) == ("POST", ("v1", "torrents"), {"state": "a b"})
    assert (head.headers["x-odd"], head.length, head.keep_alive, body) == ("é", 5, True, b"hello")
    assert reader.is_empty


def test_what_follows_a_request_is_the_next_one():
    reader = RequestReader()
    reader.feed(POST + POST)
    for _ in range(2):
        assert reader.read_body(reader.read_head().length) == b"hello"
    assert reader.is_empty


def test_a_drip_of_bytes_is_read_once():
    reader = RequestReader()
    for byte in POST[:-5]:
        assert reader.is_empty or reader.read_head() is None
        reader.feed(bytes((byte,)))
    assert reader.read_head().length == 5


@pytest.mark.parametrize(
    ("data", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
    ],
)
def test_the_connection_stays_as_the_version_and_the_client_say(data, keep_alive):
    assert head_of(data).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /?a=1&a=2 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /?a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /?" + b"&".join(b"%d=1" % n for n in range(40)) + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", 400),
        (with_headers("Host: b"), 400),
        (with_headers("Content-Length: 1", "Content-Length: 1"), 400),
        (with_headers("Content-Length: +1"), 400),
        (with_headers("Content-Length: -1"), 400),
        (with_headers("Content-Length: 0x1"), 400),
        (with_headers("Content-Length: 1, 1"), 400),
        (with_headers("Content-Length: \xb2"), 400),
        (with_headers("Content-Length: 9999999999999999999999"), 400),
        (with_headers(f"Content-Length: {MAX_BODY_BYTES + 1}"), 413),
        (with_headers("Transfer-Encoding: chunked"), 411),
        (with_headers("Transfer-Encoding: chunked", "Content-Length: 4"), 400),
        (with_headers("Content-Length: 4", "Transfer-Encoding: identity"), 400),
        (with_headers("Name : value"), 400),
        (with_headers("No colon"), 400),
        (with_headers("X: a", " folded"), 400),
        (with_headers("X: a\x00"), 400),
        (with_headers(*["X: a"] * MAX_HEADERS), 431),
        (with_headers("X: " + "a" * MAX_HEAD_BYTES), 431),
        (b"X" * (MAX_HEAD_BYTES + 1), 431),
        (b"GET /" + b"a" * MAX_LINE_BYTES, 414),
        (b"GET /" + b"a" * MAX_LINE_BYTES + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ],
)
def test_what_could_be_misread_is_refused(data, status):
    with pytest.raises(Refused) as caught:
        head_of(data)
    assert caught.value.status == status


WORDS = st.sampled_from([
    b"GET / HTTP/1.1", b"POST ", b"\r\n", b"\n", b"\r", b"Host: a", b"Content-Length: ", b"3", b"\r\n\r\n", b" ",
    b"%ff", b"?",
])


@given(st.lists(WORDS | st.binary(max_size=8), max_size=30))
def test_whatever_comes_is_read_refused_or_waited_for(parts):
    reader = RequestReader()
    try:
        for part in parts:
            reader.feed(part)
            head = reader.read_head()
            assert head is None or head.headers.keys() <= {"host", "content-length"}
    except Refused as error:
        assert error.status in (400, 413, 505)


class Endless(Push):
    """A body that grows."""

    def begin(self, sink: Sink) -> None: ...

    def end(self) -> None: ...


class OfKnownLength:
    """A body that is read as it is sent: a Pull."""

    length = 7

    def read(self, max_bytes: int) -> bytes:
        return b""

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("body", "length"), [(b"abc", 3), ((b"ab", b"", b"c"), 3), ((), 0), (OfKnownLength(), 7), (Endless(), None)]
)
def test_the_length_of_a_body_is_told_as_far_as_it_is_known(body, length):
    assert body_length(Response(200, body)) == length
    rendered = render_head(Response(200, body), keep_alive=True)
    assert (f"Content-Length: {length}\r\n".encode() in rendered) is (length is not None)
    assert rendered.endswith(b"\r\n\r\n")


def test_a_body_that_grows_is_announced_in_chunks_only_to_who_knows_them():
    for is_chunked in (True, False):
        rendered = render_head(Response(200, Endless()), keep_alive=is_chunked, is_chunked=is_chunked)
        assert (b"Transfer-Encoding: chunked\r\n" in rendered) is is_chunked
        assert b"Content-Length" not in rendered
    assert b"chunked" not in render_head(Response(200, b"abc"), keep_alive=True, is_chunked=True)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_content_says_nothing_of_a_body(status):
    rendered = render_head(Response(status), keep_alive=False)
    assert b"Content-" not in rendered.replace(b"X-Content-Type-Options", b"").replace(b"Content-Security-Policy", b"")
    assert b"Connection: close\r\n" in rendered


@pytest.mark.parametrize(
    "header", [("X", "a\r\nSet-Cookie: b"), ("X\r\nY", "a"), ("X", "\0"), ("X", "\u2028"), ("", "a")]
)
def test_a_header_that_would_be_read_as_more_is_never_sent(header):
    with pytest.raises(ValueError):
        render_head(Response(200, headers=(header,)), keep_alive=True)


@pytest.mark.parametrize("status", [200, 201, 202, 206, 304, 401, 403, 404, 406, 409, 412, 416, 422, 429, 503, 507])
def test_every_status_has_its_phrase(status):
    first, _, _ = render_head(Response(status), keep_alive=True).partition(b"\r\n")
    assert re.fullmatch(rb"HTTP/1.1 %d [A-Z][A-Za-z -]+" % status, first)


def test_no_answer_lets_pages_of_other_sites_read_it():
    assert b"access-control" not in render_head(Response(200), keep_alive=True).lower()
