"""SOCKS 5 as bytes: asking for connections, answers, datagrams."""

from __future__ import annotations

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import DialFailed, FormatError, ProxyFailed
from blobtorrent.protocol.proxy.socks5 import Command, Socks5, unwrap_datagram, wrap_datagram
from blobtorrent.protocol.proxy.tunnel import Login

GRANTED = b"\x05\x00\x00\x01\x0a\x00\x00\x01\x04\x38"
LOGIN = Login("me", "secret")


def talk(socks, *answers):
    """What we say, one item for each answer."""
    return [socks.begin(), *(socks.feed(answer) for answer in answers)]


def test_a_connection_without_login():
    socks = Socks5("192.0.2.1", 6881)
    assert talk(socks, b"\x05\x00", GRANTED) == [
        b"\x05\x01\x00", b"\x05\x01\x00\x01\xc0\x00\x02\x01\x1a\xe1", b""]
    assert socks.is_open
    assert socks.bound == ("10.0.0.1", 1080)


def test_a_connection_with_login_to_a_name():
    socks = Socks5("example.org", 80, LOGIN)
    assert talk(socks, b"\x05\x02", b"\x01\x00", GRANTED) == [
        b"\x05\x02\x00\x02", b"\x01\x02me\x06secret", b"\x05\x01\x00\x03\x0bexample.org\x00\x50", b""]
    assert socks.is_open


def test_an_ipv6_address_is_sent_as_one():
    socks = Socks5("2001:db8::1", 1)
    assert talk(socks, b"\x05\x00")[1] == (
        b"\x05\x01\x00\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01\x00\x01")


def test_a_login_that_is_not_asked_for_is_not_told():
    assert b"secret" not in b"".join(talk(Socks5("192.0.2.1", 1, LOGIN), b"\x05\x00", GRANTED))


@pytest.mark.parametrize("cut", range(1, 13))
def test_answers_may_be_cut_anywhere_and_what_follows_is_not_lost(cut):
    stream = b"\x05\x00" + GRANTED + b"hello"
    socks = Socks5("192.0.2.1", 1)
    socks.begin()
    said = socks.feed(stream[:cut]) + (socks.feed(stream[cut:]) if not socks.is_open else b"")
    assert said == b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x01"
    assert socks.is_open
    assert socks.early == (b"hello" if cut < 12 else b"")


@pytest.mark.parametrize(("result", "code"), [
    (1, "proxy.refused"), (2, "proxy.refused"), (3, "net.unreachable"), (4, "net.unreachable"), (5, "net.refused"),
    (6, "net.timed-out"), (7, "proxy.refused"), (8, "proxy.refused"), (99, "proxy.refused"),
])
def test_whose_fault_a_refusal_is_stays_visible(result, code):
    with pytest.raises((ProxyFailed, DialFailed)) as caught:
        talk(Socks5("192.0.2.1", 1), b"\x05\x00", bytes((5, result)))
    assert caught.value.code == code


@pytest.mark.parametrize(("login", "answers", "code"), [
    (None, [b"\x05\xff"], "proxy.login"),
    (None, [b"\x05\x02"], "proxy.login"),
    (LOGIN, [b"\x05\xff"], "proxy.login"),
    (LOGIN, [b"\x05\x02", b"\x01\x01"], "proxy.login"),
    (None, [b"\x04\x00"], "proxy.bad-answer"),
    (None, [b"HTTP/1.1 400"], "proxy.bad-answer"),
    (None, [b"\x05\x00", b"\x04\x00"], "proxy.bad-answer"),
    (None, [b"\x05\x00", b"\x05\x00\x00\x09" + bytes(6)], "proxy.bad-answer"),
])
def test_what_a_proxy_does_wrong_has_a_code(login, answers, code):
    with pytest.raises(ProxyFailed) as caught:
        talk(Socks5("192.0.2.1", 1, login), *answers)
    assert caught.value.code == code


@pytest.mark.parametrize("host", ["", "x" * 256, "häuschen"])
def test_a_host_that_cannot_be_said_is_refused_at_once(host):
    with pytest.raises(FormatError):
        Socks5(host, 80)


@pytest.mark.parametrize("login", [Login("", "x"), Login("x", ""), Login("x" * 256, "x")])
def test_a_login_that_cannot_be_said_is_refused_at_once(login):
    with pytest.raises(FormatError):
        Socks5("192.0.2.1", 80, login)


def test_a_relay_tells_where_it_takes_datagrams():
    socks = Socks5("0.0.0.0", 0, command=Command.ASSOCIATE)
    assert talk(socks, b"\x05\x00", GRANTED)[1] == b"\x05\x03\x00\x01" + bytes(6)
    assert socks.bound == ("10.0.0.1", 1080)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::7"])
def test_a_datagram_survives_the_relay(host):
    assert unwrap_datagram(wrap_datagram(b"d1:y1:qe", host, 6881)) == (b"d1:y1:qe", Endpoint(host, 6881))


@pytest.mark.parametrize("datagram", [
    b"", b"\0\0\0", b"\0\0\0\1", b"\0\0\1\1\x7f\0\0\1\0\1x", b"\1\0\0\1\x7f\0\0\1\0\1x", b"\0\0\0\1\x7f\0\0\1\0\0x",
    b"\0\0\0\3\1a\0\1x", b"\0\0\0\4\x7f\0\0\1\0\1x",
])
def test_what_no_relay_sends_is_refused(datagram):
    with pytest.raises(FormatError):
        unwrap_datagram(datagram)


def test_an_unknown_kind_of_address_is_refused():
    with pytest.raises(FormatError):
        unwrap_datagram(b"\0\0\0\2" + bytes(9))
