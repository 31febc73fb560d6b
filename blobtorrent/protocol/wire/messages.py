"""Peer messages as values (BEP 3, 5, 6, 10), and the limits that hold for all of them.

On the wire a message is a 4-byte length, a 1-byte id and a payload; the length counts id and payload. A message of
length 0 is a keep-alive. `decode()` takes the payload alone and raises PeerError when it cannot be one of its kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, ClassVar

from blobtorrent.model.errors import PeerError

if TYPE_CHECKING:
    from typing_extensions import Self

PREFIX = Struct(">IB")                 # length, id
LENGTH_BYTES = 4
MAX_BLOCK = 128 * 1024                 # bytes that one request may ask for; everybody asks for 16 KiB
MAX_LENGTH = (1 << 20) + 9             # of the length field: 1 MiB in a piece message; bitfields of 2^21 pieces fit


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Nothing to say, still here: every two minutes (BEP 3)."""

    def encode(self) -> bytes:
        return bytes(LENGTH_BYTES)


@dataclass(frozen=True, slots=True)
class Signal:
    """A message that is only its id."""

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


@dataclass(frozen=True, slots=True)
class PieceMessage:
    """A message about one whole piece."""

    index: int                         # piece number; its bound is the receiver's to check

    ID: ClassVar[int]
    LAYOUT: ClassVar[Struct] = Struct(">I")

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


@dataclass(frozen=True, slots=True)
class BlockMessage:
    """A message about one block of a piece."""

    index: int                         # piece number
    begin: int                         # bytes from the start of the piece
    length: int                        # bytes, 1..MAX_BLOCK

    ID: ClassVar[int]
    LAYOUT: ClassVar[Struct] = Struct(">III")

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


@dataclass(frozen=True, slots=True)
class BitfieldMessage:
    """Which pieces the sender has, high bit first (BEP 3). The receiver knows how long it must be."""

    data: bytes

    ID: ClassVar[int] = 5

    def encode(self) -> bytes:
        return PREFIX.pack(1 + len(self.data), self.ID) + self.data

    @classmethod
    def decode(cls, payload: memoryview) -> BitfieldMessage:
        return cls(bytes(payload))


@dataclass(frozen=True, slots=True)
class Piece:
    """One block of a piece (BEP 3). Named after its message; `payload` holds 1..MAX_BLOCK bytes."""

    index: int
    begin: int
    payload: bytes

    ID: ClassVar[int] = 7
    LAYOUT: ClassVar[Struct] = Struct(">II")

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


@dataclass(frozen=True, slots=True)
class Port:
    """The UDP port of the sender's DHT node (BEP 5)."""

    port: int

    ID: ClassVar[int] = 9
    LAYOUT: ClassVar[Struct] = Struct(">H")

    def encode(self) -> bytes:
        return PREFIX.pack(1 + self.LAYOUT.size, self.ID) + self.LAYOUT.pack(self.port)

    @classmethod
    def decode(cls, payload: memoryview) -> Port:
        if len(payload) != cls.LAYOUT.size:
            raise _bad_length(cls, payload)
        return cls(*cls.LAYOUT.unpack(payload))


@dataclass(frozen=True, slots=True)
class Extended:
    """A message of the extension protocol (BEP 10): `sub_id` 0 is its handshake, others were agreed there."""

    sub_id: int
    payload: bytes

    ID: ClassVar[int] = 20

    def encode(self) -> bytes:
        return PREFIX.pack(2 + len(self.payload), self.ID) + bytes((self.sub_id,)) + self.payload

    @classmethod
    def decode(cls, payload: memoryview) -> Extended:
        if not payload:
            raise _bad_length(cls, payload)
        return cls(payload[0], bytes(payload[1:]))


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a protocol that we do not speak: to be ignored."""

    id: int


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
