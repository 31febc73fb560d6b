"""Bodies: strict JSON, and nothing that is not."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rest.http import Head, Refused, Request
from blobtorrent.interface.rest.jsonbody import MAX_DEPTH, parse_json, read_fields


def request(body: bytes, content_type: str = "application/json") -> Request:
    return Request(Head("POST", ("v1",), {}, {"content-type": content_type}, len(body), True), body)


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"\xff", b"NaN", b"[Infinity]", b"[-Infinity]", b'{"a":1,"a":2}', b'{"b":{"a":1,"a":2}}', b"[1e999]",
        b"1" * 5000, b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b'{"a":' * 70 + b"1" + b"}" * 70, b"{} {}", b"", b"'a'", b'"\x01"',
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(body):
    with pytest.raises(Refused) as caught:
        parse_json(body)
    assert caught.value.status == 400


def test_plain_json_is_taken():
    assert parse_json(b' {"a": [1, 2.5, -3, null, true, "\\u00e9"]} ') == {"a": [1, 2.5, -3, None, True, "é"]}
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_a_body_must_say_that_it_is_json():
    for content_type in ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        with pytest.raises(Refused) as caught:
            read_fields(request(b"{}", content_type))
        assert caught.value.status == 415
    read_fields(request(b"{}", "Application/JSON; charset=utf-8")).end()


def test_a_body_must_be_an_object():
    with pytest.raises(Refused) as caught:
        read_fields(request(b"[]"))
    assert caught.value.status == 400


def test_no_body_is_an_empty_object():
    read_fields(request(b"", "")).end()
