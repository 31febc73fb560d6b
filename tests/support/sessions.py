"""A session in one thread: its mailboxes are lists, its clock is the test's, the threads behind them are played."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from blobtorrent.config.load import load
from blobtorrent.config.schema import SINGLE_TABLES, Settings
from blobtorrent.core.session.build import Surroundings, build_session
from blobtorrent.core.session.commands import AddTorrent, Ask, Command, OpenListeners, Reply, SeedGoal
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.past import Past
from blobtorrent.core.session.record import Place, TorrentRecord, facts_of, wishes_of
from blobtorrent.core.session.restoring import RestoreEnded, TorrentsRestored
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import CloseSwarm, SwarmClosed, SwarmReport
from blobtorrent.discovery.messages import Announce, AnnounceDone
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import StorageError
from blobtorrent.model.events import Event
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.status import SessionStatus, TorrentStatus
from blobtorrent.protocol.tracker.announce import AnnounceReply
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import TimerWheel
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.jobs import (
    CheckPieces,
    CloseStore,
    FindLost,
    LostFound,
    PiecesChecked,
    PrepareStore,
    StoreClosed,
    StorePrepared,
    StoreSynced,
    SyncStore,
)
from blobtorrent.storage.live.livefile import LiveFile
from blobtorrent.storage.stamps import FileStamp
from blobtorrent.storage.state.library import KeepTorrent, LoadTorrent, TorrentKept, TorrentLoaded
from blobtorrent.storage.state.statethread import METAFILE, Row, SaveState, StateSaved, row_key
from blobtorrent.storage.store import Store
from tests.support.stored import StoredTorrent

PIECE = 16384
FIRST_RUN = Past()
T = TypeVar("T")


def torrent_of(
    pieces: int, *, piece_length: int = PIECE, seed: int = 1, tiers: tuple[tuple[str, ...], ...] = ()
) -> Metainfo:
    """A torrent of one file of whole pieces."""
    metainfo = StoredTorrent([pieces * piece_length], piece_length, seed=seed).metainfo
    return metainfo._replace(tiers=tiers, name="t" if seed == 1 else f"t{seed}")


def settings_of(**values: object) -> Settings:
    """The defaults, but for what is given as section__key=value."""
    sections: dict[str, dict[str, object]] = {}
    for name, value in values.items():
        section, _, key = name.partition("__")
        sections.setdefault(section, {})[key] = value
    changed: dict[str, Any] = {section: SINGLE_TABLES[section](**given) for section, given in sections.items()}
    return load()._replace(**changed)


class SessionRig:
    """Posts of the session are drained by the test; `answer_*` play the threads that would have taken them."""

    def __init__(self, *, check_jobs: int = 4, max_links: int = 500, keeps: bool = False, live: LiveFile | None = None,
                 saved: Iterable[Torrent] = (), past: Past = FIRST_RUN, is_restored: bool = True,
                 on_safe: Callable[[InfoHash], None] | None = None, looks_at_once: bool = True,
                 **settings: object) -> None:
        """With `keeps` it is a daemon's: what it saves goes to `library` and `state`, as it would to their threads, and
        `saved` are the torrents of earlier runs, unless they are still to come (`is_restored`)."""
        self.clock = FakeClock(start=1000.0)
        self.timers = TimerWheel()
        self.inbox: Mailbox[Any] = Mailbox("core")
        self.door: Mailbox[Any] = Mailbox("door")
        self.shard: Mailbox[Any] = Mailbox("shard")
        self.hashers: Mailbox[Any] = Mailbox("hashers")
        self.disks: Mailbox[Any] = Mailbox("disks")
        self.files: Mailbox[Any] = Mailbox("files")
        self.outcalls: Mailbox[Any] = Mailbox("outcalls")
        self.udp: Mailbox[Any] = Mailbox("udp")
        self.board: StatusBoard[InfoHash, TorrentStatus] = StatusBoard()
        self.sessions: StatusBoard[str, SessionStatus] = StatusBoard()
        self._published: list[Event] = []
        self.library: Mailbox[Any] = Mailbox("library")
        self.saves: Mailbox[Any] = Mailbox("state")
        self.lost: list[int] = []      # what is found lost when a torrent seems complete
        self.looks_at_once = looks_at_once
        files = FilePool(16)
        outlets = Outlets(
            inbox=self.inbox,
            door=self.door,
            shards=(self.shard,),
            hashers=self.hashers,
            disks=_Disks(self),
            outcalls=self.outcalls,
            udp=self.udp,
            open_store=lambda metainfo, record: Store(record.place.root, metainfo, files),
            library=self.library if keeps else None,
            state=self.saves if keeps else None,
            files=self.files if keeps else None,
            live=live,
        )
        self.session = build_session(Surroundings(
            outlets,
            settings_of(network__max_peers=max_links, **settings),
            self.board,
            self.sessions,
            self._published.append,
            self.clock,
            self.timers,
            random.Random(1),
            PeerId(b"-BQ0000-abcdefghijkl"),
            check_jobs,
            on_safe,
        ))
        for message in self.inbox.drain():
            self.tell(message)
        if keeps and is_restored:
            torrents = tuple(saved)
            self.tell(TorrentsRestored(torrents, len(torrents)))
            self.tell(RestoreEnded(past, ()))

    # ---- what drives it

    def tell(self, message: Any) -> None:
        self.session.on_message(message)
        for answer in self.inbox.drain():
            self.session.on_message(answer)
        self.timers.expire(self.clock.now())

    def command(self, command: Command) -> Reply[Any]:
        self.last_reply: Reply[Any] = Reply()
        self.tell(Ask(command, self.last_reply))
        return self.last_reply

    def ask(self, command: Command) -> Any:
        """The answer to a command that is answered at once."""
        return self.command(command).wait(0)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.timers.expire(self.clock.now())

    # ---- what comes out

    def state(self, metainfo: Metainfo) -> str:
        return self.status(metainfo).state

    def status(self, metainfo: Metainfo) -> TorrentStatus:
        status = self.board.read(metainfo.info_hash)
        assert status is not None
        return status

    def events(self) -> list[Event]:
        """What was published since the last call."""
        events, self._published[:] = self._published[:], []
        return events

    # ---- the threads behind the mailboxes

    def answer_prepare(self, *, has_data: bool, error: StorageError | None = None) -> None:
        job = only(PrepareStore, self.disks.drain())
        self.tell(StorePrepared(job.info_hash, has_data, error))

    def answer_check(self, job: CheckPieces, *, good: bool = True, error: StorageError | None = None) -> None:
        found, missing = (list(job.indices), []) if good else ([], list(job.indices))
        if error is not None:
            found, missing = [], []
        self.tell(PiecesChecked(job.info_hash, job.indices, found, [], missing, error))

    def check_all(self, *, good: bool = True) -> None:
        """Answer the checks until none is asked for any more."""
        while jobs := self.hashers.drain():
            for job in jobs:
                self.answer_check(job, good=good)

    def report(self, metainfo: Metainfo, *, have: int, uploaded: int = 0, error: StorageError | None = None,
               **figures: Any) -> None:
        """The swarm has its first `have` pieces; `figures` are more of its report."""
        self.tell(_report(metainfo, have, uploaded, error)._replace(**figures))

    def answer_close(self, metainfo: Metainfo, *, have: int, uploaded: int = 0) -> None:
        """The swarm, then the store, do what they were told."""
        only(CloseSwarm, [message for message in self.shard.drain() if isinstance(message, CloseSwarm)])
        self.tell(SwarmClosed(metainfo.info_hash, _report(metainfo, have, uploaded, None)))
        self.answer_close_store()

    def report_last(self, metainfo: Metainfo, *, have: int) -> None:
        """The swarm is closed."""
        self.tell(SwarmClosed(metainfo.info_hash, _report(metainfo, have, 0, None)))

    def answer_close_store(self) -> None:
        self.tell(StoreClosed(only(CloseStore, self.disks.drain()).info_hash))

    # ---- the threads that keep things

    def save(self) -> list[Row]:
        """The state thread saves what it was given; returns the rows."""
        job = only(SaveState, self.saves.drain())
        self.tell(StateSaved(job.token, None))
        return list(job.puts)

    def sync(self, stamps: dict[int, FileStamp] | None = None, error: StorageError | None = None,
             gone_files: tuple[int, ...] = (), lost: tuple[int, ...] = ()) -> None:
        """The files that were written are durable, or not."""
        job = only(SyncStore, self.disks.drain())
        self.tell(StoreSynced(job.info_hash, stamps or {}, error, gone_files, lost))

    def add_kept(self, metainfo: Metainfo, folder: Path, **options: Any) -> None:
        """A new torrent, as far as it is answered."""
        reply = self.command(AddTorrent(metainfo, folder, raw=b"raw", **options))
        job = only(KeepTorrent, self.library.drain())
        row = Row(METAFILE, row_key(metainfo.info_hash), b"digest")
        self.tell(TorrentKept(job.info_hash, job.token, row, None))
        self.save()
        assert reply.wait(0) == metainfo.info_hash

    def answer_load(self, metainfo: Metainfo) -> None:
        """The library reads a saved torrent."""
        only(LoadTorrent, self.library.drain())
        self.give_metainfo(metainfo)

    def give_metainfo(self, metainfo: Metainfo) -> None:
        self.tell(TorrentLoaded(metainfo.info_hash, metainfo, b"", b"", None))

    def fail_load(self, metainfo: Metainfo, error: StorageError) -> None:
        """The library cannot read a torrent that it was asked for."""
        self.tell(TorrentLoaded(metainfo.info_hash, None, b"", b"", error))

    def open_listeners(self) -> None:
        """The session is ready: saved torrents may begin."""
        self.ask(OpenListeners(()))

    def answer_announce(self, order: Announce, *peers: Endpoint, interval_s: int = 1800, **fields: Any) -> None:
        reply = AnnounceReply(endpoints=peers, interval_s=interval_s, **fields)
        self.tell(AnnounceDone(
            order.info_hash, order.url, order.query, endpoints=peers, reply=reply, origin=order.origin))

    # ---- short ways to a state

    def add(
        self, metainfo: Metainfo, folder: Path, *, goal: SeedGoal | None = None, peers: tuple[Endpoint, ...] = ()
    ) -> None:
        self.ask(AddTorrent(metainfo, folder, peers, SeedGoal() if goal is None else goal))

    def add_downloading(self, metainfo: Metainfo, folder: Path, *, goal: SeedGoal | None = None) -> None:
        self.add(metainfo, folder, goal=goal)
        self.answer_prepare(has_data=False)

    def add_seeding(self, metainfo: Metainfo, folder: Path, *, goal: SeedGoal | None = None) -> None:
        self.add(metainfo, folder, goal=goal)
        self.answer_prepare(has_data=True)
        self.check_all()


class _Disks:
    """The disk lanes of a rig. Whether what seems complete is there is answered at once, unless the test wants to; all
    other jobs wait to be drained from `rig.disks`."""

    def __init__(self, rig: SessionRig) -> None:
        self._rig = rig

    def post(self, job: Any) -> None:
        if self._rig.looks_at_once and isinstance(job, FindLost):
            self._rig.inbox.post(LostFound(job.info_hash, self._rig.lost))
        else:
            self._rig.disks.post(job)


def saved_torrent(metainfo: Metainfo, folder: Path, *have: int, run: bool = True) -> Torrent:
    """As the last run left it, with these pieces."""
    record = TorrentRecord(
        facts_of(metainfo, 1.0), wishes_of(AddTorrent(metainfo)), Place(folder, folder), should_run=run)
    record.is_checked = True
    record.have = Bitfield(metainfo.geometry.num_pieces, have)
    record.durable = record.have.mask
    record.done_bytes = len(have) * metainfo.geometry.piece_length
    return Torrent(record)


def only(kind: type[T], messages: list[Any]) -> T:
    """The one message that there is."""
    assert [type(message) for message in messages] == [kind]
    message: T = messages[0]
    return message


def _report(metainfo: Metainfo, have: int, uploaded: int, error: StorageError | None) -> SwarmReport:
    geometry = metainfo.geometry
    done = have * geometry.piece_length
    return SwarmReport(
        info_hash=metainfo.info_hash,
        state="starved" if error else "normal",
        have_count=have,
        have_wire=Bitfield(geometry.num_pieces, range(have)).to_wire(),
        done_bytes=done,
        left_bytes=geometry.size - done,
        downloaded_bytes=done,
        uploaded_bytes=uploaded,
        wasted_bytes=0,
        down_bytes_per_s=0,
        up_bytes_per_s=0,
        links=1,
        seeds=0,
        peers_known=1,
        error_code=error.code if error else "",
        error_detail=error.detail if error else "",
    )
