"""A bit flips in what a killed daemon left: the next start is never refused, says so when it matters, and ends right.

One wreck serves all: a torrent in mid-transfer with an unwanted file, so that every kind of state file has content.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from blobtorrent.storage.live.livelayout import HEADER, HEADER_COPY_BYTES, OWNER_AT, PAGE, LiveLayout
from tests.support.crashes import Lives, memory_folder
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.client import LOOPBACK
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.program import free_port, wait_until
from tests.support.statedirs import flip
from tests.support.tools import require_module

pytestmark = [pytest.mark.interop, pytest.mark.timeout(1800)]

PATIENCE_S = 60.0
SETTLE_S = 0.5                         # from a commit that can be seen to everybody who is to know of it
FIRST, UNWANTED, LAST = range(3)       # numbers of the files
FLIPS, FULL_FLIPS = 2, 50              # of each file, at seeded places

SMALL_FILES = ("key", "key.1", "format", "session")
OTHERS = ("state.sqlite3", "state.sqlite3.1", "admin.token", "torrents/HASH.torrent",
          "torrents/HASH.torrent.1", "parts/HASH.parts", "parts/HASH.kept", "live owner", "live records", "live blocks")

LOG = "state.sqlite3-wal"
LOG_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24


class Wreck:
    """What a killed daemon left; `restore` brings it back as often as wanted, for the next life in `lives`."""

    def __init__(self, folder: Path, memory: Path) -> None:
        files = [("first.bin", 6 * MIB + 5), ("unwanted.bin", 100 * KIB), ("last.bin", 5 * MIB)]
        self.sample: Sample = make_sample(folder, "set", files, MIB)
        self.lives = Lives(folder / "daemon", memory)
        self._port = free_port()
        self._folder = folder / "daemon"
        self._memory = memory
        self._copy = folder / "copy"
        with self.lives:               # it ends in order, and leaves a previous generation
            self.lives.add(self.sample, start=False, peers=[f"{LOOPBACK}:{self._port}"], sequential=True,
                           file_priorities={str(UNWANTED): "skip"})
        with self._seed(MIB) as seed, self.lives:
            self.lives.order(self.sample, "start")
            wait_until(lambda: self._has("parts/HASH.kept"), PATIENCE_S, "a piece with bytes of the unwanted file")
            seed.limit(64 * KIB)       # minutes for what is left
            with closing(self._reader()) as reader:
                reader.execute("BEGIN")            # what is committed from now on stays in the log
                before = _last_commit(reader)
                wait_until(lambda: self._has("parts/HASH.parts"), PATIENCE_S, "a piece that stays unfinished for long")
                with closing(self._reader()) as other:
                    wait_until(lambda: _last_commit(other) > before, PATIENCE_S, "a commit")
                time.sleep(SETTLE_S)
                wait_until(lambda: self._has("parts/HASH.parts"), PATIENCE_S, "a piece that is unfinished now")
                self.lives.kill()
                shutil.copytree(self._folder, self._copy / "disk")
        shutil.copytree(self._memory, self._copy / "memory", ignore=shutil.ignore_patterns("*.sock"))

    def _seed(self, bytes_per_s: int = 0) -> MeasuredPeer:
        return MeasuredPeer(self.sample, bytes_per_s=bytes_per_s, port=self._port)

    def _reader(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self.path('state.sqlite3').as_uri()}?mode=ro", uri=True)

    def _has(self, name: str) -> bool:
        path = self.path(name)
        return path.exists() and path.stat().st_size > 0

    def path(self, name: str) -> Path:
        """Where a file lies; "live" is the one in memory."""
        if name == "live":
            return next((self._memory / "run").glob("live-*"), self._memory / "none")
        return self.lives.state / name.replace("HASH", self.sample.info_hash.hex())

    def restore(self) -> None:
        for place, copy in ((self._folder, "disk"), (self._memory, "memory")):
            shutil.rmtree(place)
            shutil.copytree(self._copy / copy, place)

    def finish(self) -> str:
        """The next life, until all that is wanted is there; what it said."""
        with self._seed(), self.lives:
            wait_until(lambda: self.lives.status(self.sample)["state"] != "checking", PATIENCE_S, "the check")
            if self.lives.status(self.sample)["state"] == "stopped":       # as it was some time ago
                assert "damage found" in self.lives.daemon.output()
                self.lives.order(self.sample, "start")
            ends = self.lives.wait_state(self.sample, "seeding", PATIENCE_S)
            assert ends["done_bytes"] >= ends["wanted_bytes"], f"{ends}\n{self.lives.daemon.output()}"
        assert all("unwanted" in line for line in self.sample.differences(self.lives.downloads))
        self.fetched_twice: int = ends["downloaded_bytes"] - ends["size_bytes"]        # the unwanted share a piece
        return self.lives.daemon.output()


def _last_commit(reader: sqlite3.Connection) -> int:
    return int(reader.execute("SELECT max(generation) FROM rows").fetchone()[0])


@pytest.fixture(scope="module")
def wreck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wreck]:
    require_module("libtorrent")
    with memory_folder() as memory:
        yield Wreck(tmp_path_factory.mktemp("wreck"), memory)


def turn_bit(wreck: Wreck, name: str, rng: random.Random) -> None:
    """Turn a bit of a byte that is not 0: others are in no use."""
    kind, _, region = name.partition(" ")
    path = wreck.path(kind)
    data = path.read_bytes()
    begin, end = _region(data, region) if region else (0, len(data))
    used = [at for at in range(begin, end) if data[at]]
    flip(path, 8 * rng.choice(used) + rng.randrange(8))


def _region(live: bytes, name: str) -> tuple[int, int]:
    """Where a part of the live file lies."""
    _, _, slots, torrents, records, _ = HEADER.unpack_from(live)
    at = LiveLayout(slots, torrents, records).slots_at
    return {
        "header": (0, OWNER_AT),
        "owner": (OWNER_AT, HEADER_COPY_BYTES),
        "records": (PAGE, at),
        "blocks": (at, at + 4 * MIB),
    }[name]


def test_an_undamaged_wreck_goes_on_where_it_was(wreck: Wreck) -> None:
    wreck.restore()
    said = wreck.finish()
    assert "damage" not in said
    assert wreck.fetched_twice == 0


@pytest.mark.parametrize("name", SMALL_FILES)
def test_a_flipped_bit_in_what_all_depends_on_is_told_and_costs_nothing(
    wreck: Wreck, is_full_run: bool, name: str
) -> None:
    for number in range(FULL_FLIPS if is_full_run else FLIPS):
        wreck.restore()
        turn_bit(wreck, name, random.Random(f"{name} {number}"))
        assert "damage" in wreck.finish()


@pytest.mark.parametrize("part", ["header", "frame header", "page"])
def test_a_flipped_bit_in_the_log_of_the_state_file_is_told_and_costs_nothing(
    wreck: Wreck, is_full_run: bool, part: str
) -> None:
    begin, end = {
        "header": (0, LOG_HEADER_BYTES),
        "frame header": (LOG_HEADER_BYTES, LOG_HEADER_BYTES + FRAME_HEADER_BYTES),
        "page": (LOG_HEADER_BYTES + FRAME_HEADER_BYTES, -1),
    }[part]
    for number in range(FULL_FLIPS if is_full_run else FLIPS):
        wreck.restore()
        size = wreck.path(LOG).stat().st_size
        flip(wreck.path(LOG), random.Random(f"{part} {number}").randrange(8 * begin, 8 * (end % size)))
        assert "damage" in wreck.finish()
        assert wreck.fetched_twice == 0


@pytest.mark.parametrize("left", [0.0, 0.01, 0.5, 0.999])
def test_a_log_of_the_state_file_that_is_cut_short_is_told_and_costs_nothing(wreck: Wreck, left: float) -> None:
    wreck.restore()
    os.truncate(wreck.path(LOG), int(left * wreck.path(LOG).stat().st_size))
    assert "damage" in wreck.finish()
    assert wreck.fetched_twice == 0


def test_the_index_of_the_log_is_made_anew_when_it_is_gone(wreck: Wreck) -> None:
    wreck.restore()
    wreck.path("state.sqlite3-shm").unlink()
    assert "damage" not in wreck.finish()
    assert wreck.fetched_twice == 0


@pytest.mark.parametrize("name", OTHERS)
def test_a_flipped_bit_anywhere_else_is_told_or_costs_nothing(wreck: Wreck, is_full_run: bool, name: str) -> None:
    for number in range(FULL_FLIPS if is_full_run else FLIPS):
        wreck.restore()
        turn_bit(wreck, name, random.Random(f"{name} {number}"))
        said = wreck.finish()
        assert "damage" in said or wreck.fetched_twice == 0
