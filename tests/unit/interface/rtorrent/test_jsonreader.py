"""Large JSON in pieces: what comes out is what Python reads, wherever the pieces are cut."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.interface.rtorrent import jsonreader, jsonrpc
from blobtorrent.interface.rtorrent.jsonreader import MAX_DEPTH, JsonReader, decoded, skip_blanks
from blobtorrent.runtime.pacing import Pace

DECODER = json.JSONDecoder()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)
TOO_MUCH = "[" * (MAX_DEPTH + 20) + "]" * (MAX_DEPTH + 20)


@pytest.fixture(autouse=True, scope="module")
def small_pieces():
    patch = pytest.MonkeyPatch()
    patch.setattr(jsonreader, "WINDOW_CHARS", 8)
    patch.setattr(jsonreader, "SLICE_CHARS", 16)
    yield
    patch.undo()


def read(text: str):
    return JsonReader(text, DECODER).value(0)


@given(VALUES, st.booleans(), st.sampled_from((None, 1)))
def test_any_value_is_read_as_python_reads_it(value, is_ascii, indent):
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
    assert read(text + " ") == (json.loads(text), len(text))


def test_whatever_is_bent_is_read_as_python_reads_it_or_refused_as_well():
    rng = Random(6)
    seed = json.dumps({"id": 1, "params": ["", "\ud83d\ude00 \ud83d x \\ \" \u00e9" * 3, [1.5e3, -20, True, None, {}]]})
    for _ in range(20_000):
        text = list(seed)
        for _ in range(rng.randint(1, 3)):
            text[rng.randrange(len(text))] = rng.choice('"\\[]{},: u0dDcb8e\n1-x\x00')
        bent = "".join(text)
        try:
            expected = DECODER.raw_decode(bent)
        except ValueError:
            with pytest.raises(ValueError):
                read(bent)
        else:
            assert read(bent) == expected, bent


@pytest.mark.parametrize("text", [
    '"' + "x" * 100, '"' + "x" * 100 + '\\q"', '"' + "x" * 40 + '\n"', "[1,2,3,4,5,6,7,8 9]", '{"a":1,"b":2,"c":3 4}',
    '{"aaaaaaaaaaaa" 1}', "[1111111111,x]", "12345678x", "", "nullx"])
def test_an_error_is_where_it_is(text):
    try:
        DECODER.raw_decode(text)
    except json.JSONDecodeError as expected:
        with pytest.raises(json.JSONDecodeError) as caught:
            read(text)
        assert (caught.value.pos, caught.value.doc) == (expected.pos, text)
    else:
        assert read(text) == DECODER.raw_decode(text)


@pytest.mark.parametrize("text", ["[1111111111,]", '{"a":1111111111,}'])
def test_a_comma_is_not_the_last(text):
    with pytest.raises(json.JSONDecodeError):              # Python 3.13 names another place than those before it
        read(text)


def test_what_is_too_deep_is_refused():
    with pytest.raises(RecursionError):
        read(TOO_MUCH)
    with pytest.raises(RecursionError):
        read('{"a":' * 100_000)


@given(st.text(), st.binary())
def test_bytes_become_text_wherever_they_are_cut(text, junk):
    assert decoded(text.encode()) == text
    try:
        expected = junk.decode()
    except UnicodeDecodeError as error:
        with pytest.raises(UnicodeDecodeError) as caught:
            decoded(junk)
        assert caught.value.start == error.start
    else:
        assert decoded(junk) == expected


def test_blanks_end_somewhere():
    assert skip_blanks(" \t\n" * 100 + "x", 0) == 300 and skip_blanks(" " * 64, 0) == 64


def test_other_threads_have_their_turn_while_megabytes_are_read_and_written(monkeypatch):
    looks = 0

    class Counted(Pace):
        def look(self) -> None:
            nonlocal looks
            looks += 1

    for module in (jsonreader, jsonrpc):
        monkeypatch.setattr(module, "Pace", Counted)
        monkeypatch.setattr(module, "SLICE_CHARS", 32 << 10)
    monkeypatch.setattr(jsonreader, "WINDOW_CHARS", 4 << 10)
    text = "\\u00e9\U0001f600 and so on " * (1 << 16)
    body = json.dumps({"id": 1, "method": "cat", "params": ["", text]}).encode()
    (call,), _ = jsonrpc.parse_request(body)
    assert call.params[1] == text
    assert looks > 2 * (len(text) >> 15)
    looks = 0
    assert json.loads(b"".join(jsonrpc.render_answer(text, 1)))["result"] == text
    assert looks >= len(text) >> 15
