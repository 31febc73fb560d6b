"""ChangeManager: what may be changed of a torrent at any time, and what can be told of its files. Owned by `core`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from blobtorrent.core.session.commands import (
    RESET,
    ChangeTorrent,
    FilePriority,
    FilesOf,
    MakeFiles,
    Reply,
    TorrentChanges,
)
from blobtorrent.core.session.filestatus import file_statuses
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.metainfos import Metainfos
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.record import Wishes
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.sharing import Sharing, path_taken
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.model.errors import BlobTorrentError, Conflict, Invalid
from blobtorrent.model.events import TorrentChanged
from blobtorrent.runtime.logs import get_logger

if TYPE_CHECKING:
    from blobtorrent.storage.filejobs import FilesSkipped

log = get_logger(__name__)


class ChangeManager:
    """Answers when the change is safe; running swarms hear of it at once.

    `on_idle(torrent)` is called when a job of a torrent has ended, `on_change(torrent)` when something was changed.
    """

    def __init__(self, roster: Roster, outlets: Outlets, swarms: SwarmManager, metainfos: Metainfos, sharing: Sharing,
                 keeper: Keeper, *, on_idle: Callable[[Torrent], None], on_change: Callable[[Torrent], None]) -> None:
        self._roster = roster
        self._outlets = outlets
        self._swarms = swarms
        self._metainfos = metainfos
        self._sharing = sharing
        self._keeper = keeper
        self._on_idle = on_idle
        self._on_change = on_change

    def change(self, command: ChangeTorrent, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound, Conflict ("torrent.changed", "torrent.path-taken"), or Invalid ("torrent.no-such-file")."""
        torrent = self._roster.known(command.info_hash)
        if command.is_current is not None and not command.is_current(self._roster.shown(torrent)):
            raise Conflict("torrent.changed", f"{torrent.name} is no longer what it was when it was read")
        changes = command.changes
        if changes.file_priorities is None and changes.preferred_ends is None:
            self._apply(torrent, changes, reply)
        else:
            self._metainfos.with_metainfo(torrent, lambda error: self._change_files(torrent, changes, reply, error))
        return reply

    def make_files(self, command: MakeFiles, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound."""
        self._roster.known(command.info_hash).files_to_make = command.made, command.sized
        reply.give(None)
        return reply

    def files_of(self, command: FilesOf, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound."""
        torrent = self._roster.known(command.info_hash)
        self._metainfos.with_metainfo(torrent, lambda error: self._tell_files(torrent, reply, error))
        return reply

    def _tell_files(self, torrent: Torrent, reply: Reply[Any], error: BlobTorrentError | None) -> None:
        if error is not None:
            reply.give(error)
            return
        assert torrent.metainfo is not None
        record = torrent.record
        reply.give(file_statuses(
            torrent.metainfo, record.have, record.wishes.file_priorities, record.place.renames))

    def _change_files(
        self, torrent: Torrent, changes: TorrentChanges, reply: Reply[Any], error: BlobTorrentError | None
    ) -> None:
        if error is not None:
            reply.give(error)
            return
        assert torrent.metainfo is not None
        num_files = len(torrent.metainfo.files)
        if not all(0 <= number < num_files for number in _files_in(changes)):
            reply.give(Invalid("torrent.no-such-file", f"{torrent.name} has {num_files} files"))
            return
        wishes = torrent.record.wishes
        newly = wishes.skipped_files - changed(wishes, changes).skipped_files
        torrent.jobs_in_flight += 1
        if torrent.store_is_open and newly:
            self._sharing.who_forbids(
                torrent, lambda _: newly, lambda others: self._apply_files(torrent, changes, reply, others))
        else:                          # it looks whose files they are when it is started
            self._apply_files(torrent, changes, reply, [])

    def _apply_files(
        self, torrent: Torrent, changes: TorrentChanges, reply: Reply[Any], others: list[Torrent]
    ) -> None:
        torrent.jobs_in_flight -= 1
        if others:
            reply.give(path_taken(torrent, others))
            self._on_idle(torrent)
            return
        self._apply(torrent, changes, reply)
        if torrent.store_is_open:
            self._skip(torrent)
        self._swarms.want(torrent)
        self._on_idle(torrent)

    def _skip(self, torrent: Torrent) -> None:
        """Have the open files follow: unwanted ones are not made, wanted ones get what was kept for them."""
        from blobtorrent.storage.filejobs import SkipFiles

        assert torrent.store is not None
        torrent.jobs_in_flight += 1
        self._outlets.disks.post(SkipFiles(
            torrent.info_hash, torrent.store, torrent.record.wishes.skipped_files, self._outlets.inbox))

    def on_skipped(self, answer: FilesSkipped) -> None:
        torrent = self._roster.known(answer.info_hash)
        torrent.jobs_in_flight -= 1
        if answer.error is not None and torrent.state in (TorrentState.DOWNLOADING, TorrentState.SEEDING):
            self._roster.fail(torrent, answer.error)
        self._on_idle(torrent)

    def _apply(self, torrent: Torrent, changes: TorrentChanges, reply: Reply[Any]) -> None:
        torrent.record.wishes = changed(torrent.record.wishes, changes)
        if changes.file_priorities is not None:
            torrent.follow_wishes()
        self._keeper.save(torrent, reply.give)
        self._swarms.change(torrent)
        self._roster.publish(torrent)
        self._roster.tell(TorrentChanged(torrent.info_hash))
        self._on_change(torrent)


def _files_in(changes: TorrentChanges) -> Iterator[int]:
    """The files that they name."""
    if isinstance(changes.file_priorities, Mapping):
        yield from changes.file_priorities
    if isinstance(changes.preferred_ends, tuple):
        for files in changes.preferred_ends:
            yield from files


def changed(wishes: Wishes, changes: TorrentChanges) -> Wishes:
    """The wishes with what the changes name in their place. Files that become NORMAL need not be named."""
    fresh = Wishes()
    news: dict[str, Any] = {
        name: getattr(fresh, name) if value is RESET else value
        for name, value in changes._asdict().items() if value is not None
    }
    if isinstance(changes.file_priorities, Mapping):
        merged = {**wishes.file_priorities, **changes.file_priorities}
        news["file_priorities"] = {
            number: priority for number, priority in sorted(merged.items()) if priority is not FilePriority.NORMAL
        }
    if isinstance(changes.custom, Mapping):
        texts = {**wishes.custom, **changes.custom}
        news["custom"] = {key: text for key, text in texts.items() if text is not None}
    return wishes._replace(**news)
