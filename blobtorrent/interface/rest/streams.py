"""Bodies that are not there as a whole when the answer begins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol


class Pull(Protocol):
    """A body of known length that is read as fast as the client takes it.

    `read` and `close` are called on worker threads, never two at a time, `close` once and last.
    """

    @property
    def length(self) -> int:
        """Bytes of the whole body."""

    def read(self, max_bytes: int) -> bytes:
        """The next bytes, 1 to `max_bytes` of them; none before `length` is reached: it is cut off.

        May wait for a disk. Raises BlobTorrentError, which is logged and cuts the client off, too.
        """

    def close(self) -> None:
        """Nothing more will be read, whether all was or not."""


class Sink(Protocol):
    """Where a Push leaves its bytes. Owned by the thread `rest`.

    After the end it takes everything and sends nothing. `write` never calls back; `close` calls the `end` of its Push.
    """

    @property
    def backlog_bytes(self) -> int:
        """What the client has not taken yet."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        """The body is complete."""


class Push(ABC):
    """A body that grows as things happen. Called on the thread `rest`.

    It has no deadline, but a client that takes nothing of what waits for it is cut off after a while.
    """

    @abstractmethod
    def begin(self, sink: Sink) -> None:
        """The head is on its way; `sink` takes the body from now on."""

    @abstractmethod
    def end(self) -> None:
        """It is over, whoever ended it; called once."""
