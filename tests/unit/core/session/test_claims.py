"""One writer for one place."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.core.session.claims import PathClaims
from blobtorrent.model.ids import InfoHash

A, B, C = (InfoHash(v1=bytes([number]) * 20) for number in range(3))
HERE, THERE = Path("/d/here"), Path("/d/there")


def test_one_place_has_one_writer_and_others_are_free() -> None:
    claims = PathClaims()
    assert claims.take(HERE, A)
    assert not claims.take(HERE, B)
    assert claims.take(THERE, C)
    assert claims.writer_of(HERE) == A


def test_a_claim_can_be_taken_again_by_its_owner() -> None:
    claims = PathClaims()
    assert claims.take(HERE, A)
    assert claims.take(HERE, A)


def test_who_waits_is_named_when_the_writer_is_done() -> None:
    claims = PathClaims()
    claims.take(HERE, A)
    claims.take(HERE, B)
    claims.take(HERE, C)
    assert claims.release(A) == [B, C]
    assert claims.take(HERE, C)
    assert not claims.take(HERE, B)


def test_who_gave_up_waiting_is_not_named() -> None:
    claims = PathClaims()
    claims.take(HERE, A)
    claims.take(HERE, B)
    assert claims.release(B) == []
    assert claims.release(A) == []
    assert claims.release(A) == []
