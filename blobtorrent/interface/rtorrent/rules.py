"""Rules: which requests are answered, and how they are read. Commands change them while clients are served."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blobtorrent.interface.rtorrent.exchange import Exchange

USUAL_VERSION = "0.9.8"


class UnknownType(Exception):
    """The body says that it is, or is, something that nobody here reads."""


class Rules:
    """Written by whoever has the turn, read by the threads that read requests and write answers: each is one value.

    `version` is the one of rTorrent that is claimed. `max_xml_bytes` is 0 until a client or a configuration sets a
    limit; then there is still that of the server. What is opened while it is not `is_routed` answers nobody who is
    behind a router. `note` is told of each request and answer while somebody wants to.
    """

    def __init__(self, version: str = USUAL_VERSION) -> None:
        self.version = version
        self.takes_xml = True
        self.takes_json = True
        self.is_routed = True
        self.max_xml_bytes = 0
        self.note: Callable[[bytes], None] | None = None

    def read(self, body: bytes, content_type: str) -> Exchange:
        """Read the body of a request. Raises UnknownType."""
        from blobtorrent.interface.rtorrent.exchange import read_request  # most daemons get none

        self.tell(body)
        return read_request(body, content_type, self)

    def tell(self, *parts: bytes) -> None:
        """Have it noted, if somebody wants to."""
        note = self.note
        if note is not None:
            note(b"".join(parts))
