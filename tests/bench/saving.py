"""The row about what is saved: how long a start reads rows of 10,000 torrents, and a commit of 1,000 of them takes."""

from __future__ import annotations

import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import PEERS, PROGRESS, STAMPS, TORRENT, Row
from tests.bench.contestants import OURS
from tests.bench.ground import Ground, note
from tests.bench.results import Better, Measure

NUM_TORRENTS = 10_000
NUM_CHANGED = 1_000
BODY_BYTES = {TORRENT: 1000, PROGRESS: 400, STAMPS: 300, PEERS: 2000}


def save(ground: Ground) -> list[Measure]:
    loading = Measure("state", "s to load 10,000 torrents", Better.LOWER, 0.5, 0.25)
    committing = Measure("state", "s to commit 1,000 rows", Better.LOWER, 0.05, 0.03)
    keeping = Measure("state", "s to keep the previous generation", Better.LOWER)
    rng = random.Random(1)
    keys = [rng.randbytes(20) for _ in range(NUM_TORRENTS)]
    with TemporaryDirectory(dir=ground.content) as name:
        state_dir = StateDir(Path(name) / "state")
        state_dir.state.commit(
            [Row(kind, key, rng.randbytes(size)) for key in keys for kind, size in BODY_BYTES.items()])
        state_dir.close()
        for number in range(ground.runs):
            state_dir = StateDir(Path(name) / "state")
            started_s = time.monotonic()
            loaded = state_dir.state.load((TORRENT, PROGRESS))
            loading.add(OURS, time.monotonic() - started_s)
            assert (len(loaded.rows), loaded.damaged) == (2 * NUM_TORRENTS, [])
            changed = [Row(PROGRESS, key, rng.randbytes(400)) for key in rng.sample(keys, NUM_CHANGED)]
            started_s = time.monotonic()
            state_dir.state.commit(changed)
            committing.add(OURS, time.monotonic() - started_s)
            started_s = time.monotonic()
            state_dir.state.keep_previous()
            keeping.add(OURS, time.monotonic() - started_s)
            state_dir.close()
            note(f"state: run {number + 1}: {loading.runs[OURS][-1]:.3f} s, {committing.runs[OURS][-1]:.3f} s")
    return [loading, committing, keeping]
