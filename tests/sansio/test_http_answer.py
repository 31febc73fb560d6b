"""Whatever a server answers: an answer within bounds, or NetworkError; and the same one however its bytes are cut."""

from __future__ import annotations

import http.client
import io
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from blobtorrent.model.errors import NetworkError
from blobtorrent.protocol.httpanswer import FRAMING_SHARE, MAX_HEAD_BYTES, HttpAnswer

MAX_BYTES = 200

STATUS = st.sampled_from([
    b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 302 Found", b"HTTP/1.1 100 Continue", b"HTTP/1.1 204",
    b"ICY 200",
])
HEADERS = st.sampled_from([
    b"Content-Length: 5", b"Content-Length: 5, 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Connection: close", b"Connection: keep-alive",
    b"Location: http://[", b"Content-Type: multipart/x; boundary*=a; boundary*0=b", b": x", b" folded",
    b"\xff\x00:\xfe",
]) | st.binary(max_size=20)
CHUNKS = st.sampled_from([
    b"5\r\nhello\r\n", b"0\r\n\r\n", b"-1\r\n", b"-5\r\n", b"ffffffffffffffff\r\n", b"7f\r\n", b"5;x=y\r\nhello\r\n",
    b"\r\n",
]) | st.binary(max_size=30)
BREAK = st.sampled_from([b"\r\n", b"\n"])


@st.composite
def answers(draw: Any) -> bytes:
    end = draw(BREAK)
    lines = [draw(STATUS), *draw(st.lists(HEADERS, max_size=4)), b""]
    heads = (end.join(lines) + end) * draw(st.integers(1, 2))
    return bytes(heads + b"".join(draw(st.lists(CHUNKS, max_size=5))))


def outcome(pieces: list[bytes]) -> tuple[Any, ...]:
    """What becomes of the bytes, the connection ending behind them."""
    answer = HttpAnswer(MAX_BYTES)
    try:
        for piece in pieces:
            answer.feed(piece)
            assert len(answer.body) <= MAX_BYTES
        if not answer.is_done:
            answer.end()
    except NetworkError as error:
        assert error.code in ("net.bad-http", "net.too-large")
        return (error.code,)
    assert answer.is_done
    return answer.status, answer.headers, bytes(answer.body), answer.can_go_on


@given(answers() | st.binary(max_size=300))
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n")
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + bytes(1000))
@example(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x; boundary*=a; boundary*0=b\r\nContent-Length: 0\r\n\r\n")
def test_any_bytes_are_an_answer_within_bounds_or_none(data):
    outcome([data])


@given(answers(), st.lists(st.integers(0, 400), max_size=6))
def test_an_answer_is_the_same_wherever_its_bytes_are_cut(data, places):
    cuts = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    assert outcome([data[begin:end] for begin, end in zip(cuts, cuts[1:])]) == outcome([data])


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.integers(200, 599), st.booleans())
def test_a_good_answer_is_read_as_the_standard_library_does(parts, status, is_chunked):
    body = b"".join(parts)
    head = f"HTTP/1.1 {status} Words\r\nServer: x\r\n".encode()
    if is_chunked:
        data = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
            b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    else:
        data = head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    reference = http.client.HTTPResponse(Pipe(data), method="GET")  # type: ignore[arg-type]
    reference.begin()
    answer = HttpAnswer(MAX_BYTES)
    answer.feed(data)
    assert (answer.status, answer.headers["server"]) == (reference.status, "x")
    assert bytes(answer.body) == reference.read()


class Pipe:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


@given(st.sampled_from([
    b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1;" + b"x" * 500 + b"\r\ny\r\n", b"x" * 1000,
]), st.sampled_from([b"\r\n", b"a", b"a: b\r\n", b"1\r\nx\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"0;x\r\n"]))
def test_an_endless_answer_ends(begin, more):
    answer = HttpAnswer(MAX_BYTES)
    taken = 0
    block = more * (1 + 4096 // len(more))
    try:
        answer.feed(begin)
        while not answer.is_done:
            answer.feed(block)
            taken += len(block)
            assert taken < 2 * (MAX_HEAD_BYTES + MAX_BYTES // FRAMING_SHARE + MAX_BYTES) + len(block)
    except NetworkError as error:
        assert error.code in ("net.bad-http", "net.too-large")
