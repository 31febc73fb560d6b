"""Messages of the extension `ut_metadata` (BEP 9): pieces of 16 KiB of the encoded info dictionary.

Each is a bencoded dictionary; behind that of a data message the bytes of the piece follow, inside the same message.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import NamedTuple

from blobtorrent.model.errors import BencodeError, PeerError
from blobtorrent.protocol import bencode

PIECE_BYTES = 16384
REQUEST, DATA, REJECT = 0, 1, 2
_LIMITS = bencode.Limits(size_bytes=PIECE_BYTES + 1024, depth=4, tokens=64)


class MetadataMessage(NamedTuple):
    """`total_size` is what the sender of a data message says that the whole is; 0 when it says nothing of use."""

    kind: int                          # REQUEST, DATA, REJECT, or one that only later versions know
    piece: int
    total_size: int = 0
    data: bytes = b""

    def encode(self) -> bytes:
        """The payload of an Extended message."""
        values = {b"msg_type": self.kind, b"piece": self.piece}
        if self.kind == DATA:
            values[b"total_size"] = self.total_size
        return bencode.encode(values) + self.data

    @classmethod
    def decode(cls, payload: bytes) -> "MetadataMessage":
        """Raises PeerError ("wire.bad-metadata") when it is no dictionary with a type and a piece."""
        try:
            document = bencode.read_document(payload, limits=_LIMITS, lenient=True)
        except BencodeError as error:
            raise PeerError("wire.bad-metadata", f"metadata message: {error.detail}") from None
        values = document.value if isinstance(document.value, dict) else {}
        kind, piece, total = values.get(b"msg_type"), values.get(b"piece"), values.get(b"total_size")
        if not isinstance(kind, int) or not isinstance(piece, int) or piece < 0:
            raise PeerError("wire.bad-metadata", "metadata message without a type or a piece")
        data = payload[document.end:]
        if len(data) > PIECE_BYTES:
            raise PeerError("wire.bad-metadata", f"metadata piece of {len(data)} bytes")
        return cls(kind, piece, total if isinstance(total, int) and total > 0 else 0, data)


def num_metadata_pieces(size: int) -> int:
    return -(-size // PIECE_BYTES)


def metadata_piece(info: bytes, piece: int) -> bytes:
    """One piece of an encoded info dictionary; empty beyond its end."""
    return info[piece * PIECE_BYTES:(piece + 1) * PIECE_BYTES]


def metadata_piece_size(size: int, piece: int) -> int:
    """How long a piece of a dictionary of `size` bytes is."""
    return max(0, min(PIECE_BYTES, size - piece * PIECE_BYTES))
