"""TorrentManager: what may be asked of torrents, and what each of them does next. Owned by `core`.

Every way of a torrent begins and ends in *stopped*. There `_settle` looks at the record, which says what is wanted, and
takes the next step; so a command has only to write the wish down and bring the torrent home.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from blobtorrent.core.session.activity import ActivityManager
from blobtorrent.core.session.additions import Additions
from blobtorrent.core.session.admission import Admission
from blobtorrent.core.session.commands import (
    AddPeers,
    AddTorrent,
    HandlePeer,
    RecheckTorrent,
    RemoveTorrent,
    Reply,
    StartTorrent,
    StopTorrent,
)
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.metainfos import no_metadata
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.record import REMOVAL_DELETE, REMOVAL_KEEP, Place
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.sharing import Sharing, is_guest
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.model.errors import Conflict
from blobtorrent.model.events import TorrentRemoved
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.ownership import owned
from blobtorrent.storage.store import Store

log = get_logger(__name__)


class CloseTorrent(NamedTuple):
    """The session ends: close this one. A message to ourselves, so that what goes wrong with one torrent keeps none of
    the others open."""

    torrent: Torrent


@owned
class TorrentManager:
    """Commands answer when what they changed is safe: `reply` is given then, and is what they return."""

    def __init__(
        self,
        roster: Roster,
        outlets: Outlets,
        swarms: SwarmManager,
        admission: Admission,
        additions: Additions,
        activity: ActivityManager,
        keeper: Keeper,
        sharing: Sharing,
    ) -> None:
        self._roster = roster
        self._outlets = outlets
        self._swarms = swarms
        self.abort_move: Callable[[Torrent], None] = lambda torrent: None      # set by who moves
        self.look_up: Callable[[Torrent], None] = lambda torrent: None         # set by who looks names up
        self.resume: Callable[[Torrent], None] = lambda torrent: None          # set by who pauses
        self._admission = admission
        self._additions = additions
        self._activity = activity
        self._keeper = keeper
        self._sharing = sharing
        self._num_to_close = 0         # CloseTorrent that are on their way
        self._is_awake = outlets.library is None           # saved torrents wait for the session to be ready
        roster.at_entry(TorrentState.STOPPED, lambda torrent, _: self._settle(torrent))
        roster.at_entry(TorrentState.ERROR, lambda torrent, _: self._remember_error(torrent))
        roster.at_entry(TorrentState.GONE, lambda torrent, _: self._forget(torrent))

    def adopt(self, torrents: Iterable[Torrent]) -> None:
        """These were there when the process ended last. Before the session begins."""
        for torrent in torrents:
            self._roster.add(torrent)
            self._sharing.follow(torrent)

    def wake(self) -> None:
        """The session is ready: what should run may."""
        self._is_awake = True
        for torrent in list(self._roster):
            if torrent.state is TorrentState.STOPPED:
                self._settle(torrent)

    def rest(self) -> None:
        """The session ends: close all, and begin nothing more. What should run does so again after the next start."""
        self._is_awake = False
        self._admission.rest()
        for torrent in self._roster:
            if torrent.record.is_suspect:
                self._keeper.touch(torrent)                # our clean end says nothing of the one before
            if torrent.can_stop:
                self._num_to_close += 1
                self._outlets.inbox.post(CloseTorrent(torrent))

    @property
    def has_closed_all(self) -> bool:
        """Every torrent has been told to close since `rest`."""
        return self._num_to_close == 0

    def on_close(self, message: CloseTorrent) -> None:
        self._num_to_close -= 1
        if message.torrent.can_stop:
            self._roster.fire(message.torrent, TorrentEvent.STOP)

    def retire(self) -> None:
        """The session will end: begin nothing more, and close what has not begun. Swarms stay for now."""
        self._is_awake = False
        self._admission.rest()
        for torrent in list(self._roster):
            if torrent.can_stop and not torrent.swarm_is_open:
                self._roster.fire(torrent, TorrentEvent.STOP)

    # ---- commands

    def add(self, command: AddTorrent, reply: Reply[Any]) -> Reply[Any]:
        """Raises Conflict ("torrent.present"), Invalid, or StorageError."""
        self._additions.begin(command, reply, self._settle)
        return reply

    def add_peers(self, command: AddPeers, reply: Reply[Any]) -> Reply[Any]:
        torrent = self._roster.known(command.info_hash)
        wishes = torrent.record.wishes
        torrent.record.wishes = wishes._replace(
            static_peers=tuple(dict.fromkeys(wishes.static_peers + command.peers)),
            peer_names=tuple(dict.fromkeys(wishes.peer_names + command.names)))
        self._swarms.tell_peers(torrent, command.peers, PeerSource.STATIC)
        if command.names and torrent.has_peers:
            self.look_up(torrent)
        self._keeper.save(torrent, reply.give)
        return reply

    def handle_peer(self, command: HandlePeer, _reply: Reply[Any]) -> None:
        """Raises NotFound."""
        self._swarms.treat_peer(self._roster.known(command.info_hash), command.peer, command.treatment)

    def start(self, command: StartTorrent, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound, or Conflict ("torrent.not-stopped", "torrent.goal-met", "torrent.removing")."""
        torrent = self.present(command)
        record = torrent.record
        is_more_urgent = command.now and not record.is_forced
        if record.should_run and torrent.state is not TorrentState.ERROR:
            if not (record.is_paused or is_more_urgent):
                raise Conflict("torrent.not-stopped", f"{torrent.name} is not stopped")
            record.is_forced |= command.now
            if record.is_paused:
                self.resume(torrent)
            self._keeper.save(torrent, reply.give)
            self._admission.release()
            return reply
        files_are_gone = torrent.error is not None and torrent.error.code == "storage.files-gone"
        if files_are_gone or is_guest(torrent) or self._outlets.state is None:
            # Who starts it without its files wants them downloaded again; another torrent may have completed them; and
            # without state nobody knows the files.
            torrent.wants_check = True
        elif torrent.error is None and not command.now:
            self._activity.require_purpose(torrent)
        record.should_run, record.is_paused, record.is_forced = True, False, command.now
        record.has_given_enough = False
        self._keeper.save(torrent, reply.give)
        self.come_home(torrent)
        return reply

    def stop(self, command: StopTorrent, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound, or Conflict ("torrent.not-running", "torrent.removing")."""
        torrent = self.present(command)
        record = torrent.record
        if not record.should_run and not torrent.can_stop:
            raise Conflict("torrent.not-running", f"{torrent.name} is not running")
        record.should_run = record.is_paused = record.is_forced = torrent.wants_check = False
        self._keeper.save(torrent, reply.give)
        if torrent.state is TorrentState.QUEUED:
            self._roster.fire(torrent, TorrentEvent.CLOSED)
        elif torrent.can_stop:
            self._roster.fire(torrent, TorrentEvent.STOP)
        return reply

    def remove(self, command: RemoveTorrent, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound, or Conflict ("torrent.removing")."""
        torrent = self.present(command)
        torrent.record.removal = REMOVAL_DELETE if command.with_data else REMOVAL_KEEP
        self._keeper.save(torrent, reply.give)
        self.abort_move(torrent)
        if torrent.machine.can(TorrentEvent.REMOVE):
            self._roster.fire(torrent, TorrentEvent.REMOVE)
        return reply

    def recheck(self, command: RecheckTorrent, reply: Reply[Any]) -> Reply[Any]:
        """Raises NotFound, or Conflict ("torrent.removing", "torrent.moving", "torrent.no-metadata")."""
        torrent = self.present(command)
        if torrent.state is TorrentState.MOVING:
            raise Conflict("torrent.moving", f"{torrent.name} is being moved")
        if torrent.record.magnet:
            raise no_metadata(torrent)
        if not (command.if_unknown and torrent.record.is_checked):
            torrent.skip_check = torrent.skip_check and command.if_unknown
            torrent.wants_check = True
            self.come_home(torrent)
        reply.give(None)
        return reply

    # ---- what is next

    def present(self, command: Any) -> Torrent:
        """The torrent of a command. Raises NotFound, or Conflict ("torrent.removing")."""
        torrent = self._roster.known(command.info_hash)
        if torrent.record.removal:
            raise Conflict("torrent.removing", f"{torrent.name} is being removed")
        return torrent

    def come_home(self, torrent: Torrent) -> None:
        """Have `_settle` look at the record, now or when the torrent is closed."""
        if torrent.state is TorrentState.STOPPED:
            self._settle(torrent)
        elif torrent.state is TorrentState.QUEUED:
            self._roster.fire(torrent, TorrentEvent.CLOSED)
        elif torrent.can_stop:
            self._roster.fire(torrent, TorrentEvent.STOP)
        else:
            self._roster.publish(torrent)                  # it is being closed already, and now for this

    def _settle(self, torrent: Torrent) -> None:
        """It is stopped: what does its record want?"""
        record = torrent.record
        self._sharing.follow(torrent)
        if torrent.store is not None and not _is_there(torrent.store, record.place):
            torrent.unload()           # its store is for another folder, or other names
        torrent.is_adopting = False
        if not self._is_awake:
            return
        self._admission.release()
        if record.removal:
            self._roster.fire(torrent, TorrentEvent.REMOVE)
        elif record.place.renaming is not None or record.must_move:
            self._roster.fire(torrent, TorrentEvent.MOVE)
        elif record.should_run or torrent.wants_check:
            torrent.error, record.error = None, ("", "")
            self._admission.enter(torrent)
        elif torrent.must_adopt:
            self._admission.adopt(torrent)
        else:
            self._roster.publish(torrent)
            if self._outlets.library is not None:
                torrent.unload()

    def _remember_error(self, torrent: Torrent) -> None:
        assert torrent.error is not None
        torrent.record.error = (torrent.error.code, torrent.error.detail)
        self._keeper.save(torrent)
        self._admission.release()

    def _forget(self, torrent: Torrent) -> None:
        self._sharing.forget(torrent)
        self._roster.drop(torrent)
        self._keeper.drop(torrent)
        self._roster.tell(TorrentRemoved(torrent.info_hash, torrent.name, torrent.record.wishes.labels))
        self._admission.release()


def _is_there(store: Store, place: Place) -> bool:
    """Whether the store has the files where they are to be used."""
    names = {} if store.names is None else store.names.renames
    return store.root == place.root and names == place.renames
