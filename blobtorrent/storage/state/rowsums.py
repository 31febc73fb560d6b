"""Sealed rows and their sums: how a row is told from a damaged one, and all rows of a kind from all but one. Pure.

Each row carries the generation of the commit that wrote it and a keyed digest of all it says. For each kind a sealed
manifest carries how many rows there are and the exclusive or of their digests, which notices a row that has vanished or
is an old one put back. Generations count commits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.statethread import Row


class SealedRow(NamedTuple):
    """A row as it is stored; the digest is over kind, key, body and generation."""

    row: Row
    digest: bytes
    generation: int


class Sum(NamedTuple):
    """All rows of a kind in a nutshell: `tally` is the exclusive or of their digests, as a number."""

    num_rows: int = 0
    tally: int = 0

    def plus(self, digest: bytes) -> Sum:
        return Sum(self.num_rows + 1, self.tally ^ int.from_bytes(digest, "big"))

    def minus(self, digest: bytes) -> Sum:
        """Exclusive or: taking out is putting in once more."""
        return Sum(self.num_rows - 1, self.tally ^ int.from_bytes(digest, "big"))


Sums = dict[str, Sum]                  # by kind; one that is not there has no rows


class Manifest(NamedTuple):
    sum: Sum
    generation: int                    # of the last commit that touched the kind


EMPTY = Manifest(Sum(), 0)


def seal_row(seal: Seal, row: Row, generation: int) -> SealedRow:
    return SealedRow(row, _row_digest(seal, row, generation), generation)


def _row_digest(seal: Seal, row: Row, generation: int) -> bytes:
    return seal.digest(b"row", row.kind.encode(), row.key, row.body, b"%d" % generation)


def is_sealed(seal: Seal, row: Row, digest: object, generation: object) -> bool:
    """Whether a row is as we wrote it. In a damaged file a value may be of any type."""
    if not (isinstance(row.key, bytes) and isinstance(row.body, bytes) and isinstance(generation, int)):
        return False
    return digest == _row_digest(seal, row, generation)


def manifest_digest(seal: Seal, kind: str, count: int, tally: bytes, generation: int) -> bytes:
    return seal.digest(b"manifest", kind.encode(), b"%d" % count, tally, b"%d" % generation)


def sums_of(rows: Iterable[SealedRow]) -> Sums:
    digests: dict[str, list[bytes]] = {}
    for row in rows:
        digests.setdefault(row.row.kind, []).append(row.digest)
    return {kind: Sum(len(some), tally_of(some)) for kind, some in digests.items()}


def tally_of(digests: Iterable[bytes]) -> int:
    tally = 0
    for digest in digests:
        tally ^= int.from_bytes(digest, "big")
    return tally
