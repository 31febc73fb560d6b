"""Whatever bytes a stranger sends to a reader, what comes of it is a value or the reader's own kind of error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bencodepy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blobtorrent.model.errors import FormatError, PeerError, RemoteError
from blobtorrent.model.magnet import format_magnet, parse_magnet
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.tracker.http import read_reply
from blobtorrent.protocol.wire.extended import ExtendedHandshake
from blobtorrent.protocol.wire.greeting import GREETING_BYTES, GreetingReader
from blobtorrent.protocol.wire.pex import PeerExchange

RUNS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

NUMBERS = st.one_of(st.integers(-2, 2), st.sampled_from([
    (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 53, 1 << 63, -(1 << 63), 10**30]))
LEAVES = st.one_of(NUMBERS, st.binary(max_size=40), st.just(bytes(20)), st.just(bytes(32)))


def documents(*keys: bytes) -> st.SearchStrategy[bytes]:
    """Bencoding of dictionaries with the keys that a reader looks for, and values of any kind behind them."""
    names = st.one_of(st.sampled_from(keys), st.binary(max_size=4))
    values = st.recursive(LEAVES, lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=6)), max_leaves=12)
    return st.dictionaries(names, values, max_size=8).map(bencodepy.encode)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """The same, cut or with some bytes changed."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 3))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.sampled_from(b"0123456789:deil-\xff\0"))
    return bytes(data[:draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


TORRENTS = documents(b"info", b"name", b"piece length", b"pieces", b"length", b"files", b"path", b"file tree",
                     b"meta version", b"piece layers", b"announce", b"announce-list", b"private", b"url-list", b"nodes")
REPLIES = documents(b"peers", b"peers6", b"interval", b"min interval", b"complete", b"incomplete", b"downloaded",
                    b"failure reason", b"warning message", b"tracker id", b"external ip", b"ip", b"port")
HANDSHAKES = documents(b"m", b"p", b"v", b"yourip", b"ipv4", b"ipv6", b"reqq", b"metadata_size", b"upload_only",
                       b"ut_pex", b"ut_metadata")
EXCHANGES = documents(b"added", b"added.f", b"added6", b"added6.f", b"dropped", b"dropped6")


@pytest.mark.parametrize(("read", "whole", "error"), [
    (parse_torrent, TORRENTS, FormatError),
    (read_reply, REPLIES, RemoteError),
    (ExtendedHandshake.decode, HANDSHAKES, PeerError),
    (PeerExchange.decode, EXCHANGES, PeerError),
], ids=["torrent", "tracker", "handshake", "pex"])
def test_bencoding_of_strangers(
    read: Callable[[bytes], Any], whole: st.SearchStrategy[bytes], error: type[Exception]
) -> None:
    @RUNS
    @given(st.one_of(st.binary(max_size=200), damaged(whole)))
    def holds(data: bytes) -> None:
        try:
            read(data)
        except error:
            pass

    holds()


@RUNS
@given(st.lists(st.binary(max_size=40), max_size=8), st.booleans())
def test_greetings_of_strangers(parts: list[bytes], is_begun_well: bool) -> None:
    reader, fed = GreetingReader(), b""
    for part in [b"\x13BitTorrent protocol", *parts] if is_begun_well else parts:
        fed += part
        try:
            reader.feed(part)
        except PeerError:
            return
        assert (reader.greeting is not None) == (len(fed) >= GREETING_BYTES)
    if reader.greeting is not None:
        assert reader.greeting.encode() + reader.early == fed


@RUNS
@given(st.one_of(st.text(max_size=80), st.lists(st.tuples(
    st.sampled_from(["xt", "xt.1", "dn", "tr", "ws", "xs", "x.pe", "so", "xl"]),
    st.one_of(st.text(max_size=30), st.sampled_from([
        "urn:btih:" + "a" * 40, "urn:btih:" + "A" * 32, "urn:btmh:1220" + "0" * 64, "1.2.3.4:5", "[::1]:80", "0-3,7",
        "%", "%ff%00", "9" * 30])),
), max_size=8).map(lambda pairs: "magnet:?" + "&".join(f"{key}={value}" for key, value in pairs))))
def test_links_of_strangers(text: str) -> None:
    try:
        link = parse_magnet(text)
    except FormatError:
        return
    assert parse_magnet(format_magnet(link)) == link
