"""SCGI framing: what is a request, and that it does not matter how its bytes come."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rtorrent.scgi import MAX_BODY_BYTES, BadFraming, ScgiReader, ScgiRequest, render_head

REQUEST = b"46:CONTENT_LENGTH\x005\0CONTENT_TYPE\0text/xml\0SCGI\x001\0,hello"


def read(data: bytes) -> ScgiRequest | None:
    reader = ScgiReader()
    reader.feed(data)
    return reader.read()


def headed(block: bytes, body: bytes = b"") -> bytes:
    return b"%d:%s,%s" % (len(block), block, body)


def test_a_request_has_headers_and_a_body():
    assert read(REQUEST) == ({"CONTENT_LENGTH": "5", "CONTENT_TYPE": "text/xml", "SCGI": "1"}, b"hello")


@pytest.mark.parametrize("cut", range(1, len(REQUEST)))
def test_it_is_the_same_wherever_it_is_cut(cut):
    reader = ScgiReader()
    reader.feed(REQUEST[:cut])
    assert reader.read() is None
    reader.feed(REQUEST[cut:])
    assert reader.read() == read(REQUEST)


def test_what_comes_behind_the_body_is_dropped():
    assert read(REQUEST + b"more") == read(REQUEST)


def test_the_comma_is_not_looked_at():
    assert read(REQUEST.replace(b"\0,hello", b"\0.hello")) == read(REQUEST)


def test_a_header_may_be_said_again():
    assert read(headed(b"CONTENT_LENGTH\x001\0SCGI\x001\0CONTENT_LENGTH\x001\0", b"x")) is not None


@pytest.mark.parametrize("data", [
    b"POST /RPC2 HTTP/1.1\r\n", b":", b"x:", b"-5:", b"16:", b"99999:", b"123456789", b"0000000000:",
    headed(b"SCGI\x001\0CONTENT_LENGTH\x001\0", b"x"),
    headed(b"CONTENT_LENGTH\x000\0SCGI\x001\0"),
    headed(b"CONTENT_LENGTH\0-1\0SCGI\x001\0"),
    headed(b"CONTENT_LENGTH\0\0SCGI\x001\0xx\0"),
    headed(b"CONTENT_LENGTH\x005\0SCGI\x001\0odd\0"),
    headed(b"CONTENT_LENGTH\x005\0SCGI\x001\0no end"),
    headed(b"CONTENT_LENGTH\0%d\0SCGI\x001\0" % (MAX_BODY_BYTES + 1)),
    headed(b"CONTENT_LENGTH\0\xd9\xa3\0SCGI\x001\0"),
    headed(b"CONTENT_LENGTH\x001\0UNTRUSTED_CONNECTION\x000\0UNTRUSTED_CONNECTION\x001\0", b"x"),
    headed(b"CONTENT_LENGTH\x001\0CONTENT_LENGTH\x002\0", b"xx"),
])
def test_what_is_no_request_is_refused(data):
    with pytest.raises(BadFraming):
        read(data)


def test_the_answer_tells_its_type_and_length_in_rtorrents_order():
    assert render_head("text/xml", 5) == b"Status: 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 5\r\n\r\n"
    assert b"Content-Encoding: gzip\r\n" in render_head("text/xml", 5, is_gzipped=True)
