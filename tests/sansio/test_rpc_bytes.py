"""Requests to the rTorrent interface that nobody meant: cut, mixed and bent at random, always the same ones.

Whatever comes is answered or refused in little time, by the errors that are declared, and leaves nothing behind.
"""

from __future__ import annotations

import json
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from resource import RUSAGE_SELF, getrusage

import pytest

from blobtorrent.interface.rtorrent.context import NOTHING, Context, Trust
from blobtorrent.interface.rtorrent.exchange import read_request
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.rules import UnknownType
from blobtorrent.interface.rtorrent.scgi import BadFraming, ScgiReader
from blobtorrent.interface.rtorrent.server import RpcServer
from blobtorrent.interface.rtorrent.turns import Turns
from tests.support.rpc import Stage, exchange, framed, recordings, unix_door
from tests.support.rtorrentlanguage import LanguageStage
from tests.support.rtorrenttrust import TrustStage

ROUNDS = 50_000                        # of each language
SERVED = 10_000                        # by the threads that serve
SLOWEST_S = 1.0
ANSWERED_S = 5.0                       # on a machine that does other things, too
STOP_S = 5.0
TOKENS = (
    "$", "{", "}", "(", "((", "(((", ")", "))", ",", ",", ";", '"', "\\", "\n", "\0", "=", " ", "#", "a", "1", "-1",
    "main", "99999999999999999999", "0x", "\udcff", "é", "*", "[", ".", "cat=", "$cat=", "branch=", "try=", "x" * 300,
)
TARGETS = ("", "1DE49452D03B14E46250ADD77D84282CE455519A", "1DE49452D03B14E46250ADD77D84282CE455519A:f0", "x")
GROWTH_KIB = 64 << 10
SNIPPETS = (
    b"<value>", b"</value>", b"<array><data>", b"</data></array>", b"<struct>", b"<member>", b"<name>", b"&#x0;",
    b"&lt;", b"<!DOCTYPE a>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?x?>", b"<i8>", b"<base64>", b"<nil/>", b"\xff",
    b"\0", b"\xed\xa0\x80", b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"1e999", b"-", b"\\ud800", b"\\u0000",
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


def text(rng: Random, names: list[str]) -> str:
    """A command text that may even mean something."""
    return "".join(rng.choice(names) + "=" if rng.random() < 0.3 else rng.choice(TOKENS)
                   for _ in range(rng.choice((1, 3, 10, 60))))


def column_call(rng: Random, names: list[str]) -> bytes:
    """A call of some command, or of a multicall with texts, in either language."""
    name = rng.choice((*names, "d.multicall2", "d.multicall2", "d.multicall.filtered"))
    params = [rng.choice(TARGETS), rng.choice(("main", "1", "")), *(text(rng, names) for _ in range(rng.randint(0, 4)))]
    if rng.random() < 0.5:
        return json.dumps({"id": 1, "method": name, "params": params}).encode()
    return xmlrpc.client.dumps(tuple(params), name).encode("utf-8", "surrogatepass")


def test_any_command_text_is_run_or_refused():
    rng, stage, played = Random("texts"), TrustStage(), LanguageStage()
    names = stage.registry.names()
    spoken = [name for name in played.registry.names() if not name.startswith(("execute", "import", "try_import"))]
    before_kib = getrusage(RUSAGE_SELF).ru_maxrss

    def run(context: Context, text: str) -> None:
        begun_s = time.thread_time()
        with suppress(Fault):
            context.text(text, many=True)
        assert time.thread_time() - begun_s < SLOWEST_S, text

    for _ in range(ROUNDS // 2):
        aim = rng.choice((NOTHING, *stage.aims().values()))
        run(stage.interpreter.context(Trust.NO_CODE).at(aim), text(rng, names))
        stage.restock()
        run(played.context().at(rng.choice((NOTHING, played.download))), text(rng, spoken))
    assert not stage.sung
    assert getrusage(RUSAGE_SELF).ru_maxrss - before_kib < GROWTH_KIB


def test_a_server_survives_them_all(tmp_path):
    rng, stage, turns = Random("server"), TrustStage(), Turns()
    seeds, names = [framed(body[:2000]) for body in corpus()], stage.registry.names()
    rpc = RpcServer([unix_door(tmp_path)], turns.post,
                    lambda exchange, _trust: exchange.perform(stage.calls, Trust.NO_CODE))
    turns.start()
    rpc.start()
    before_kib = num_threads = 0
    try:
        for number in range(SERVED):
            if number == SERVED // 10:
                before_kib, num_threads = getrusage(RUSAGE_SELF).ru_maxrss, threading.active_count()
            request = bent(rng, seeds) if rng.random() < 0.5 else framed(column_call(rng, names))
            begun_s = time.monotonic()
            with suppress(ConnectionError):                # left before all was sent
                exchange(rpc.addresses[0], request, half_close=True)
            assert time.monotonic() - begun_s < ANSWERED_S, request
            stage.restock()
        assert b"0.9.8" in exchange(rpc.addresses[0], framed(b'{"id":1,"method":"system.client_version"}'))
        assert turns.failures == 0 and not [worker for worker in rpc._pool.workers if worker.failures]
        assert threading.active_count() == num_threads and not stage.sung
        assert getrusage(RUSAGE_SELF).ru_maxrss - before_kib < GROWTH_KIB
    finally:
        assert rpc.stop(STOP_S) and turns.stop(STOP_S)
