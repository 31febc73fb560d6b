"""Roster: all torrents of the session, and the one place where their machines are fired. Owned by `core`.

The managers that do the work of a state are called when it is entered or left; they know the roster and not each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from blobtorrent.core.session.history import Step, with_step
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.model.errors import BlobTorrentError, NotFound
from blobtorrent.model.events import Event, HeldChanged, StateChanged, TorrentFailed
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)

OnEnter = Callable[[Torrent, TorrentEvent], None]
OnLeave = Callable[[Torrent], None]

_QUIET = frozenset({TorrentState.STOPPED, TorrentState.QUEUED, TorrentState.MOVING, TorrentState.GONE})


class Roster:
    """`tell` publishes an event. Work of states is registered by `at_entry` and `at_exit` before the first torrent."""

    def __init__(
        self, board: StatusBoard[InfoHash, TorrentStatus], tell: Callable[[Event], None], clock: Clock
    ) -> None:
        self.tell = tell
        self._board = board
        self._clock = clock
        self._torrents: dict[InfoHash, Torrent] = {}
        self._entries: dict[TorrentState, list[OnEnter]] = {}
        self._exits: dict[TorrentState, list[OnLeave]] = {}
        self._by_digest: dict[bytes, Torrent] = {}
        self._num_busy = 0

    def at_entry(self, state: TorrentState, work: OnEnter) -> None:
        """Call `work(torrent, event)` whenever a torrent has come into `state`. Of several only the last may fire."""
        self._entries.setdefault(state, []).append(work)

    def at_exit(self, state: TorrentState, work: OnLeave) -> None:
        """Call `work(torrent)` whenever a torrent has left `state`, before the work of the next state."""
        self._exits.setdefault(state, []).append(work)

    def __iter__(self) -> Iterator[Torrent]:
        return iter(self._torrents.values())

    def __len__(self) -> int:
        return len(self._torrents)

    def __contains__(self, info_hash: InfoHash) -> bool:
        return info_hash in self._torrents

    @property
    def is_quiet(self) -> bool:
        """Of no torrent anything is open that must be closed. A move that is under way is resumed at the next start."""
        return not self._num_busy

    def get(self, info_hash: InfoHash) -> Torrent | None:
        return self._torrents.get(info_hash)

    def like(self, info_hash: InfoHash) -> Torrent | None:
        """The torrent that has one of these digests: of a hybrid, a link may have named only one."""
        return self._by_digest.get(info_hash.v1) or self._by_digest.get(info_hash.v2)

    def known(self, info_hash: InfoHash) -> Torrent:
        """Raises NotFound ("torrent.unknown")."""
        torrent = self._torrents.get(info_hash)
        if torrent is None:
            raise NotFound("torrent.unknown", f"no torrent {info_hash}")
        return torrent

    def add(self, torrent: Torrent) -> None:
        self._torrents[torrent.info_hash] = torrent
        self._by_digest.update((digest, torrent) for digest in torrent.info_hash if digest)
        self.publish(torrent)

    def drop(self, torrent: Torrent) -> None:
        del self._torrents[torrent.info_hash]
        for digest in filter(None, torrent.info_hash):
            del self._by_digest[digest]
        self._board.withdraw(torrent.info_hash)

    def shown(self, torrent: Torrent) -> TorrentStatus:
        """Its latest snapshot."""
        status = self._board.read(torrent.info_hash)
        assert status is not None      # it has one from `add` until `drop`
        return status

    def publish(self, torrent: Torrent) -> None:
        """Replace the torrent's snapshot, and tell when its state's name or what holds it is another one."""
        status, before = torrent.status(self._clock.now(), self._clock.wall()), self._board.read(torrent.info_hash)
        self._board.publish(torrent.info_hash, status)
        if before is not None and before.held_by != status.held_by:
            torrent.held_since_s = self._clock.now()
            self.tell(HeldChanged(torrent.info_hash, status.held_by))
        if before is not None and before.state != status.state:
            self.tell(StateChanged(torrent.info_hash, before.state, status.state))

    def fire(self, torrent: Torrent, event: TorrentEvent) -> None:
        """Take a transition, tell the outside, then have the work of the new state done."""
        old = torrent.state
        new = torrent.machine.fire(event)
        self._num_busy += (new not in _QUIET) - (old not in _QUIET)
        torrent.history = with_step(torrent.history, Step(new, torrent.public_name, event, self._clock.now()))
        log.debug("torrent changed", torrent=torrent.info_hash, old=old.value, new=new.value)
        self.publish(torrent)
        for leave in self._exits.get(old, ()):
            leave(torrent)
        for enter in self._entries.get(new, ()):
            enter(torrent, event)

    def fail(self, torrent: Torrent, error: BlobTorrentError) -> None:
        """Something that the torrent cannot do without went wrong: to *error* with it."""
        log.warning("torrent failed", torrent=torrent.info_hash, code=error.code, detail=error.detail)
        torrent.error = error
        self.fire(torrent, TorrentEvent.FAIL)
        self.tell(TorrentFailed(torrent.info_hash, error.code, error.detail))
