"""JSON-RPC as rTorrent 0.16 speaks it: against what it answered, and whatever else comes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.interface.rtorrent.faults import Fault, no_such_download, no_such_method
from blobtorrent.interface.rtorrent.jsonrpc import (
    MAX_VALUES,
    Rejected,
    parse_request,
    render_answer,
    render_batch,
    render_error,
    render_fault,
)
from blobtorrent.interface.rtorrent.values import Call
from tests.support.rpc import recordings


def refusals() -> dict[str, tuple[str, str]]:
    """Recorded requests that no command sees, and the answers."""
    labels = ("bool id", "named params", "params string", "no method", "float", "null param", "empty batch", "garbage",
              "json string", "json null", "json content type, xml body")
    return {case["label"]: (case["request"], case["response"].partition("\r\n\r\n")[2])
            for case in recordings("jsonrpc-0.16.20.json") if case["label"] in labels}


def written(parts: tuple[bytes, ...]) -> str:
    return b"".join(parts).decode()


@pytest.mark.parametrize("label", refusals())
def test_a_bad_request_is_refused_as_recorded(label):
    request, response = refusals()[label]
    with pytest.raises(Rejected) as caught:
        parse_request(request.encode())
    assert written(render_error(caught.value.code, caught.value.text, caught.value.id)) == response


def test_a_call_has_a_target_even_if_it_names_none():
    (call,), is_list = parse_request(b'  {"method":"system.pid","id":null}')
    assert call == ("system.pid", [""], None, False) and not is_list


def test_values_become_those_of_commands():
    (call,), _ = parse_request(b'{"method":"cat","id":1,"params":["",true,[1,{"a":"b"}],9223372036854775808]}')
    assert call.params == ["", 1, [1, {"a": "b"}], -(1 << 63)]


def test_who_gives_no_id_hears_nothing():
    (call,), _ = parse_request(b'{"method":"x"}')
    assert call.is_notification


def test_a_batch_is_answered_in_order_without_what_is_no_object():
    batch = parse_request(b'[{"method":"a","id":1}, 5, {"id":2}]')
    assert [getattr(entry, "name", "refused") for entry in batch.entries] == ["a", "refused"] and batch.is_list
    assert written(render_batch([(b"1",), (b"2",)])) == "[1,2]" and render_batch([]) == ()


@pytest.mark.parametrize("body", [
    b"", b"[", b"[1", b"[{}", b"[1,]", b"{}x", b"[1]x", b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"NaN", b"[1e999]",
    b'{"method":"\\ud800"}', b'{"id":"\\udc80","method":"a"}', b'{"method":"a","params":["\\ud800"]}', b"1" * 9000,
    b"[" + b"1," * MAX_VALUES + b"1]",
])
def test_anything_else_is_refused(body):
    with pytest.raises(Rejected):
        batch = parse_request(body)
        if batch.is_list:
            raise Rejected(0, "a list of nothing") if not batch.entries else AssertionError(batch)


@pytest.mark.parametrize(("value", "text"), [
    (None, "0"), ([None, "x"], '[0,"x"]'), (Call("cat", ["a"]), '["cat","a"]'), ("\udcff", '"\ufffd"'),
    ({"b": None, "a": 1}, '{"a":1,"b":0}'), ("é\x01", '"é\\u0001"'), ([], "[]"),
])
def test_an_answer_is_compact_and_never_null(value, text):
    assert written(render_answer(value, 1)) == f'{{"id":1,"jsonrpc":"2.0","result":{text}}}'


def test_faults_have_the_codes_and_the_words_of_the_newer_one():
    assert json.loads(written(render_fault(no_such_method("x"), 1)))["error"] == {
        "code": -32601, "message": "method not found: x"}
    assert json.loads(written(render_fault(no_such_download(), 1)))["error"] == {
        "code": -32602, "message": "invalid parameters: info-hash not found"}
    assert json.loads(written(render_fault(Fault(-507, "no"), 1)))["error"]["code"] == -32601


@given(st.lists(st.lists(st.integers(-9, 9) | st.text(max_size=5), max_size=5), max_size=40))
def test_rows_come_back_as_they_were(rows):
    assert json.loads(written(render_answer(rows, "id")))["result"] == rows
