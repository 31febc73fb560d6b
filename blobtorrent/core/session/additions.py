"""Additions: new torrents on their way into the session. Owned by `core`.

A session that keeps state answers only when the .torrent file and the rows are durable: what was acknowledged is there
after any crash.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.config.schema import StorageSettings
from blobtorrent.core.session.commands import AddTorrent, Reply
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.metainfos import Metainfos
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.record import Facts, Place, TorrentRecord, facts_of, facts_of_link, wishes_of
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.splits import settle_split, wished_split
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.model.errors import BlobTorrentError, Conflict, Invalid, StorageError
from blobtorrent.model.events import TorrentAdded
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger

if TYPE_CHECKING:
    from blobtorrent.model.magnet import MagnetLink
    from blobtorrent.storage.state.library import TorrentKept

log = get_logger(__name__)

Next = Callable[[Torrent], None]


class _Pending(NamedTuple):
    torrent: Torrent
    reply: Reply[Any]
    then: Next
    latecomers: list[Reply[Any]]       # who asked for the same torrent meanwhile


class Additions:
    """`then(torrent)` is called when a torrent is on the roster."""

    def __init__(self, roster: Roster, outlets: Outlets, metainfos: Metainfos, keeper: Keeper, storage: StorageSettings,
                 clock: Clock, *, allow_loopback: bool) -> None:
        self._roster = roster
        self._outlets = outlets
        self._metainfos = metainfos
        self._keeper = keeper
        self._storage = storage
        self._clock = clock
        self._allow_loopback = allow_loopback
        # Set by who fetches metadata.
        self.complete: Callable[[Torrent, Metainfo, bytes, Reply[Any]], None]
        self._pending: dict[bytes, _Pending] = {}          # by each digest: of a hybrid, a link may name only one

    def apply(self, storage: StorageSettings) -> None:
        """Other folders for torrents that name none, and other parts of large files."""
        self._storage = storage

    def begin(self, command: AddTorrent, reply: Reply[Any], then: Next) -> None:
        """Raises Conflict ("torrent.present", "torrent.removing"), Invalid ("torrent.no-such-file",
        "torrent.not-raw"), or StorageError for the folder."""
        if command.magnet is not None:
            self._begin_link(command, command.magnet, reply, then)
            return
        assert command.metainfo is not None
        metainfo = command.metainfo
        info_hash = metainfo.info_hash
        if self._is_awaited(command, metainfo, reply) or self._is_there(info_hash, metainfo.name, reply):
            return
        if not all(0 <= number < len(metainfo.files) for number in command.file_priorities):
            raise Invalid("torrent.no-such-file", f"{metainfo.name} has {len(metainfo.files)} files")
        if metainfo.has_piece_hashes:
            torrent = self._new(command, facts_of(metainfo, self._clock.wall()))
            settle_split(torrent.record, metainfo)
            self._metainfos.provide(torrent, metainfo)
        else:
            torrent = self._new_without_layers(command, metainfo)
        if self._outlets.library is None:
            self._arrive(_Pending(torrent, reply, then, []))
            return
        if not command.raw:
            raise Invalid("torrent.not-raw", "the bytes of the .torrent file are needed, to keep them")
        from blobtorrent.storage.state.library import KeepTorrent

        library, keep = self._outlets.library, KeepTorrent(info_hash, command.raw, None, self._outlets.inbox)
        self._await(_Pending(torrent, reply, then, []))
        # What is deleted of one that was removed just now must not be what is written here.
        self._keeper.when_dropped(info_hash, lambda: library.post(keep))

    def _begin_link(self, command: AddTorrent, link: "MagnetLink", reply: Reply[Any], then: Next) -> None:
        """A torrent of which no more is known than its info-hash, and perhaps a name. The link itself is kept."""
        from blobtorrent.model.magnet import format_magnet

        facts = facts_of_link(link, self._clock.wall())
        if self._is_there(link.info_hash, facts.name, reply):
            return
        if command.only_public_peers and not self._allow_loopback:
            link = link.with_public_peers()
        torrent = self._new(command, facts)
        torrent.record.magnet = format_magnet(link)
        pending = _Pending(torrent, reply, then, [])
        if self._outlets.library is None:
            self._arrive(pending)
            return
        self._await(pending)
        self._keeper.when_dropped(link.info_hash, lambda: self._keeper.save(
            torrent, lambda error: self._on_saved(pending, error)))

    def _new_without_layers(self, command: AddTorrent, metainfo: Metainfo) -> Torrent:
        """Its file has no piece layers (BEP 52): peers have to give them, as if it had come as a link."""
        from blobtorrent.model.magnet import MagnetLink, format_magnet

        link = MagnetLink(metainfo.info_hash, metainfo.name, tiers=metainfo.tiers, web_seeds=metainfo.web_seeds)
        facts = facts_of_link(link, self._clock.wall())._replace(is_private=metainfo.is_private)
        torrent = self._new(command, facts)
        torrent.record.magnet = format_magnet(link)
        if self._outlets.library is None:
            torrent.lacks_layers = metainfo
        return torrent

    def _new(self, command: AddTorrent, facts: Facts) -> Torrent:
        torrent = Torrent(TorrentRecord(facts, wishes_of(command), self._place_of(command), should_run=command.start))
        torrent.skip_check = command.skip_check
        return torrent

    def _is_awaited(self, command: AddTorrent, metainfo: Metainfo, reply: Reply[Any]) -> bool:
        """Whether the torrent is there as a link only, and its .torrent file is what it lacked."""
        there = self._roster.like(metainfo.info_hash)
        if there is None or not there.record.magnet or there.record.removal or not metainfo.has_piece_hashes:
            return False
        if self._outlets.library is not None and not command.raw:
            return False
        self.complete(there, metainfo, command.raw, reply)
        return True

    def _is_there(self, info_hash: InfoHash, name: str, reply: Reply[Any]) -> bool:
        """Whether it is just being added; then `reply` is given with the others. Raises Conflict when it is there."""
        there = self._roster.like(info_hash)
        if there is not None:
            raise _leaving(name) if there.state is TorrentState.REMOVING else _present(name)
        pending = self._pending.get(info_hash.v1) or self._pending.get(info_hash.v2)
        if pending is not None:
            pending.latecomers.append(reply)
        return pending is not None

    def _await(self, pending: _Pending) -> None:
        self._pending.update((digest, pending) for digest in pending.torrent.info_hash if digest)

    def _settle(self, pending: _Pending) -> None:
        for digest in filter(None, pending.torrent.info_hash):
            del self._pending[digest]

    def on_kept(self, answer: "TorrentKept") -> None:
        if answer.token is not None:   # of one that was added as a link
            answer.token(answer)
            return
        pending = self._pending[answer.info_hash.v1 or answer.info_hash.v2]
        if answer.error is not None:
            self._refuse(pending, answer.error)
        else:
            # One without its piece layers has no .torrent file that counts yet.
            row = None if pending.torrent.record.magnet else answer.row
            self._keeper.save(pending.torrent, lambda error: self._on_saved(pending, error), row)

    def _on_saved(self, pending: _Pending, error: StorageError | None) -> None:
        if error is not None:
            self._refuse(pending, error)
        else:
            self._settle(pending)
            self._arrive(pending)

    def _refuse(self, pending: _Pending, error: BlobTorrentError) -> None:
        self._settle(pending)
        self._keeper.drop(pending.torrent)
        for reply in (pending.reply, *pending.latecomers):
            reply.give(error)

    def _arrive(self, pending: _Pending) -> None:
        torrent = pending.torrent
        log.info("torrent added", torrent=torrent.info_hash, name=torrent.name)
        self._roster.add(torrent)
        self._roster.tell(TorrentAdded(torrent.info_hash, torrent.name))
        pending.then(torrent)
        pending.reply.give(torrent.info_hash)      # who hears it finds the torrent on its way, not stopped
        for reply in pending.latecomers:
            reply.give(_present(torrent.name))

    def _place_of(self, command: AddTorrent) -> Place:
        target = (command.download_dir or self._storage.download_dir).absolute()
        incomplete: Path | None = self._storage.incomplete_dir if self._outlets.library is not None else None
        split = wished_split(self._storage) if command.splits_files else None
        if incomplete is None or incomplete.absolute() == target:
            return Place(target, target, renames=command.renames, split=split)
        return Place(target, incomplete.absolute(), is_incomplete=True, renames=command.renames, split=split)


def _leaving(name: str) -> Conflict:
    return Conflict("torrent.removing", f"{name} is being removed: add it again when it is gone")


def _present(name: str) -> Conflict:
    return Conflict("torrent.present", f"{name} is there already")
