"""A process that saves rows is killed at random moments: what was answered is there, and nothing looks damaged."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import PROGRESS, TORRENT
from tests.support.source import ROOT

ROWS = 200

SCRIPT = f"""
import sys
from pathlib import Path
from blobtorrent.storage.state.statethread import PROGRESS, TORRENT, Row
from blobtorrent.storage.state.statedir import StateDir

state_dir = StateDir(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 1 << 30):
    body = b"%d" % number
    rows = [Row(PROGRESS, b"%d" % key, body.rjust(300)) for key in range({ROWS})]
    state_dir.state.commit([*rows, Row(TORRENT, b"last", body)])
    print(number, flush=True)
    state_dir.state.fold()
    if number % 5 == 0:
        state_dir.state.keep_previous()
"""


@pytest.mark.parametrize("seed", range(6))
def test_what_was_answered_before_a_kill_is_there_after_it(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    answered = -1
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path / "state"), str(answered + 1)],
                                   cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(rng.randrange(2, 12))]
        time.sleep(rng.random() * 0.02)
        process.kill()
        lines += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        before, answered = answered, int([line for line in lines if line.endswith("\n")][-1])
        assert answered > before
        state_dir = StateDir(tmp_path / "state")
        loaded = state_dir.state.load((TORRENT, PROGRESS))
        state_dir.close()
        assert (state_dir.damages, loaded.damaged, state_dir.was_clean) == ([], [], False)
        (last,) = [int(row.body) for row in loaded.rows if row.kind == TORRENT]
        assert last in (answered, answered + 1)
        assert {int(row.body) for row in loaded.rows if row.kind == PROGRESS} == {last}
        answered = last
