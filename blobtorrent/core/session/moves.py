"""MoveManager: brings a torrent's files to another folder, or gives them other names. Owned by `core`.

What is going to happen is saved before it begins, and what has happened before anything else does: a kill at any moment
leaves a record that says what to do again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from blobtorrent.core.session.commands import MoveTorrent, RenamePath, Reply
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.metainfos import Metainfos, no_metadata
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.record import Place
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.sharing import Sharing, is_guest
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.session.torrents import TorrentManager
from blobtorrent.model.errors import BlobTorrentError, CommandError, Conflict, Invalid, NotFound, StorageError
from blobtorrent.model.events import TorrentChanged, TorrentMoved
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.logs import get_logger

if TYPE_CHECKING:
    from blobtorrent.storage.filejobs import Abort, MoveProgress, PathsRenamed, StoreMoved
    from blobtorrent.storage.stamps import FileStamp

log = get_logger(__name__)


class MoveManager:
    """Work of the state *moving*. It ends when the record says how it ended, and that is saved."""

    def __init__(self, roster: Roster, outlets: Outlets, metainfos: Metainfos, sharing: Sharing, keeper: Keeper,
                 torrents: TorrentManager) -> None:
        self._roster = roster
        self._outlets = outlets
        self._metainfos = metainfos
        self._sharing = sharing
        self._keeper = keeper
        self._torrents = torrents
        self._aborts: dict[InfoHash, Abort] = {}
        self._renamers: dict[InfoHash, Reply[Any]] = {}    # who waits for a rename to end
        roster.at_entry(TorrentState.MOVING, self._begin)
        roster.at_entry(TorrentState.GONE, lambda torrent, _: self._answer_rename(
            torrent, NotFound("torrent.unknown", f"{torrent.name} was removed meanwhile")))
        torrents.abort_move = self._abort

    def move(self, command: MoveTorrent, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound, or Conflict ("torrent.removing", "torrent.moving", "torrent.path-shared")."""
        torrent = self._at_rest(command)
        if command.name is not None:
            self._require_name(torrent, command.name)
        if is_guest(torrent):
            # The files where it lies are not its own: it goes without them, and begins anew in the other folder.
            torrent.record.forget_pieces()
            self._leave(torrent, command, reply)
        elif not command.move_files or torrent.record.magnet:
            self._leave(torrent, command, reply)
        else:
            self._sharing.who_shares(torrent, lambda others: self._move(command, reply, others))
        return reply

    def _move(self, command: MoveTorrent, reply: Reply[Any], others: list[Torrent]) -> None:
        try:
            torrent = self._at_rest(command)               # once more: it may have taken a while to find out
            place = torrent.record.place._replace(download_dir=command.download_dir.absolute())
            must_move = place.must_move(is_complete=torrent.record.is_complete)
            if others and must_move:
                raise _shared(torrent, others)
        except CommandError as error:
            reply.give(error)
            return
        torrent.record.place = place
        self._keeper.save(torrent, reply.give)
        if must_move:
            self._torrents.come_home(torrent)
        else:
            self._sharing.follow(torrent)
            self._roster.publish(torrent)

    def _require_name(self, torrent: Torrent, name: str) -> None:
        from blobtorrent.storage.naming import split_path

        if len(split_path(name)) > 1:
            raise Invalid("torrent.bad-name", f"{name!r} is not the name of one file or folder")
        if torrent.record.magnet:
            raise no_metadata(torrent)

    def _leave(self, torrent: Torrent, command: MoveTorrent, reply: Reply[Any]) -> None:
        """Go without the files. What it has is believed there as far as stamps prove it."""
        target = command.download_dir.absolute()

        def saved(error: StorageError | None) -> None:
            if error is None:
                self._roster.tell(TorrentMoved(torrent.info_hash, str(target)))
            reply.give(error)

        record = torrent.record
        record.place = record.place._replace(
            root=target, download_dir=target, is_incomplete=False, mount_point="", is_moving=False,
            is_unseen=True)
        if command.name is not None:
            record.place = record.place._replace(renames=_renamed(torrent, command.name))
        torrent.error, record.error = None, ("", "")
        self._keeper.save(torrent, saved)
        self._torrents.come_home(torrent)

    def rename(self, command: RenamePath, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound, Conflict ("torrent.removing", "torrent.moving", "torrent.path-shared",
        "torrent.name-taken"), or Invalid ("torrent.bad-name")."""
        from blobtorrent.storage.naming import split_path

        torrent = self._at_rest(command)
        for path in (command.old, command.new):
            split_path(path)           # before the torrent is stopped for nothing
        if torrent.record.magnet:
            raise no_metadata(torrent)
        if is_guest(torrent):
            raise Conflict(*torrent.record.error)
        self._sharing.who_shares(torrent, lambda others: self._rename(command, reply, others))
        return reply

    def _rename(self, command: RenamePath, reply: Reply[Any], others: list[Torrent]) -> None:
        try:
            torrent = self._at_rest(command)
            if others:
                raise _shared(torrent, others)
        except CommandError as error:
            reply.give(error)
            return
        torrent.record.place = torrent.record.place._replace(renaming=(command.old, command.new))
        self._renamers[torrent.info_hash] = reply
        self._torrents.come_home(torrent)

    def _at_rest(self, command: MoveTorrent | RenamePath) -> Torrent:
        torrent = self._torrents.present(command)
        if torrent.state is TorrentState.MOVING or torrent.record.place.renaming is not None:
            raise Conflict("torrent.moving", f"{torrent.name} is being moved or renamed")
        return torrent

    def _abort(self, torrent: Torrent) -> None:
        """Give the move under way up: its files go back where they were."""
        abort = self._aborts.get(torrent.info_hash)
        if abort is not None:
            abort.is_set = True

    # ---- begin

    def _begin(self, torrent: Torrent, _event: TorrentEvent) -> None:
        torrent.moved_bytes = 0
        self._metainfos.with_metainfo(torrent, lambda error: self._save_intent(torrent, error))

    def _save_intent(self, torrent: Torrent, error: BlobTorrentError | None) -> None:
        place = torrent.record.place
        was_begun = place.is_moving
        if error is not None:
            self._refuse(torrent, was_begun, error)
            return
        torrent.record.place = place._replace(is_moving=True)
        self._keeper.save(torrent, lambda error: self._post(torrent, was_begun, error))

    def _post(self, torrent: Torrent, was_begun: bool, error: StorageError | None) -> None:
        from blobtorrent.storage.filejobs import Abort, MoveStore, RenamePaths

        if error is not None:
            self._refuse(torrent, was_begun, error)
            return
        place, store, inbox = torrent.record.place, torrent.store, self._outlets.inbox
        assert store is not None
        if place.renaming is not None:
            self._outlets.post_file_job(RenamePaths(
                torrent.info_hash, store, *place.renaming, reply_to=inbox, is_resumed=was_begun))
            return
        abort = self._aborts[torrent.info_hash] = Abort()
        log.info("moving", torrent=torrent.info_hash, source=str(place.root), target=str(place.download_dir))
        self._outlets.post_file_job(MoveStore(torrent.info_hash, store, place.download_dir, inbox, was_begun, abort))

    def _refuse(self, torrent: Torrent, was_begun: bool, error: BlobTorrentError) -> None:
        """It cannot begin; or not go on, if it was begun by an earlier process."""
        if not was_begun:
            torrent.record.place = torrent.record.place._replace(renaming=None, is_moving=False)
        self._roster.fail(torrent, error)
        self._answer_rename(torrent, error)

    def _answer_rename(self, torrent: Torrent, answer: BlobTorrentError | None) -> None:
        """Tell who waits for a rename of it, if anybody does."""
        reply = self._renamers.pop(torrent.info_hash, None)
        if reply is not None:
            reply.give(answer)

    # ---- end

    def on_progress(self, message: MoveProgress) -> None:
        torrent = self._roster.get(message.info_hash)
        if torrent is not None:
            torrent.moved_bytes = message.done_bytes
            self._roster.publish(torrent)

    def on_moved(self, answer: StoreMoved) -> None:
        torrent = self._roster.known(answer.info_hash)
        self._aborts.pop(answer.info_hash, None)
        place = torrent.record.place
        if answer.error is None:
            torrent.record.place = place._replace(
                root=place.download_dir, is_moving=False, is_incomplete=False, mount_point="")
            self._take_stamps(torrent, answer.stamps)
            self._finish(torrent, lambda: self._roster.tell(
                TorrentMoved(torrent.info_hash, str(place.download_dir))))
        elif answer.error.code == "storage.interrupted":
            return                     # we are ending: the next start goes on
        elif answer.error.code == "storage.half-moved":
            self._give_up(torrent, answer.error, place)    # to be resumed when it is started
        else:
            # What comes from the incomplete folder is tried again; it was no wish of the moment.
            target = place.download_dir if place.is_incomplete else place.root
            self._give_up(torrent, answer.error, place._replace(is_moving=False, download_dir=target))

    def on_renamed(self, answer: PathsRenamed) -> None:
        torrent = self._roster.known(answer.info_hash)
        place = torrent.record.place
        if answer.error is None or answer.error.code != "storage.half-moved":
            place = place._replace(renaming=None, is_moving=False)
        if answer.error is None:
            torrent.record.place = place._replace(renames=dict(answer.renames))
            self._take_stamps(torrent, answer.stamps)
            self._finish(torrent, lambda: self._roster.tell(TorrentChanged(torrent.info_hash)))
        elif answer.error.code == "storage.in-the-way":    # no fault of the disk: it goes on as it was
            torrent.record.place = place
            self._finish(torrent, lambda: None, Conflict("torrent.name-taken", answer.error.detail))
        elif isinstance(answer.error, StorageError):
            self._give_up(torrent, answer.error, place)
            self._answer_rename(torrent, answer.error)
        else:
            torrent.record.place = place
            self._finish(torrent, lambda: None, answer.error)

    def _take_stamps(self, torrent: Torrent, stamps: Mapping[int, FileStamp]) -> None:
        if stamps:
            torrent.stamps = dict(stamps)
            torrent.stamps_are_new = True

    def _finish(self, torrent: Torrent, then: Callable[[], None], answer: BlobTorrentError | None = None) -> None:
        """Save how it ended; who waits for that is told when the torrent can be moved again."""

        def saved(error: StorageError | None) -> None:
            if error is not None:
                self._roster.fail(torrent, error)
            else:
                then()
                self._roster.fire(torrent, TorrentEvent.MOVED)
            self._answer_rename(torrent, error or answer)

        self._keeper.save(torrent, saved)

    def _give_up(self, torrent: Torrent, error: BlobTorrentError, place: Place) -> None:
        """All is where it was; the torrent stays there, and says why, unless it was given up to be removed."""
        torrent.record.place = place
        self._keeper.save(torrent)
        if torrent.record.removal:
            self._roster.fire(torrent, TorrentEvent.MOVED)
        else:
            self._roster.fail(torrent, error)


def _renamed(torrent: Torrent, name: str) -> dict[str, str]:
    """What its files are called when its own file or folder is called `name`."""
    own, renames = torrent.record.facts.name, torrent.record.place.renames
    before = renames.get(own, own)
    moved = {path: name + place[len(before):] if place == before or place.startswith(before + "/") else place
             for path, place in renames.items()}
    moved[own] = name
    return {path: place for path, place in moved.items() if path != place}


def _shared(torrent: Torrent, others: list[Torrent]) -> Conflict:
    names = ", ".join(other.name for other in others)
    return Conflict("torrent.path-shared", f"{names} has files of {torrent.name} too, and would lose them: remove one "
                    "of the two first")
