"""Peer messages as values (BEP 3, 5, 6, 10), and the limits that hold for all of them.

On the wire a message is a 4-byte length, a 1-byte id and a payload; the length counts id and payload. A message of
length 0 is a keep-alive. `decode()` takes the payload alone and raises PeerError when it cannot be one of its kind.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, ClassVar

from blobtorrent.model.errors import PeerError

if TYPE_CHECKING:
    from typing_extensions import Self

PREFIX = Struct(">IB")                 # length, id
LENGTH_BYTES = 4
MAX_BLOCK = 128 * 1024                 # bytes that one request may ask for; everybody asks for 16 KiB
MAX_LENGTH = (1 << 20) + 9             # of the length field: 1 MiB in a piece message; bitfields of 2^21 pieces fit


class _Value:
    """A message is never changed, and equal to another of the same kind that says the same."""

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()         # the fields

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Value) and self._contents() == other._contents()

    def __hash__(self) -> int:
        return hash(self._contents())

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._contents()[1:]}"

    def _contents(self) -> tuple[object, ...]:
        return (type(self), *(getattr(self, name) for name in self.__match_args__))


class KeepAlive(_Value):
    """Nothing to say, still here: every two minutes (BEP 3)."""

    __slots__ = ()

    def encode(self) -> bytes:
        return bytes(LENGTH_BYTES)


class Signal(_Value):
    """A message that is only its id."""

    __slots__ = ()
    ID: ClassVar[int]

    def encode(self) -> bytes:
        return PREFIX.pack(1, self.ID)

    @classmethod
    def decode(cls, payload: memoryview) -> Self:
        if payload:
            raise _bad_length(cls, payload)
        return cls()


class Choke(Signal):
    """We will not answer requests (BEP 3)."""

    __slots__ = ()
    ID = 0


class Unchoke(Signal):
    """Requests are answered from now on (BEP 3)."""

    __slots__ = ()
    ID = 1


class Interested(Signal):
    """You have something I want (BEP 3)."""

    __slots__ = ()
    ID = 2


class NotInterested(Signal):
    """You have nothing I want (BEP 3)."""

    __slots__ = ()
    ID = 3


class HaveAll(Signal):
    """A bitfield with every bit set (BEP 6)."""

    __slots__ = ()
    ID = 14


class HaveNone(Signal):
    """A bitfield with no bit set (BEP 6)."""

    __slots__ = ()
    ID = 15


class PieceMessage(_Value):
    """A message about one whole piece."""

    __slots__ = __match_args__ = ("index",)
    ID: ClassVar[int]
    LAYOUT: ClassVar[Struct] = Struct(">I")

    def __init__(self, index: int) -> None:
        self.index = index             # piece number; its bound is the receiver's to check

    def encode(self) -> bytes:
        return PREFIX.pack(1 + self.LAYOUT.size, self.ID) + self.LAYOUT.pack(self.index)

    @classmethod
    def decode(cls, payload: memoryview) -> Self:
        if len(payload) != cls.LAYOUT.size:
            raise _bad_length(cls, payload)
        return cls(*cls.LAYOUT.unpack(payload))


class Have(PieceMessage):
    """The sender has got this piece (BEP 3)."""

    __slots__ = ()
    ID = 4


class Suggest(PieceMessage):
    """The sender would like to be asked for this piece (BEP 6)."""

    __slots__ = ()
    ID = 13


class AllowedFast(PieceMessage):
    """This piece is served even while choked (BEP 6)."""

    __slots__ = ()
    ID = 17


class BlockMessage(_Value):
    """A message about one block of a piece."""

    __slots__ = __match_args__ = ("index", "begin", "length")
    ID: ClassVar[int]
    LAYOUT: ClassVar[Struct] = Struct(">III")

    def __init__(self, index: int, begin: int, length: int) -> None:
        self.index = index             # piece number
        self.begin = begin             # bytes from the start of the piece
        self.length = length           # bytes, 1..MAX_BLOCK

    def encode(self) -> bytes:
        body = self.LAYOUT.pack(self.index, self.begin, self.length)
        return PREFIX.pack(1 + len(body), self.ID) + body

    @classmethod
    def decode(cls, payload: memoryview) -> Self:
        if len(payload) != cls.LAYOUT.size:
            raise _bad_length(cls, payload)
        message = cls(*cls.LAYOUT.unpack(payload))
        check_block_length(message.length)
        return message


class Request(BlockMessage):
    """Asks for one block (BEP 3)."""

    __slots__ = ()
    ID = 6


class Cancel(BlockMessage):
    """Takes a request back (BEP 3)."""

    __slots__ = ()
    ID = 8


class Reject(BlockMessage):
    """A request will not be answered (BEP 6)."""

    __slots__ = ()
    ID = 16


class BitfieldMessage(_Value):
    """Which pieces the sender has, high bit first (BEP 3). The receiver knows how long it must be."""

    __slots__ = __match_args__ = ("data",)
    ID: ClassVar[int] = 5

    def __init__(self, data: bytes) -> None:
        self.data = data

    def encode(self) -> bytes:
        return PREFIX.pack(1 + len(self.data), self.ID) + self.data

    @classmethod
    def decode(cls, payload: memoryview) -> BitfieldMessage:
        return cls(bytes(payload))


class Piece(_Value):
    """One block of a piece (BEP 3). Named after its message; `payload` holds 1..MAX_BLOCK bytes."""

    __slots__ = __match_args__ = ("index", "begin", "payload")
    ID: ClassVar[int] = 7
    LAYOUT: ClassVar[Struct] = Struct(">II")

    def __init__(self, index: int, begin: int, payload: bytes) -> None:
        self.index = index
        self.begin = begin
        self.payload = payload

    def encode(self) -> bytes:
        return b"".join((
            PREFIX.pack(1 + self.LAYOUT.size + len(self.payload), self.ID),
            self.LAYOUT.pack(self.index, self.begin),
            self.payload,
        ))

    @classmethod
    def decode(cls, payload: memoryview) -> Piece:
        if len(payload) < cls.LAYOUT.size:
            raise _bad_length(cls, payload)
        check_block_length(len(payload) - cls.LAYOUT.size)
        index, begin = cls.LAYOUT.unpack_from(payload)
        return cls(index, begin, bytes(payload[cls.LAYOUT.size:]))


class Port(_Value):
    """The UDP port of the sender's DHT node (BEP 5)."""

    __slots__ = __match_args__ = ("port",)
    ID: ClassVar[int] = 9
    LAYOUT: ClassVar[Struct] = Struct(">H")

    def __init__(self, port: int) -> None:
        self.port = port

    def encode(self) -> bytes:
        return PREFIX.pack(1 + self.LAYOUT.size, self.ID) + self.LAYOUT.pack(self.port)

    @classmethod
    def decode(cls, payload: memoryview) -> Port:
        if len(payload) != cls.LAYOUT.size:
            raise _bad_length(cls, payload)
        return cls(*cls.LAYOUT.unpack(payload))


