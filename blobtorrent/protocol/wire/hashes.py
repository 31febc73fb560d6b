"""Messages about the hash trees of files (BEP 52): hash request, hashes, hash reject.

All three begin with the same 48 bytes: the root of a file's tree and four numbers. A *layer* is counted from the leaves
of the tree, which are 16 KiB blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from blobtorrent.model.errors import PeerError
from blobtorrent.model.merkle import HASH_BYTES
from blobtorrent.protocol.wire.messages import PREFIX

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_HASHES = 512                       # of the base layer in one message

_LAYOUT = Struct(">32sIIII")


class HashRun(NamedTuple):
    """`length` neighbouring hashes of one layer of a file's tree, and what proves them."""

    root: bytes                        # pieces root of the file
    base_layer: int                    # layers above the leaves
    first: int                         # place of the first hash in that layer; a multiple of `length`
    length: int                        # a power of two
    proof_layers: int                  # layers above the base layer that the proof reaches to

    @property
    def num_uncles(self) -> int:
        """How many hashes the proof takes: the lowest layers of it follow from the run itself, yet are counted."""
        return max(0, self.proof_layers + 2 - self.length.bit_length())

    def fits(self, num_layers: int) -> bool:
        """Whether a tree with so many layers above its leaves has such a run, and one message may carry it.

        libtorrent asks for a run of one hash when a file's last piece stands alone in a run of 512: its proof begins
        with the hash beside it.
        """
        height = num_layers - self.base_layer              # of the tree above the base layer
        return (height > 0 and 0 < self.length <= MAX_HASHES and not self.length & (self.length - 1)
                and not self.first % self.length and self.proof_layers < height
                and self.first + self.length <= 1 << min(height, 32))

    def siblings(self) -> Iterator[tuple[int, int]]:
        """Where the uncles stand, in order: layer and index."""
        layer, index = self.base_layer + self.length.bit_length() - 1, self.first // self.length
        for above in range(self.num_uncles):
            yield layer + above, index >> above ^ 1


class _RunMessage:
    """A message that holds a run and nothing else."""

    __slots__ = __match_args__ = ("run",)
    ID: ClassVar[int]

    def __init__(self, run: HashRun) -> None:
        self.run = run

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.run == self.run

    def __hash__(self) -> int:
        return hash((self.ID, self.run))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.run})"

    def encode(self) -> bytes:
        return PREFIX.pack(1 + _LAYOUT.size, self.ID) + _LAYOUT.pack(*self.run)

    @classmethod
    def decode(cls, payload: memoryview) -> Self:
        """Raises PeerError ("wire.bad-length"). Whether there is such a run is for the receiver to judge."""
        if len(payload) != _LAYOUT.size:
            raise _bad_length(cls, payload)
        return cls(HashRun(*_LAYOUT.unpack(payload)))


class HashRequest(_RunMessage):
    """Asks for a run. It is answered also while choked."""

    __slots__ = ()
    ID = 21


class HashReject(_RunMessage):
    """A hash request will not be answered."""

    __slots__ = ()
    ID = 23


class Hashes:
    """The answer: the run's hashes, then the uncles that prove it, the one nearest to the root last."""

    __slots__ = __match_args__ = ("run", "hashes")
    ID: ClassVar[int] = 22

    def __init__(self, run: HashRun, hashes: bytes) -> None:
        self.run = run
        self.hashes = hashes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hashes) and (other.run, other.hashes) == (self.run, self.hashes)

    def __hash__(self) -> int:
        return hash((self.run, self.hashes))

    def __repr__(self) -> str:
        return f"Hashes({self.run}, {len(self.hashes)} bytes)"

    def encode(self) -> bytes:
        return b"".join((
            PREFIX.pack(1 + _LAYOUT.size + len(self.hashes), self.ID), _LAYOUT.pack(*self.run), self.hashes))

    @classmethod
    def decode(cls, payload: memoryview) -> Hashes:
        """Raises PeerError ("wire.bad-length") also when there are not as many hashes as the run takes."""
        if len(payload) < _LAYOUT.size:
            raise _bad_length(cls, payload)
        run = HashRun(*_LAYOUT.unpack_from(payload))
        if len(payload) != _LAYOUT.size + (run.length + run.num_uncles) * HASH_BYTES:
            raise _bad_length(cls, payload)
        return cls(run, bytes(payload[_LAYOUT.size:]))


def _bad_length(kind: type[object], payload: memoryview) -> PeerError:
    return PeerError("wire.bad-length", f"{kind.__name__} message with {len(payload)} bytes")
