"""Decompression bombs: a gigabyte of zeros in a megabyte is refused at the first byte too many."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib

import pytest

from blobtorrent.core.session.sources import FETCH_MAX_BYTES, read_source
from blobtorrent.discovery.httpget import _unpacked
from blobtorrent.model.errors import NetworkError
from blobtorrent.network.binding import Binding
from blobtorrent.protocol.tracker.http import MAX_REPLY_BYTES
from tests.support.canaries import Pages
from tests.support.rest import TOKEN, RestRig

GIGABYTE = 1 << 30
PART = 1 << 20
REFUSAL_S = 0.2                        # of its own time


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """Made of one part over and over: to pack a gigabyte takes long."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(bytes(PART)) + packer.flush(zlib.Z_SYNC_FLUSH)
    part = packer.compress(bytes(PART)) + packer.flush(zlib.Z_SYNC_FLUSH)      # refers to zeros before it only
    data = b"\x1f\x8b\x08" + bytes(7) + first + part * (GIGABYTE // PART - 1)
    assert len(data) < 1_500_000
    unpacker = zlib.decompressobj(31)
    assert unpacker.decompress(data, 8 << 20) == bytes(8 << 20) and unpacker.unconsumed_tail
    return data


@pytest.mark.parametrize("limit", [MAX_REPLY_BYTES, FETCH_MAX_BYTES])
def test_a_gigabyte_of_zeros_is_refused_soon_and_in_little_memory(bomb: bytes, limit: int) -> None:
    began_s = time.thread_time()
    with pytest.raises(NetworkError) as caught:
        _unpacked(bomb, limit)
    assert caught.value.code == "net.too-large"
    assert time.thread_time() - began_s < REFUSAL_S
    tracemalloc.start()
    try:
        with pytest.raises(NetworkError):
            _unpacked(bomb, limit)
        assert tracemalloc.get_traced_memory()[1] < 4 * limit
    finally:
        tracemalloc.stop()


def test_the_limits_are_those_that_were_settled_on() -> None:
    assert MAX_REPLY_BYTES <= 2 << 20 and FETCH_MAX_BYTES == 10 << 20


def test_a_url_that_gives_one_is_refused(bomb: bytes) -> None:
    page = 200, {"Content-Encoding": "gzip"}, bomb
    with Pages({"/x.torrent": page}) as pages, pytest.raises(NetworkError) as caught:
        read_source(pages.url("/x.torrent"), binding=Binding())
    assert caught.value.code == "net.too-large"


def test_a_packed_request_is_not_unpacked(bomb: bytes) -> None:
    with RestRig() as rig:
        body = gzip.compress(b'{"source": "/x"}')
        answer = rig.request("POST", "/v1/torrents", body, token=TOKEN, headers={
            "Content-Type": "application/json", "Content-Encoding": "gzip"})
        assert answer.status in (400, 415)
        assert rig.session.commands == []
