"""State directories with content, for tests that damage them."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import bencodepy

from blobtorrent.model.damage import Damage
from blobtorrent.model.ids import InfoHash
from blobtorrent.storage.state.library import Library
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import PEERS, PROGRESS, SESSION, STAMPS, TORRENT, Row, RowName, row_key

Rows = dict[RowName, bytes]


def make_torrent(name: str, tracker: str = "http://tracker.example/announce") -> tuple[InfoHash, bytes]:
    """A small .torrent file, written without the package."""
    info = {"length": 1000, "name": name, "piece length": 16384, "pieces": hashlib.sha1(name.encode()).digest()}
    raw = bencodepy.encode({"announce": tracker, "info": info})
    return InfoHash(v1=hashlib.sha1(bencodepy.encode(info)).digest()), raw


def read_rows(state_dir: StateDir, kinds: tuple[str, ...]) -> Rows:
    return {(row.kind, row.key): row.body for row in state_dir.state.load(kinds).rows}


class FreshState:
    """An open state directory with nothing in it, its library, and what is `told` of damage."""

    def __init__(self, state_dir: StateDir) -> None:
        self.dir = state_dir
        self.told: list[Damage] = []
        self.library = Library(state_dir, self.told.append)


@contextmanager
def fresh_state(folder: Path) -> Iterator[FreshState]:
    with closing(StateDir(folder / "state")) as state_dir:
        yield FreshState(state_dir)


class SavedState:
    """A state directory that some sessions left: `latest` are its rows, `history` what they were after each commit.

    With `is_clean` False the last session was killed: commits lie in the write-ahead log.
    """

    def __init__(self, root: Path, *, is_clean: bool, num_torrents: int = 12, seed: int = 1) -> None:
        self.root = root
        self.latest: Rows = {}
        self.history: list[Rows] = []
        self._rng = random.Random(seed)
        state_dir = StateDir(root)
        self.torrents = [self._add(state_dir, number) for number in range(num_torrents)]
        state_dir.state.fold()
        state_dir.state.keep_previous()
        self.previous = dict(self.latest)
        for _ in range(4):
            some = self._rng.sample(self.torrents, num_torrents // 3)
            self._commit(state_dir, [Row(PROGRESS, row_key(info_hash), self._rng.randbytes(200)) for info_hash in some])
        if is_clean:
            state_dir.mark_clean()
            self.previous = dict(self.latest)
            state_dir.close()
        else:
            killed = root.with_name(f"{root.name}-killed")
            shutil.copytree(root, killed)
            state_dir.close()
            shutil.rmtree(root)
            killed.rename(root)

    def copy(self, target: Path) -> Path:
        shutil.copytree(self.root, target)
        return target

    def _add(self, state_dir: StateDir, number: int) -> InfoHash:
        info_hash, raw = make_torrent(f"torrent-{number}")
        key = row_key(info_hash)
        metafile = Library(state_dir, lambda damage: None).keep(info_hash, raw)
        rows = [Row(kind, key, self._rng.randbytes(size))
                for kind, size in ((TORRENT, 600), (PROGRESS, 200), (STAMPS, 100), (PEERS, 900))]
        self._commit(state_dir, [Row(SESSION, b"", b"%d torrents" % number), metafile, *rows])
        return info_hash

    def _commit(self, state_dir: StateDir, puts: list[Row]) -> None:
        state_dir.state.commit(puts)
        self.latest.update({(row.kind, row.key): row.body for row in puts})
        self.history.append(dict(self.latest))


def flip(path: Path, bit: int) -> None:
    """Turn one bit of a file."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
