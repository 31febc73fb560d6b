"""HTTP CONNECT as bytes."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import DialFailed, FormatError, ProxyFailed
from blobtorrent.protocol.proxy.httpconnect import MAX_HEAD_BYTES, HttpConnect
from blobtorrent.protocol.proxy.tunnel import Login

GRANTED = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"


def test_a_connection_is_asked_for_by_name_or_address():
    assert HttpConnect("example.org", 80).begin() == (
        b"CONNECT example.org:80 HTTP/1.1\r\nHost: example.org:80\r\n\r\n")
    assert HttpConnect("2001:db8::1", 6881).begin().startswith(b"CONNECT [2001:db8::1]:6881 HTTP/1.1\r\n")


def test_a_login_goes_with_the_request():
    assert b"\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n" in HttpConnect("a", 1, Login("me", "secret")).begin()


@pytest.mark.parametrize("cut", range(1, len(GRANTED) + 5))
def test_the_answer_may_be_cut_anywhere_and_what_follows_is_not_lost(cut):
    stream = GRANTED + b"early"
    connect = HttpConnect("a", 1)
    assert connect.feed(stream[:cut]) == b""
    if not connect.is_open:
        connect.feed(stream[cut:])
    assert connect.is_open
    assert connect.early == stream[len(GRANTED):cut if cut >= len(GRANTED) else len(stream)]


@pytest.mark.parametrize(("head", "code"), [
    (b"HTTP/1.1 407 Who are you\r\n\r\n", "proxy.login"),
    (b"HTTP/1.1 403 No\r\n\r\n", "proxy.refused"),
    (b"HTTP/1.0 502 Bad\r\n\r\n", "net.unreachable"),
    (b"HTTP/1.0 504 Late\r\n\r\n", "net.timed-out"),
    (b"HTTP/1.1 two hundred\r\n\r\n", "proxy.bad-answer"),
    (b"HTTP/1.1\r\n\r\n", "proxy.bad-answer"),
    (b"\x05\x00", "proxy.bad-answer"),
    (b"HTTP/1.1 200 " + bytes(MAX_HEAD_BYTES), "proxy.bad-answer"),
])
def test_whose_fault_a_refusal_is_stays_visible(head, code):
    with pytest.raises((ProxyFailed, DialFailed)) as caught:
        HttpConnect("a", 1).feed(head)
    assert caught.value.code == code


@pytest.mark.parametrize("host", ["", "a b", "a\r\nX: y", "häuschen"])
def test_a_host_that_cannot_be_said_is_refused_at_once(host):
    with pytest.raises(FormatError):
        HttpConnect(host, 80)
