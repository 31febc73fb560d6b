"""Addresses in torrents: what is kept can stand in a request, a log and a terminal."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model.urls import (
    MAX_TRACKERS,
    MAX_WEB_SEEDS,
    TRACKER_SCHEMES,
    WEB_SEED_SCHEMES,
    authority_of,
    host_of,
    usable_tiers,
    usable_url,
    usable_web_seeds,
)


@pytest.mark.parametrize(("raw", "url"), [
    (b"http://a.b/announce", "http://a.b/announce"),
    (b"HTTPS://A.b:443/x?passkey=1&y#z", "https://A.b:443/x?passkey=1&y#z"),
    (b"udp://tracker:6969", "udp://tracker:6969"),
    (b"http://[::1]:80/a", "http://[::1]:80/a"),
    (b" http://a/ ", "http://a/"),
    (b"http://a/b c", "http://a/b%20c"),
    ("http://a/ü".encode(), "http://a/%C3%BC"),
    (b"http://a/\xff", "http://a/%FF"),
    ("http://bücher.example/".encode(), "http://xn--bcher-kva.example/"),
    (b"http://user:word@host/a", "http://user:word@host/a"),
])
def test_usable_addresses_are_kept_in_one_form(raw: bytes, url: str) -> None:
    assert usable_url(raw, TRACKER_SCHEMES) == url


@pytest.mark.parametrize("raw", [
    b"", b"http", b"http://", b"http:///x", b"a.b/announce", b"file:///etc/passwd", b"ftp://a/", b"udp://a", b"http://a:0/",
    b"http://a:99999/", b"http://a:b/", b"http://a b/", b"http://a/\r\nX: y", b"http://a/\x00", b"http://a\\b/",
    b"javascript:alert(1)", b"http://a/" + b"x" * 5000, b"http://\xff\xff/", b"//a/", b"http://[::1/",
    ("http://" + "ü" * 80 + "/").encode(),
    b"http://[1:2:3]/announce", b"http://[.]/announce", b"udp://[:::]:80/a", b"http://[@x/announce",
    b"http://user:[@x:80/announce", b"http://a]b@h/announce", b"http://[::1]:1@[1::2::3]/a", b"http://[1.2.3.4]/a",
])
def test_others_are_not_kept(raw: bytes) -> None:
    assert usable_url(raw, TRACKER_SCHEMES) is None


def test_web_seeds_speak_http() -> None:
    assert usable_url(b"udp://a:1", WEB_SEED_SCHEMES) is None


@given(st.binary(max_size=40))
def test_a_kept_address_is_printable_ascii_without_spaces_and_is_kept_again(tail: bytes) -> None:
    url = usable_url(b"http://a" + tail, TRACKER_SCHEMES)
    if url is not None:
        assert url.isascii() and url.isprintable() and " " not in url
        assert usable_url(url.encode(), TRACKER_SCHEMES) == url


@given(st.text("[]:@.%1aF/?#", max_size=24))
def test_a_kept_address_can_be_taken_apart(tail: str) -> None:
    url = usable_url(b"http://" + tail.encode(), TRACKER_SCHEMES)
    if url is not None:
        parts = urlsplit(url)
        assert parts.port is None or parts.port > 0
        assert host_of(url) == parts.hostname
        assert authority_of(url) == parts.netloc.rpartition("@")[2].lower()


@given(st.text(max_size=40))
def test_of_what_is_no_url_something_is_told_all_the_same(text: str) -> None:
    assert isinstance(host_of(text), str) and isinstance(host_of(f"http://{text}"), str)


@pytest.mark.parametrize(("url", "authority", "host"), [
    ("http://User:word@Host.test:80/a@b", "host.test:80", "host.test"),
    ("udp://[2001:DB8::1]:6969", "[2001:db8::1]:6969", "2001:db8::1"),
    ("http://a?x=http://b/", "a", "a"),
    ("http://[1:2:3]/announce", "[1:2:3]", "1:2:3"),
    ("http://[/announce", "[", ""),
    ("announce", "", ""),
])
def test_host_and_port_of_a_url(url: str, authority: str, host: str) -> None:
    assert (authority_of(url), host_of(url)) == (authority, host)


def test_tiers_lose_what_is_useless_repeated_or_too_much() -> None:
    assert usable_tiers([[b"http://a/", b"x"], [], [b"http://a/"], [b"http://b/", b"http://b/"]]) == (
        ("http://a/",), ("http://b/",))
    many = [[b"http://a/%d" % number] for number in range(1000)]
    assert len(usable_tiers(many)) == MAX_TRACKERS
    assert len(usable_web_seeds(tier[0] for tier in many)) == MAX_WEB_SEEDS
