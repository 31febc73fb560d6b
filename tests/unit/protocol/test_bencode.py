"""The bencode door: canonical form, limits, spans, and agreement with the library."""

from __future__ import annotations

import bencodepy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobtorrent.model.errors import BencodeError
from blobtorrent.protocol.bencode import (
    MAX_INT,
    MIN_INT,
    Limits,
    decode,
    decode_prefix,
    encode,
    read_document,
)

VALUES = st.recursive(
    st.integers(MIN_INT, MAX_INT) | st.binary(max_size=120),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.binary(max_size=12), inner, max_size=6),
    max_leaves=25,
)


@pytest.mark.parametrize(("data", "value"), [
    (b"i0e", 0),
    (b"i-1e", -1),
    (b"i9223372036854775807e", MAX_INT),
    (b"i-9223372036854775808e", MIN_INT),
    (b"0:", b""),
    (b"4:spam", b"spam"),
    (b"12:twelve bytes", b"twelve bytes"),
    (b"101:" + b"x" * 101, b"x" * 101),
    (b"le", []),
    (b"de", {}),
    (b"l4:spami7ee", [b"spam", 7]),
    (b"d3:bar4:spam3:fooi42ee", {b"bar": b"spam", b"foo": 42}),
    (b"d1:ald1:bleeee", {b"a": [{b"b": []}]}),
])
def test_canonical_documents_decode(data: bytes, value: object) -> None:
    assert decode(data) == value


@pytest.mark.parametrize(("data", "code"), [
    (b"", "bencode.truncated"),
    (b"l", "bencode.truncated"),
    (b"d1:a", "bencode.truncated"),
    (b"5:spam", "bencode.truncated"),
    (b"12", "bencode.truncated"),
    (b"e", "bencode.unexpected-end"),
    (b"x", "bencode.bad-mark"),
    (b"-1:a", "bencode.bad-mark"),
    (b"\xef\xbb\xbfi1e", "bencode.bad-mark"),
    (b"ie", "bencode.bad-integer"),
    (b"i-e", "bencode.bad-integer"),
    (b"i+5e", "bencode.bad-integer"),
    (b"i 5e", "bencode.bad-integer"),
    (b"i1_0e", "bencode.bad-integer"),
    (b"i1.5e", "bencode.bad-integer"),
    ("i٣e".encode(), "bencode.bad-integer"),
    (b"i12", "bencode.bad-integer"),
    (b"i9223372036854775808e", "bencode.bad-integer"),
    (b"i-9223372036854775809e", "bencode.bad-integer"),
    (b"i" + b"9" * 5000 + b"e", "bencode.bad-integer"),
    (b"1_0:aaaaaaaaaa", "bencode.bad-length"),
    (b"1 :a", "bencode.bad-length"),
    (b"99999999999999999999:a", "bencode.bad-length"),
    (b"9999999999:a", "bencode.truncated"),
    (b"i1ei2e", "bencode.trailing"),
    (b"di1e1:ae", "bencode.bad-key"),
    (b"dle1:ae", "bencode.bad-key"),
    (b"d1:ae", "bencode.no-value"),
    (b"i07e", "bencode.not-canonical"),
    (b"i-0e", "bencode.not-canonical"),
    (b"04:spam", "bencode.not-canonical"),
    (b"00:", "bencode.not-canonical"),
    (b"d1:bi1e1:ai2ee", "bencode.not-canonical"),
    (b"d1:ai1e1:ai2ee", "bencode.not-canonical"),
])
def test_anything_else_is_refused_with_its_code(data: bytes, code: str) -> None:
    with pytest.raises(BencodeError) as caught:
        decode(data)
    assert caught.value.code == code


@pytest.mark.parametrize(("data", "value"), [
    (b"i07e", 7),
    (b"i-0e", 0),
    (b"i-007e", -7),
    (b"04:spam", b"spam"),
    (b"004:spam", b"spam"),
    (b"d1:bi1e1:ai2ee", {b"a": 2, b"b": 1}),
    (b"d1:ai1e1:ai2ee", {b"a": 1}),
])
def test_lenient_decoding_takes_it_and_tells_that_it_was_not_canonical(data: bytes, value: object) -> None:
    document = read_document(data, lenient=True)
    assert document.value == value
    assert not document.is_canonical


def test_lenient_decoding_keeps_the_order_of_unsorted_keys() -> None:
    assert list(decode(b"d1:bi1e1:ai2ee", lenient=True)) == [b"b", b"a"]


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_what_is_encoded_decodes_to_the_same_and_the_library_agrees(value: object) -> None:
    data = encode(value)
    assert decode(data) == value
    assert bencodepy.decode(data) == value
    assert read_document(data, lenient=True).is_canonical


@given(VALUES, st.data())
@settings(max_examples=500, deadline=None)
def test_every_document_the_door_lets_in_encodes_to_the_same_bytes(value: object, data: st.DataObject) -> None:
    mutated = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.sampled_from(b"0123456789:ildex-"))
    try:
        decoded = decode(bytes(mutated))
    except BencodeError:
        return
    assert encode(decoded) == bytes(mutated)
    assert bencodepy.decode(bytes(mutated)) == decoded


@given(st.binary(max_size=60))
def test_only_bencode_errors_come_out_of_random_bytes(data: bytes) -> None:
    for lenient in (False, True):
        try:
            decode(data, lenient=lenient)
        except BencodeError:
            continue


@given(VALUES)
@settings(deadline=None)
def test_every_cut_document_is_refused(value: object) -> None:
    data = encode(value)
    for end in range(len(data)):
        with pytest.raises(BencodeError):
            decode(data[:end])


def test_a_prefix_is_decoded_with_its_end() -> None:
    assert decode_prefix(b"d1:ai1ee" + b"raw bytes") == ({b"a": 1}, 8)


def test_spans_name_the_bytes_of_the_containers_in_the_outermost_dictionary() -> None:
    data = b"d1:ai1e4:infod4:name2:xxe4:listl1:ae5:other1:xe"
    spans = read_document(data).spans
    assert {key: data[start:end] for key, (start, end) in spans.items()} == {
        b"info": b"d4:name2:xxe", b"list": b"l1:ae"}


def test_of_a_repeated_key_the_span_is_that_of_the_first() -> None:
    data = b"d4:infod1:ai1ee4:infod1:ai2eee"
    document = read_document(data, lenient=True)
    start, end = document.spans[b"info"]
    assert decode(data[start:end]) == document.value[b"info"] == {b"a": 1}


def test_depth_is_limited_without_recursion() -> None:
    assert decode(b"l" * 100 + b"e" * 100)
    with pytest.raises(BencodeError) as caught:
        decode(b"l" * 100_000)
    assert caught.value.code == "bencode.too-deep"


def test_tokens_and_size_are_limited() -> None:
    with pytest.raises(BencodeError) as caught:
        decode(b"l" + b"i1e" * 10 + b"e", limits=Limits(tokens=11))
    assert caught.value.code == "bencode.too-many"
    assert len(decode(b"l" + b"i1e" * 9 + b"e", limits=Limits(tokens=11))) == 9
    with pytest.raises(BencodeError) as caught:
        decode(b"10:0123456789", limits=Limits(size_bytes=12))
    assert caught.value.code == "bencode.too-large"
