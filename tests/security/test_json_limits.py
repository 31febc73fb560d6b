"""JSON and HTTP parser abuse: what two readers could understand differently, or would take one of them for ever."""

from __future__ import annotations

import json
import time

import pytest

from blobtorrent.interface.rest.http import Refused
from blobtorrent.interface.rest.jsonbody import MAX_DEPTH, parse_json
from tests.support.rest import TOKEN, RestRig
from tests.support.rpc import body_of, exchange, framed, serving, unix_door

REFUSAL_S = 0.5

DOCUMENTS = {
    "nested just too deep": lambda: b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "nested maps": lambda: b'{"a":' * (MAX_DEPTH + 2) + b"1" + b"}" * (MAX_DEPTH + 2),
    "100,000 open lists": lambda: b"[" * 100_000,
    "1,000,000 closed lists": lambda: b"[" * 1_000_000 + b"]" * 1_000_000,
    "a key twice": lambda: b'{"a": 1, "a": 2}',
    "a key twice, once escaped": lambda: b'{"a": 1, "\\u0061": 2}',
    "a key twice, further in": lambda: b'{"b": [{"a": 1, "a": 1}]}',
    "not a number": lambda: b'{"a": NaN}',
    "infinity": lambda: b'{"a": -Infinity}',
    "infinity in other words": lambda: b'{"a": 1e999}',
    "a number of 100,000 digits": lambda: b'{"a": ' + b"9" * 100_000 + b"}",
    "more than one": lambda: b"{} {}",
    "no UTF-8": lambda: b'{"a": "\xff"}',
    "UTF-16": lambda: '{"a": 1}'.encode("utf-16"),
    "a byte order mark": lambda: b"\xef\xbb\xbf{}",
    "a comment": lambda: b'{"a": 1} // b',
    "single quotes": lambda: b"{'a': 1}",
    "a trailing comma": lambda: b'{"a": 1,}',
    "a control character": lambda: b'{"a": "\n"}',
}


def test_the_depth_is_the_one_that_was_settled_on() -> None:
    assert MAX_DEPTH == 64
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_no_plain_json_is_refused_soon(name: str) -> None:
    data = DOCUMENTS[name]()
    began_s = time.thread_time()
    with pytest.raises(Refused) as caught:
        parse_json(data)
    assert (caught.value.status, caught.value.code) == (400, "rest.bad-json")
    assert time.thread_time() - began_s < REFUSAL_S


@pytest.mark.parametrize("name", ["nested maps", "1,000,000 closed lists", "not a number", "no UTF-8"])
def test_the_other_interface_refuses_it_too(tmp_path: object, name: str) -> None:
    with serving(unix_door(tmp_path)) as (rpc, _):  # type: ignore[arg-type]
        body = b'{"id":1,"method":"cat","params":["",' + DOCUMENTS[name]() + b"]}"
        answer = json.loads(body_of(exchange(rpc.addresses[0], framed(body, {"CONTENT_TYPE": "application/json"}))))
        assert "error" in answer and "result" not in answer
        after = json.loads(body_of(exchange(rpc.addresses[0], framed(b'{"id":1,"method":"system.pid"}'))))
        assert after["result"] == 4242


# ---- heads: two readers in a row must not cut a stream of requests in different places

ONE = f"Host: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
NEXT = b"GET /v1/session HTTP/1.1\r\n" + ONE + b"\r\n"
SMUGGLED = {
    "both lengths": b"POST /v1/torrents HTTP/1.1\r\n" + ONE
                    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunked": b"POST /v1/torrents HTTP/1.1\r\n" + ONE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length twice": b"POST /v1/torrents HTTP/1.1\r\n" + ONE + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "two lengths in one": b"POST /v1/torrents HTTP/1.1\r\n" + ONE + b"Content-Length: 0, 5\r\n\r\n",
    "a negative length": b"POST /v1/torrents HTTP/1.1\r\n" + ONE + b"Content-Length: -1\r\n\r\n",
    "a signed length": b"POST /v1/torrents HTTP/1.1\r\n" + ONE + b"Content-Length: +0\r\n\r\n",
    "a hexadecimal length": b"POST /v1/torrents HTTP/1.1\r\n" + ONE + b"Content-Length: 0x0\r\n\r\n",
    "a length of other digits": b"POST /v1/torrents HTTP/1.1\r\n" + ONE + "Content-Length: \u0660\r\n\r\n".encode(),
    "a bare line feed": b"GET /v1/session HTTP/1.1\n" + ONE.replace(b"\r", b"") + b"\n",
    "a bare carriage return": b"GET /v1/session HTTP/1.1\r\n" + ONE + b"X: a\rContent-Length: 5\r\n\r\n",
    "a folded line": b"GET /v1/session HTTP/1.1\r\n" + ONE + b"X: a\r\n Content-Length: 5\r\n\r\n",
    "a space before the colon": b"POST /v1/torrents HTTP/1.1\r\n" + ONE + b"Content-Length : 5\r\n\r\n",
    "a NUL": b"GET /v1/session HTTP/1.1\r\n" + ONE + b"X: a\0b\r\n\r\n",
    "a request line of 9 KiB": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + ONE + b"\r\n",
    "101 headers": b"GET /v1/session HTTP/1.1\r\n" + ONE + b"".join(b"X%d: a\r\n" % n for n in range(101)) + b"\r\n",
    "a head of 65 KiB": b"GET /v1/session HTTP/1.1\r\n" + ONE + b"".join(
        b"X%d: %s\r\n" % (n, b"a" * 1000) for n in range(66)) + b"\r\n",
    "17 MiB announced": b"POST /v1/torrents HTTP/1.1\r\n" + ONE + b"Content-Length: 17825792\r\n\r\n",
    "a length of endless digits": b"POST /v1/torrents HTTP/1.1\r\n" + ONE
                                  + b"Content-Length: " + b"1" * 5000 + b"\r\n\r\n",
    "another version": b"GET /v1/session HTTP/2.0\r\n" + ONE + b"\r\n",
}


@pytest.fixture(scope="module")
def rig():
    with RestRig() as running:
        yield running


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_could_be_cut_elsewhere_is_one_refusal_and_the_end(rig: RestRig, name: str) -> None:
    answer = rig.raw(SMUGGLED[name] + NEXT)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert answer.count(b"HTTP/1.1 ") == 1, "what followed was not listened to"
    assert rig.session.commands == []
