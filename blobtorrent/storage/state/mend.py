"""Repairs a state directory that nobody uses: what the daemon does at a start, and what it leaves for later."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import StorageError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.partstore import Durable, PartStore
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.examine import open_parts, part_stores
from blobtorrent.storage.state.library import Library
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import KINDS, TORRENT, info_hash_of


def mend(folder: Path) -> list[Damage]:
    """Repair all that can be. Returns what was done; what is still wrong afterwards, an examination tells.

    Raises ConfigError as StateDir does, StorageError when something cannot be written.
    """
    state_dir = StateDir(folder)
    try:
        loaded = state_dir.state.load(KINDS)
        done = [*state_dir.damages, *loaded.damaged]
        _mend_torrents(state_dir, [row.key for row in loaded.rows if row.kind == TORRENT], done)
        _mend_parts(state_dir, done)
        if state_dir.was_clean and not loaded.damaged:
            state_dir.mark_clean()
        else:                          # the next start has to check what the killed session left
            state_dir.state.keep_previous()
    finally:
        state_dir.close()
    return done


def _mend_torrents(state_dir: StateDir, keys: list[bytes], done: list[Damage]) -> None:
    library = Library(state_dir, done.append)
    strays = state_dir.stray_torrents(keys)
    for info_hash in [*map(info_hash_of, keys), *strays]:
        try:
            library.mend(info_hash)
        except StorageError:           # told already, or told by an examination
            continue


def _mend_parts(state_dir: StateDir, done: list[Damage]) -> None:
    """Write part stores that have damaged blocks anew, of the sound ones."""
    for path, key in part_stores(state_dir.path):
        with open_parts(path, key, state_dir.seal) as (store, sound):
            if store.damaged_blocks:
                draft = path.with_name(f".{path.name}.tmp")
                draft.unlink(missing_ok=True)
                _copy_blocks(store, sound, draft, key, state_dir.seal)
                state_dir.quarantine.take(path)
                if draft.exists():     # something was sound
                    draft.replace(path)
                done.append(Damage("part store", str(path), f"{store.damaged_blocks} damaged blocks", "dropped"))


def _copy_blocks(store: PartStore, sound: dict[int, list[int]], target: Path, key: bytes, seal: Seal) -> None:
    pool = FilePool(1)
    copy = PartStore(target.parent, pool, target, Durable(target, seal, key))
    block_view = memoryview(bytearray(BLOCK_SIZE))
    try:
        for index, blocks in sound.items():
            for block in blocks:
                store.load(index, block, [block_view])
                copy.save(index, [(block, block_view)])
        copy.sync()
    finally:
        pool.close_owner(target)
