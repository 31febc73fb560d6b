"""Decoder: the bytes of one peer's stream to messages. The general path; runs of blocks have their own (`shape`).

Clients write requests and haves in bursts of hundreds, so a run of either becomes one value that holds plain lists: an
object per request would cost more than all the rest of answering it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.hashes import Hashes, HashReject, HashRequest

_LENGTH = Struct(">I")
_REQUEST = Struct(">IBQI")             # length, id, index and begin as one number, length of the block
_HAVE = Struct(">IBI")                 # length, id, index
_REQUEST_LENGTH = _REQUEST.size - wire.LENGTH_BYTES
_HAVE_LENGTH = _HAVE.size - wire.LENGTH_BYTES

# Of the length field. What is here of a message waits in memory until the rest is: a crowd that sent all but the last
# byte of the longest one, and nothing more, held hundreds of MiB.
_MAX_OTHER = 2 + (64 << 10)            # extension handshakes; of the others none is longer

_KINDS = {kind.ID: kind for kind in (
    wire.Choke, wire.Unchoke, wire.Interested, wire.NotInterested, wire.Have, wire.BitfieldMessage, wire.Request,
    wire.Piece, wire.Cancel, wire.Port, wire.Suggest, wire.HaveAll, wire.HaveNone, wire.Reject, wire.AllowedFast,
    wire.Extended, HashRequest, Hashes, HashReject,
)}


class RequestRun(NamedTuple):
    """Requests that came one behind the other; also a single one. Only their lengths were checked."""

    keys: list[int]                    # index << 32 | begin
    lengths: list[int]                 # bytes, 1..MAX_BLOCK


class RejectRun(NamedTuple):
    """Rejects that came one behind the other; also a single one. Only their lengths were checked."""

    keys: list[int]                    # index << 32 | begin
    lengths: list[int]                 # bytes, 1..MAX_BLOCK


class HaveRun(NamedTuple):
    """HAVE messages that came one behind the other; also a single one. The indices were not checked."""

    indices: list[int]


_RUNS: dict[int, type[RequestRun] | type[RejectRun]] = {wire.Request.ID: RequestRun, wire.Reject.ID: RejectRun}

Decoded = wire.Message | RequestRun | RejectRun | HaveRun | HashRequest | Hashes | HashReject


class Decoder:
    """Cuts one direction of a link into messages. Bytes of an unfinished message wait in `rest`.

    `bitfield_bytes` is the size of a bitfield of the torrent, when it is known; `block_bytes` the longest block that is
    ever asked for.
    """

    __slots__ = ("_longest", "_missing", "rest")

    def __init__(self, *, bitfield_bytes: int = wire.MAX_LENGTH - 1, block_bytes: int = wire.MAX_BLOCK) -> None:
        self._longest = _longest(bitfield_bytes, block_bytes)
        self.rest = bytearray()
        self._missing = 0              # bytes without which it is no use to look at `rest` again

    def feed(self, data: bytes | memoryview) -> list[Decoded]:
        """Take the next bytes; return the messages that are now complete, in order. `data` is not kept.

        Raises PeerError ("wire.too-long", "wire.bad-length", "wire.bad-block"): the link is of no use after that.
        """
        if self.rest:
            self.rest += data
            self._missing -= len(data)
            if self._missing > 0:
                return []
            data = self.take_rest()
        view = memoryview(data)
        decoded, used, needed = _decode(view, self._longest)
        self.rest += view[used:]
        self._missing = needed - len(self.rest)
        return decoded

    def take_rest(self) -> bytes:
        """Hand over the bytes of the unfinished message and forget them."""
        rest = bytes(self.rest)
        self.rest.clear()
        return rest


@lru_cache(maxsize=256)
def _longest(bitfield_bytes: int, block_bytes: int) -> Mapping[int, int]:
    """One for all links of a torrent, of which there are many more than torrents."""
    return {wire.BitfieldMessage.ID: 1 + bitfield_bytes, wire.Piece.ID: 1 + wire.Piece.LAYOUT.size + block_bytes}


def _decode(view: memoryview, longest: Mapping[int, int]) -> tuple[list[Decoded], int, int]:
    """All whole messages of `view`, the bytes they took, and the size of the unfinished one as far as it is known.

    `longest` has the greatest lengths of some kinds."""
    decoded: list[Decoded] = []
    at, end = 0, len(view)
    while end - at >= wire.LENGTH_BYTES:
        (length,) = _LENGTH.unpack_from(view, at)
        if length > wire.MAX_LENGTH:
            raise PeerError("wire.too-long", f"message of {length} bytes")
        body = at + wire.LENGTH_BYTES
        if length and end == body:
            return decoded, at, wire.LENGTH_BYTES + 1      # its kind tells how long it may be
        if length and length > longest.get(view[body], _MAX_OTHER):
            raise PeerError("wire.too-long", f"message of kind {view[body]} with {length} bytes")
        if end < body + length:
            return decoded, at, wire.LENGTH_BYTES + length
        if length == 0:
            decoded.append(wire.KeepAlive())
        elif length == _REQUEST_LENGTH and view[body] in _RUNS:
            keys, lengths = _block_run(view[at:], view[body])
            decoded.append(_RUNS[view[body]](keys, lengths))
            at += _REQUEST.size * len(keys)
            continue
        elif length == _HAVE_LENGTH and view[body] == wire.Have.ID:
            haves = _have_run(view[at:])
            decoded.append(haves)
            at += _HAVE.size * len(haves.indices)
            continue
        else:
            kind = _KINDS.get(view[body])
            decoded.append(kind.decode(view[body + 1:body + length]) if kind else wire.Unknown(view[body]))
        at = body + length
    return decoded, at, wire.LENGTH_BYTES


def _block_run(view: memoryview, kind: int) -> tuple[list[int], list[int]]:
    """The keys and lengths of the messages of this kind at the start."""
    keys: list[int] = []
    lengths: list[int] = []
    for size, its_kind, key, length in _REQUEST.iter_unpack(view[:len(view) - len(view) % _REQUEST.size]):
        if size != _REQUEST_LENGTH or its_kind != kind:
            break
        keys.append(key)
        lengths.append(length)
    wire.check_block_length(min(lengths))
    wire.check_block_length(max(lengths))
    return keys, lengths


def _have_run(view: memoryview) -> HaveRun:
    indices: list[int] = []
    for size, kind, index in _HAVE.iter_unpack(view[:len(view) - len(view) % _HAVE.size]):
        if size != _HAVE_LENGTH or kind != wire.Have.ID:
            break
        indices.append(index)
    return HaveRun(indices)
