"""Requests to the rTorrent interface that nobody meant: cut, mixed and bent at random, always the same ones.

Whatever comes is answered or refused in little time, by the errors that are declared, and leaves nothing behind.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from random import Random
from resource import RUSAGE_SELF, getrusage

import pytest

from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.exchange import read_request
from blobtorrent.interface.rtorrent.rules import UnknownType
from blobtorrent.interface.rtorrent.scgi import BadFraming, ScgiReader
from tests.support.rpc import Stage, exchange, framed, recordings, serving, unix_door

ROUNDS = 50_000                        # of each language
SLOWEST_S = 1.0
GROWTH_KIB = 64 << 10
SNIPPETS = (
    b"<value>", b"</value>", b"<array><data>", b"</data></array>", b"<struct>", b"<member>", b"<name>", b"&#x0;",
    b"&lt;", b"<!DOCTYPE a>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?x?>", b"<i8>", b"<base64>", b"<nil/>", b"\xff", b"\0",
    b"\xed\xa0\x80", b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"1e999", b"-", b"\\ud800", b"\\u0000",
    b"99999999999999999999", b"system.multicall", b'"method"', b'"params"', b'"id"', b"\xf0\x9f\x98\x80",
)


def corpus() -> list[bytes]:
    raw = [case["request"].encode("latin-1").partition(b",")[2] for case in recordings("transport.json")]
    return [body for body in raw if body] + [case["request"].encode() for case in recordings("jsonrpc-0.16.20.json")]


def bent(rng: Random, seeds: list[bytes]) -> bytes:
    """One of the seeds with some of it dropped, doubled, replaced or mixed with another."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 1, 1, 4, 20)))
        kind = rng.randrange(5)
        if kind == 0:
            del data[start:end]
        elif kind == 1:
            data[start:end] = rng.choice(SNIPPETS)
        elif kind == 2:
            data[start:start] = rng.choice(SNIPPETS) * rng.choice((1, 1, 1, 60))
        elif kind == 3:
            data[start:end] = bytes(rng.randrange(256) for _ in range(end - start))
        else:
            other = rng.choice(seeds)
            data[start:] = other[rng.randrange(len(other)):]
    return bytes(data)


def timed(requests: Iterator[bytes], take: Callable[[bytes], None]) -> None:
    before_kib = 0
    for number, request in enumerate(requests):
        if number == ROUNDS // 10:     # all that is loaded once is there by then
            before_kib = getrusage(RUSAGE_SELF).ru_maxrss
        begun_s = time.thread_time()
        take(request)
        assert time.thread_time() - begun_s < SLOWEST_S, request
    assert getrusage(RUSAGE_SELF).ru_maxrss - before_kib < GROWTH_KIB


@pytest.mark.parametrize("content_type", ["text/xml", "application/json"])
def test_any_body_is_answered_in_its_language(content_type):
    rng, stage = Random(content_type), Stage()
    seeds = [body for body in corpus() if body.lstrip().startswith(b"<") == (content_type == "text/xml")]

    def take(body: bytes) -> None:
        request = read_request(body, content_type)
        request.perform(stage.calls, Trust.FULL)
        answer = b"".join(request.render().parts)
        if content_type == "text/xml":
            assert answer.startswith(b"<?xml") and answer.endswith(b"</methodResponse>\r\n")
        elif answer:
            json.loads(answer)

    timed((bent(rng, seeds) for _ in range(ROUNDS)), take)


def test_any_framing_is_a_request_or_is_refused():
    rng, seeds = Random("framing"), [framed(body[:200]) for body in corpus()]

    def take(data: bytes) -> None:
        reader, position = ScgiReader(), 0
        try:
            while position < len(data):
                step = rng.randint(1, 80)
                reader.feed(data[position:position + step])
                position += step
                found = reader.read()
                if found is not None:
                    assert int(found.headers["CONTENT_LENGTH"]) == len(found.body)
                    read_request(found.body, found.headers.get("CONTENT_TYPE", ""))
                    return
        except (BadFraming, UnknownType):
            pass

    timed((bent(rng, seeds) for _ in range(ROUNDS)), take)


def test_a_server_survives_them_all(tmp_path):
    rng, seeds = Random("server"), [framed(body[:2000]) for body in corpus()]
    with serving(unix_door(tmp_path)) as (rpc, _):
        for _ in range(1000):
            try:
                exchange(rpc.addresses[0], bent(rng, seeds), half_close=True)
            except ConnectionError:    # left before all was sent
                pass
        assert b"4242" in exchange(rpc.addresses[0], framed(b'{"id":1,"method":"system.pid"}'))
