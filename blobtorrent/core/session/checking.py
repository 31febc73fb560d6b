"""CheckManager: hashes what lies on disk, one torrent of a device after the other. Owned by `core`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from blobtorrent.core.session.checks import CheckPlan, CheckQueue
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.lifecycle import TorrentEvent, TorrentState
from blobtorrent.core.session.loading import mark_unsaved
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.events import TorrentChecked
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.jobs import CheckPieces, PiecesChecked

if TYPE_CHECKING:
    from blobtorrent.storage.filejobs import FilesStamped

log = get_logger(__name__)


class CheckManager:
    """The hashers are given `parallel` ranges of a torrent at a time."""

    def __init__(self, roster: Roster, outlets: Outlets, keeper: Keeper, *, parallel: int,
                 on_ready: Callable[[Torrent], None], on_idle: Callable[[Torrent], None]) -> None:
        self._roster = roster
        self._outlets = outlets
        self._keeper = keeper
        self._parallel = parallel
        self._on_ready = on_ready
        self._on_idle = on_idle
        self._queue: CheckQueue[InfoHash] = CheckQueue()
        roster.at_entry(TorrentState.WAITING, self._enter_line)
        roster.at_entry(TorrentState.HASHING, self._begin)
        roster.at_exit(TorrentState.WAITING, self._leave_line)
        roster.at_exit(TorrentState.HASHING, self._leave_line)

    def num_ahead_of(self, torrent: Torrent) -> int:
        """How many are hashed before it, in the state *waiting*."""
        return self._queue.num_ahead_of(_device_of(torrent), torrent.info_hash)

    def _enter_line(self, torrent: Torrent, _event: TorrentEvent) -> None:
        if self._queue.enter(_device_of(torrent), torrent.info_hash):
            self._roster.fire(torrent, TorrentEvent.TURN)

    def _leave_line(self, torrent: Torrent) -> None:
        if torrent.state is TorrentState.HASHING:
            return                     # from *waiting*: it keeps the first place
        torrent.check = None
        follower = self._queue.leave(_device_of(torrent), torrent.info_hash)
        if follower is not None:
            self._roster.fire(self._roster.known(follower), TorrentEvent.TURN)

    def _begin(self, torrent: Torrent, _event: TorrentEvent) -> None:
        assert torrent.metainfo is not None
        torrent.check = CheckPlan(torrent.metainfo, self._parallel, torrent.doubtful)
        self._post(torrent, torrent.check)

    def _post(self, torrent: Torrent, check: CheckPlan) -> None:
        assert torrent.store is not None
        for indices in check.next_jobs():
            torrent.jobs_in_flight += 1
            self._outlets.hashers.post(CheckPieces(torrent.info_hash, torrent.store, indices, self._outlets.inbox))

    def on_checked(self, answer: PiecesChecked) -> None:
        torrent = self._roster.known(answer.info_hash)
        torrent.jobs_in_flight -= 1
        check = torrent.check
        if torrent.state is not TorrentState.HASHING or check is None:
            self._on_idle(torrent)
            return
        check.on_checked(answer)
        self._post(torrent, check)
        if not check.is_done:
            self._roster.publish(torrent)
        elif check.error is not None:
            torrent.check = None
            self._roster.fail(torrent, check.error)
        else:
            self._finish(torrent, check)

    def _finish(self, torrent: Torrent, check: CheckPlan) -> None:
        record = torrent.record
        believed = record.have.mask & ~check.pieces if record.is_checked else 0
        torrent.check = None
        torrent.set_have(Bitfield.from_mask(record.have.size, believed | check.good.mask))
        mark_unsaved(torrent)
        record.is_checked, torrent.wants_check = True, False
        log.info("torrent checked", torrent=torrent.info_hash,
                 good=len(check.good), bad=len(check.bad), missing=len(check.missing))
        self._roster.tell(TorrentChecked(torrent.info_hash, len(check.good), len(check.bad), len(check.missing)))
        self._keeper.touch(torrent)
        if self._outlets.state is None:
            self._on_ready(torrent)
        else:
            self._stamp(torrent)

    def _stamp(self, torrent: Torrent) -> None:
        """See how the files look now, before anything is written to them."""
        from blobtorrent.storage.filejobs import StampFiles

        assert torrent.store is not None
        torrent.jobs_in_flight += 1
        self._outlets.post_file_job(StampFiles(torrent.info_hash, torrent.store, self._outlets.inbox))

    def on_stamped(self, answer: FilesStamped) -> None:
        torrent = self._roster.known(answer.info_hash)
        torrent.jobs_in_flight -= 1
        if answer.error is None:
            torrent.stamps = dict(answer.stamps)
            torrent.stamps_are_new = True
        self._keeper.save(torrent)     # at once: what took an hour to hash is not to be hashed again after a kill
        if torrent.state is TorrentState.HASHING:
            self._on_ready(torrent)
        else:
            self._on_idle(torrent)


def _device_of(torrent: Torrent) -> int:
    assert torrent.store is not None
    return torrent.store.device