class Extended(_Value):
    """A message of the extension protocol (BEP 10): `sub_id` 0 is its handshake, others were agreed there."""

    __slots__ = __match_args__ = ("sub_id", "payload")
    ID: ClassVar[int] = 20

    def __init__(self, sub_id: int, payload: bytes) -> None:
        self.sub_id = sub_id
        self.payload = payload

    def encode(self) -> bytes:
        return PREFIX.pack(2 + len(self.payload), self.ID) + bytes((self.sub_id,)) + self.payload

    @classmethod
    def decode(cls, payload: memoryview) -> Extended:
        if not payload:
            raise _bad_length(cls, payload)
        return cls(payload[0], bytes(payload[1:]))


class Unknown(_Value):
    """A message of a protocol that we do not speak: to be ignored."""

    __slots__ = __match_args__ = ("id",)

    def __init__(self, id: int) -> None:
        self.id = id


Message = (
    KeepAlive | Choke | Unchoke | Interested | NotInterested | Have | BitfieldMessage | Request | Piece | Cancel | Port
    | Suggest | HaveAll | HaveNone | Reject | AllowedFast | Extended | Unknown
)


def check_block_length(length: int) -> None:
    """Raise PeerError ("wire.bad-block") unless a block of so many bytes may be asked for or sent."""
    if not 0 < length <= MAX_BLOCK:
        raise PeerError("wire.bad-block", f"block of {length} bytes")


def _bad_length(kind: type[object], payload: memoryview) -> PeerError:
    return PeerError("wire.bad-length", f"{kind.__name__} message with {len(payload)} bytes")
