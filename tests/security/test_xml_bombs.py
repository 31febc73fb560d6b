"""XML bombs and XXE: a document that would grow, lead elsewhere or never end is a fault, soon and in little memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest

from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.xmlrpc import MAX_DEPTH, MAX_ELEMENTS, parse_call
from blobtorrent.model.errors import FormatError
from blobtorrent.protocol.upnp import read_answer
from tests.support.rpc import body_of, exchange, framed, serving, unix_door

FAULT_S = 0.5                          # of its own time; an idle machine takes far less
MAX_BYTES = 50 << 20
CALL = "<methodCall><methodName>cat</methodName><params>{}</params></methodCall>"
PARAM = "<param><value>{}</value></param>"


def document(text: str, doctype: str = "") -> bytes:
    return ('<?xml version="1.0"?>' + doctype + CALL.format(PARAM.format(text))).encode()


def billion_laughs() -> bytes:
    entities = '<!ENTITY a0 "lol">' + "".join(
        f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, 10))
    return document("&a9;", f"<!DOCTYPE lolz [{entities}]>")


def nested(depth: int) -> bytes:
    return document("<array><data><value>" * depth + "</value></data></array>" * depth)


BOMBS: dict[str, Callable[[], bytes]] = {
    "billion laughs": billion_laughs,
    "quadratic": lambda: document("&a;" * 50_000, f'<!DOCTYPE a [<!ENTITY a "{"x" * 50_000}">]>'),
    "one small entity": lambda: document("&a;", '<!DOCTYPE a [<!ENTITY a "b">]>'),
    "external entity": lambda: document("&a;", '<!DOCTYPE a [<!ENTITY a SYSTEM "http://127.0.0.1:9/canary">]>'),
    "external document type": lambda: document("", '<!DOCTYPE a SYSTEM "file:///etc/passwd">'),
    "parameter entity": lambda: document("", '<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1:9/b"> %b;]>'),
    "nested just too deep": lambda: nested(MAX_DEPTH + 1),
    "100,000 nested arrays": lambda: nested(100_000),
    "100,000 nested structs": lambda: document("<struct><member><name>a</name><value>" * 100_000),
    "as many elements as allowed, and more": lambda: CALL.format(PARAM.format("") * MAX_ELEMENTS).encode(),
    "16 MiB of elements": lambda: (
        b"<methodCall><methodName>a</methodName><params>" + b"<param><value/></param>" * 700_000),
    "attributes": lambda: b"<methodCall " + b" ".join(b'a%d="x"' % number for number in range(200_000)) + b"/>",
    "a number of 5,000 digits": lambda: document(f"<i8>{'9' * 5000}</i8>"),
    "a tag of 16 MiB": lambda: b"<" + b"a" * (16 << 20),
    "a comment of 16 MiB": lambda: b"<methodCall><!--" + b"-x" * (8 << 20),
}


def test_the_limits_are_those_that_were_settled_on() -> None:
    assert (MAX_DEPTH, MAX_ELEMENTS) == (64, 100_000)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_a_fault_soon_and_in_little_memory(name: str) -> None:
    data = BOMBS[name]()
    began_s = time.thread_time()
    with pytest.raises(Fault):
        parse_call(data)
    took_s = time.thread_time() - began_s
    if len(data) < 3 << 20:            # to follow every allocation takes twenty times as long
        tracemalloc.start()
        try:
            with pytest.raises(Fault):
                parse_call(data)
            assert tracemalloc.get_traced_memory()[1] < MAX_BYTES
        finally:
            tracemalloc.stop()
    assert took_s < FAULT_S


def test_a_call_as_deep_and_as_large_as_allowed_is_read() -> None:
    assert parse_call(nested(MAX_DEPTH)).name == "cat"
    assert len(parse_call(CALL.format(PARAM.format("") * (MAX_ELEMENTS // 2 - 10)).encode()).params) > 49_000


@pytest.mark.parametrize("name", ["billion laughs", "external entity", "100,000 nested arrays"])
def test_the_server_answers_with_a_fault_and_goes_on(tmp_path: object, name: str) -> None:
    with serving(unix_door(tmp_path)) as (rpc, _):  # type: ignore[arg-type]
        answer = body_of(exchange(rpc.addresses[0], framed(BOMBS[name]())))
        assert b"<fault>" in answer and b"root:" not in answer
        after = body_of(exchange(rpc.addresses[0], framed(b'{"id":1,"method":"system.pid"}')))
        assert b"4242" in after


def test_a_router_sends_no_bombs_either() -> None:
    for data in (billion_laughs(), BOMBS["external entity"](), nested(10_000)):
        with pytest.raises(FormatError):
            read_answer(data, "AddPortMapping")
