"""Keeper: what the managers say about state that is to outlive the process; and the one that keeps nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from blobtorrent.core.session.torrent import Torrent
from blobtorrent.model.errors import StorageError
from blobtorrent.model.ids import InfoHash

if TYPE_CHECKING:
    from blobtorrent.storage.state.statethread import Row

Then = Callable[[StorageError | None], None]


class Keeper(Protocol):
    """`then(error)` is called when what was asked for is durable, or cannot be."""

    def touch(self, torrent: Torrent) -> None:
        """Its progress changed: save that with the next commit."""

    def save(self, torrent: Torrent, then: Then | None = None, extra: Row | None = None) -> None:
        """What its owner wants of it, or its place, changed: save that now."""

    def drop(self, torrent: Torrent) -> None:
        """It is gone: drop all that is kept of it."""

    def when_dropped(self, info_hash: InfoHash, then: Callable[[], None]) -> None:
        """Call `then()` when nothing is kept any more of a torrent that was dropped; at once when none was."""

    def settle(self, torrent: Torrent, then: Callable[[], None]) -> None:
        """Its swarm is closed: make what it wrote durable, then close its files."""

    def flush(self) -> None:
        """Save now what would be saved soon."""

    @property
    def is_quiet(self) -> bool:
        """All is saved."""

    @property
    def unsaved_bytes(self) -> int:
        """What was received since the last commit began. Any thread may read it."""


class Forgetful:
    """For an engine without a state directory: nothing is kept, and everything is done at once."""

    def touch(self, torrent: Torrent) -> None:
        return

    def save(self, torrent: Torrent, then: Then | None = None, extra: Row | None = None) -> None:
        if then is not None:
            then(None)

    def drop(self, torrent: Torrent) -> None:
        return

    def when_dropped(self, info_hash: InfoHash, then: Callable[[], None]) -> None:
        then()

    def settle(self, torrent: Torrent, then: Callable[[], None]) -> None:
        then()

    def flush(self) -> None:
        return

    @property
    def is_quiet(self) -> bool:
        return True

    @property
    def unsaved_bytes(self) -> int:
        return 0
