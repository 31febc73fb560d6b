"""Saved: what a daemon keeps between its runs: the state directory, the memory that outlives us, and the torrents that
both tell of. Built by the thread that starts the engine, before any other runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from blobtorrent.config.schema import Settings
from blobtorrent.core.session.past import Past
from blobtorrent.core.session.record import TorrentRecord
from blobtorrent.core.session.restore import KINDS, past_of, rebuild, restore
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.daemon.supervisor import Part
from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import DiskFull, StorageError
from blobtorrent.model.events import DamageFound, Event
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.runtime.logs import get_logger
from blobtorrent.storage.arena import num_slots
from blobtorrent.storage.filelanes import FileLanes
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.live.livefile import LiveDraft, LiveFile
from blobtorrent.storage.live.liveplace import live_path
from blobtorrent.storage.live.recovery import Recovery
from blobtorrent.storage.naming import Naming
from blobtorrent.storage.partstore import Durable
from blobtorrent.storage.state.library import Library, LibraryThread
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import TORRENT, StateThread, row_key
from blobtorrent.storage.store import Store

log = get_logger(__name__)

AT_ONCE = 200                          # torrents that are handed on in one step: some 10 ms


class Saved:
    """`tell` publishes events: damage is told loudly, also `damages`, which were found before.

    Raises ConfigError when the directory cannot be used.
    """

    def __init__(self, settings: Settings, state: Path, runtime: Path | None, tell: Callable[[Event], None], *,
                 scratch_slots: int, draft: LiveDraft | None = None, damages: Sequence[Damage] = ()) -> None:
        self._tell = tell
        self._storage = settings.storage
        self._folder = StateDir(state)
        self._found_before = tuple(damages)
        self.damages: list[str] = []
        self.past = Past()             # these two are known when the first torrents are
        self.num_torrents = 0
        self._is_restored = False
        try:
            self._library = Library(self._folder, self._on_damage)
            self._recovery = self._recover(runtime, state)
            slots = num_slots(settings.storage.memory_budget, scratch_slots)
            self.live = self._make_live(runtime, state, slots, draft)
        except BaseException:
            self._folder.close()
            raise
        self.state = StateThread(
            self._folder.state, self._on_damage, None if self.live is None else self.live.note_commit)
        self.library = LibraryThread(self._library)
        self.lanes = FileLanes()

    @property
    def parts(self) -> list[Part]:
        """The threads, in the order of their start."""
        return [
            Part("state", self.state.start, self.state.stop),
            Part("library", self.library.start, self.library.stop),
            Part("files", lambda: None, self.lanes.stop),              # a lane starts with its first job
        ]

    def on_safe(self, info_hash: InfoHash) -> None:
        """What was recovered of a torrent lies elsewhere now: it is needed no more. On the core thread."""
        if self._recovery is not None:
            self._recovery.forget(row_key(info_hash))

    def open_store(self, metainfo: Metainfo, record: TorrentRecord, files: FilePool) -> Store:
        """The store of a torrent whose unfinished pieces and unwanted neighbours outlive us."""
        info_hash, place, seal = metainfo.info_hash, record.place, self._folder.seal
        key = row_key(info_hash)
        return Store(
            place.root,
            metainfo,
            files,
            allocation=self._storage.allocation,
            names=Naming(metainfo.files, place.renames) if place.renames else None,
            parts=Durable(self._folder.parts_path(info_hash), seal, key),
            kept=Durable(self._folder.kept_path(info_hash), seal, key),
            skipped_files=record.wishes.skipped_files,
            hardlinks=self._storage.hardlinks,
            mount_point=place.mount_point,
        )

    def close(self, *, is_clean: bool) -> None:
        """The last step, when all threads have ended.

        What a killed process left of torrents that were not started since is found again all the same; and so is
        everything, when the end comes before all torrents were known.
        """
        if is_clean and self._is_restored:
            self._note_end(self._folder.mark_clean)
        elif is_clean and self._folder.was_clean and not (self.damages or self._folder.damages):
            self._note_end(self._folder.mark_untouched)
        self._folder.close()

    def _note_end(self, mark: Callable[[], None]) -> None:
        try:
            mark()
        except StorageError as error:
            log.error("the clean end could not be noted", code=error.code, detail=error.detail)
        else:
            if self.live is not None:
                self.live.remove()

    def abandon(self) -> None:
        """Instead of `close`, when no thread was ever started: the next start finds all as this one did."""
        self.close(is_clean=True)

    # ---- the start

    def _recover(self, runtime: Path | None, state: Path) -> Recovery | None:
        path = live_path(runtime, state)
        if path is None:
            return None
        recovery = Recovery.recover(path, self._folder.seal, self._folder.session_id)
        if recovery is not None:
            if recovery.torrents:
                log.info("a killed process left unfinished work", torrents=len(recovery.torrents))
            for damage in recovery.damages:
                self._on_damage(damage)
        return recovery

    def _make_live(self, runtime: Path | None, state: Path, slots: int, draft: LiveDraft | None) -> LiveFile | None:
        path = live_path(runtime, state)
        if path is None:
            log.warning("no folder in memory: a killed process loses what it has not written")
            return None
        seal, session_id, owner = self._folder.seal, self._folder.session_id, self._folder.path
        try:
            if draft is not None:
                with suppress(DiskFull):           # what a killed process left had not made room yet
                    return draft.finish(seal, session_id, owner)
            return LiveFile.create(path, num_slots=slots, seal=seal, session_id=session_id, owner=owner)
        except StorageError as error:
            log.warning("no memory that outlives us: a killed process loses what it has not written",
                        code=error.code, detail=error.detail)
            if self._recovery is not None:
                self._recovery.note_gap()
            return None

    def restore(self) -> Iterator[list[Torrent]]:
        """All torrents, some with every step. Once, and before the threads are asked for anything."""
        for damage in (*self._found_before, *self._folder.damages):
            self._on_damage(damage)
        loaded = self._folder.state.load(KINDS)
        found = Recovery() if self._recovery is None else self._recovery
        commits_lost = found.generation - self._folder.state.generation
        if commits_lost > 0:
            self._on_damage(Damage(
                "saved changes", str(self._folder.state.path), f"{commits_lost} commits that were made are not there",
                "what they told of the torrents that ran is looked for on disk"))
            found.distrust()
        for damage in loaded.damaged:
            self._on_damage(damage)
        self.past = past_of(loaded, found.alive_at, time.time())
        self.num_torrents = sum(row.kind == TORRENT for row in loaded.rows)
        is_damaged = bool(loaded.damaged or self._folder.damages) or commits_lost > 0
        keys: set[bytes] = set()
        some: list[Torrent] = []
        for one in restore(
            loaded, found.torrents, is_crash=not self._folder.was_clean, alive_at=self.past.alive_at
        ):
            if isinstance(one, Damage):
                is_damaged = True
                self._on_damage(one)
                continue
            keys.add(row_key(one.info_hash))
            some.append(one)
            if len(some) == AT_ONCE:
                yield some
                some = []
        some += self._rebuilt(keys, is_damaged=is_damaged)
        if self._recovery is not None:
            self._recovery.keep_only(keys)
        yield some
        self._is_restored = True

    def _rebuilt(self, known: set[bytes], *, is_damaged: bool) -> Iterator[Torrent]:
        """Torrents without a row: theirs was damaged, or a crash came while one was added or removed. The keys of those
        that are made anew are added to `known`."""
        for info_hash in self._folder.stray_torrents(known):
            answer = self._library.load(info_hash)
            if answer.metainfo is None:
                continue               # told already
            if not is_damaged:
                self._library.set_aside(info_hash)
                continue
            known.add(row_key(info_hash))
            self._on_damage(Damage(
                "torrent", answer.metainfo.name, "its rows are lost", "made anew from its .torrent file, stopped"))
            yield rebuild(answer.metainfo, self._storage.download_dir.absolute(), time.time())

    def _on_damage(self, damage: Damage) -> None:
        """From any thread."""
        log.error("damage found", what=damage.what, where=damage.where, detail=damage.detail, remedy=damage.remedy)
        self.damages.append(f"{damage.what} {damage.where}: {damage.detail}; {damage.remedy}")
        self._tell(DamageFound(*damage))
