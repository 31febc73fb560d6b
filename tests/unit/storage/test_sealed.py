"""The seal: what its digests tell apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.storage.sealed import DIGEST_BYTES, KEY_BYTES, Seal

SEAL = Seal(bytes(range(KEY_BYTES)))
PARTS = st.lists(st.binary(max_size=40), max_size=5)


@given(PARTS, PARTS)
def test_only_the_same_parts_have_the_same_digest(one: list[bytes], other: list[bytes]) -> None:
    assert (SEAL.digest(*one) == SEAL.digest(*other)) == (one == other)


@given(PARTS)
def test_a_digest_matches_its_own_parts_under_its_own_key_only(parts: list[bytes]) -> None:
    digest = SEAL.digest(*parts)
    assert len(digest) == DIGEST_BYTES
    assert SEAL.matches(digest, *map(memoryview, parts))
    assert not Seal(bytes(KEY_BYTES)).matches(digest, *parts)


@given(st.binary(max_size=60), st.data())
def test_a_wrapped_record_with_a_flipped_bit_is_no_record(body: bytes, data: st.DataObject) -> None:
    record = bytearray(SEAL.wrap(b"label", body))
    assert SEAL.unwrap(b"label", bytes(record)) == body
    assert SEAL.unwrap(b"other", bytes(record)) is None
    bit = data.draw(st.integers(0, 8 * len(record) - 1))
    record[bit // 8] ^= 1 << bit % 8
    assert SEAL.unwrap(b"label", bytes(record)) is None


@pytest.mark.parametrize("length", [0, 5, DIGEST_BYTES])
def test_a_record_that_is_cut_short_is_no_record(length: int) -> None:
    assert SEAL.unwrap(b"label", SEAL.wrap(b"label", b"body")[:length]) is None


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="31 bytes"):
        Seal(bytes(31))
