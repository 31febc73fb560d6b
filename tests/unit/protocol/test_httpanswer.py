from __future__ import annotations

import pytest

from blobtorrent.model.errors import NetworkError
from blobtorrent.protocol.httpanswer import MAX_HEAD_BYTES, HttpAnswer

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def read(data: bytes, *, max_bytes: int | None = 100, is_end: bool = False) -> HttpAnswer:
    answer = HttpAnswer(max_bytes)
    answer.feed(data)
    if is_end and not answer.is_done:
        answer.end()
    return answer


@pytest.mark.parametrize("data", [
    OK + b"Content-Length: 5\r\n\r\nhello",
    OK + b"content-length:5 \n\nhello",
    OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"2;name=value\r\nhe\r\n03\r\nllo\r\n0\r\nSum: 7\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",
])
def test_the_body_ends_where_the_head_or_the_chunks_say(data):
    answer = read(data)
    assert (answer.status, bytes(answer.body), answer.can_go_on) == (200, b"hello", True)


@pytest.mark.parametrize("head", [
    b"HTTP/1.0 200 OK\r\n\r\n", OK + b"\r\n", b"HTTP/1.1 200\nContent-Length: -1\n\n",
    OK + b"Content-Length: 9\r\n\r\n",
])
def test_a_body_may_end_with_the_connection(head):
    answer = read(head + b"hello")
    assert not answer.is_done
    answer.end()
    assert (bytes(answer.body), answer.is_done, answer.can_go_on) == (b"hello", True, False)


@pytest.mark.parametrize(("head", "is_kept"), [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", True),
    (b"HTTP/1.1 204 None\r\n", True),
    (b"HTTP/1.1 304 Same\r\nContent-Length: 99\r\n", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n", False),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n", True),
])
def test_the_head_tells_whether_the_connection_goes_on(head, is_kept):
    answer = read(head + b"\r\n")
    assert (answer.is_done, answer.can_go_on) == (True, is_kept)


def test_a_connection_on_which_more_came_than_was_asked_for_is_not_used_again():
    assert not read(OK + b"Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n").can_go_on


def test_only_the_head_may_be_wanted():
    answer = read(OK + b"Content-Length: 500\r\n\r\nhello", max_bytes=None)
    assert (answer.status, answer.is_done, answer.can_go_on, bytes(answer.body)) == (200, True, False, b"")


def test_headers_have_names_in_lower_case_and_what_is_none_is_passed_over():
    answer = read(OK + b"LOCATION:  /x \r\nnonsense\r\n folded: 1\r\nA: 1\r\na: 2\r\nContent-Length: 0\r\n\r\n")
    assert answer.headers == {"location": "/x", "a": "1, 2", "content-length": "0"}


@pytest.mark.parametrize("data", [
    b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n", b"HTTP/1.1 099 Low\r\n", b"HTTP/2 200\r\n", b"HTTP/1.1 2000 OK\r\n",
    CHUNKED + b"-5\r\n", CHUNKED + b"-1\r\n", CHUNKED + b"+5\r\n", CHUNKED + b"0x5\r\n", CHUNKED + b"1_0\r\n",
    CHUNKED + b"\r\n", CHUNKED + b" 5\r\n", CHUNKED + b"f" * 16 + b"\r\n", CHUNKED + b"2\r\nhello\r\n",
    OK + b"X: " + b"x" * MAX_HEAD_BYTES, OK + b"X: y\r\n" * MAX_HEAD_BYTES,
    b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_HEAD_BYTES, CHUNKED + b"0\r\n" + b"X: y\r\n" * MAX_HEAD_BYTES,
])
def test_what_is_no_answer_is_told(data):
    with pytest.raises(NetworkError) as caught:
        read(data)
    assert caught.value.code == "net.bad-http"


@pytest.mark.parametrize("data", [
    b"", b"HTTP/1.1 2", OK + b"Content-Length: 5\r\n", CHUNKED, CHUNKED + b"5\r\nhel", CHUNKED + b"0\r\n",
])
def test_an_answer_does_not_end_where_it_cannot(data):
    with pytest.raises(NetworkError) as caught:
        read(data, is_end=True)
    assert caught.value.code == "net.bad-http"


@pytest.mark.parametrize("head", [
    OK + b"Content-Length: 101\r\n\r\n", CHUNKED + b"65\r\n", CHUNKED + b"FFFFFFFFFFFFFFF\r\n",
    CHUNKED + b"1\r\nx\r\n64\r\n", OK + b"\r\n" + b"x" * 101,
])
def test_a_body_beyond_what_is_allowed_is_refused_before_it_comes(head):
    with pytest.raises(NetworkError) as caught:
        read(head)
    assert caught.value.code == "net.too-large"


def test_a_body_may_be_as_large_as_is_allowed():
    assert len(read(OK + b"Content-Length: 100\r\n\r\n" + bytes(100)).body) == 100
    assert len(read(CHUNKED + b"64\r\n" + bytes(100) + b"\r\n0\r\n\r\n").body) == 100
