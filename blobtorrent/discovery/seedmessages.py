"""What is asked of the threads that read from web seeds, and what they answer.

Slots of the arena go with the order: they are the reader's until an answer brings them back, filled, or until they are
released because nothing came. So whoever asked may forget an order at any time.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.protocol.webseed import SeedContent
from blobtorrent.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from blobtorrent.discovery.seedreader import SeedReader


class Part(NamedTuple):
    """`length` bytes of a piece from `begin` on, a block's start, to be read into `slots`. `token` is the asker's."""

    piece: int
    begin: int
    length: int
    slots: list[int]
    token: Any = None


class FetchParts:
    """Read these parts, in this order, from the web seed `seed`, which has `content`.

    Answered on `reply_to` by any number of PartsFetched and one FetchEnded, all with `token`. `reader` is the one that
    came back with an earlier answer, and is nobody else's until FetchEnded brings it back. `bytes_per_s` of 0 is no
    limit. Whoever asked sets `is_cancelled` when it wants no more of it; who reads counts `received_bytes` up, also
    of what is of no use.
    """

    __slots__ = ("bytes_per_s", "content", "is_cancelled", "parts", "reader", "received_bytes", "reply_to", "seed",
                 "token")

    def __init__(self, seed: str, content: SeedContent, parts: list[Part], reply_to: Mailbox[Any], token: Any, *,
                 reader: "SeedReader | None" = None, bytes_per_s: int = 0) -> None:
        self.seed = seed
        self.content = content
        self.reader = reader
        self.parts = parts
        self.reply_to = reply_to
        self.token = token
        self.bytes_per_s = bytes_per_s
        # Each is set by one thread and read by another: a moment late is soon enough.
        self.is_cancelled = False
        self.received_bytes = 0


class PartsFetched(NamedTuple):
    """These parts are in their slots, which are the asker's now. Nobody has checked what they are. The last one may be
    the first blocks of a part whose rest did not come."""

    token: Any
    parts: list[Part]


class FetchEnded(NamedTuple):
    """The order is done. What is `left` of it did not come, and its slots are released; without `error` it was
    cancelled. `file` is the one that `error` is about. `retry_after_s` is what the server asked for.

    `has_ranges` is False when the server sends whole files whatever is asked for.
    """

    token: Any
    reader: "SeedReader"
    left: list[Part]
    error: BlobTorrentError | None = None
    file: int | None = None
    retry_after_s: float | None = None
    has_ranges: bool = True
