"""A start on a filesystem without a free byte: rows are there, commits are refused with advice, and go on with room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.mounts import tmpfs
from tests.support.source import ROOT

SCRIPT = """
import sys
from pathlib import Path
from blobtorrent.model.errors import DiskFull
from blobtorrent.storage.state.library import Library
from blobtorrent.storage.state.statethread import KINDS, PROGRESS, Row
from blobtorrent.storage.state.statedir import StateDir
from tests.support.statedirs import SavedState, read_rows

folder, is_clean = Path(sys.argv[1]), sys.argv[2] == "clean"
saved = SavedState(folder / "state", is_clean=is_clean, num_torrents=3)
ballast = open(folder / "ballast", "wb", buffering=0)
for size in (65536, 4096, 1):
    try:
        while True:
            ballast.write(bytes(size))
    except OSError:
        pass
state_dir = StateDir(folder / "state")
assert (state_dir.was_clean, state_dir.damages) == (is_clean, [])
assert read_rows(state_dir, KINDS) == saved.latest
loaded = Library(state_dir, lambda damage: sys.exit(str(damage))).load(saved.torrents[0])
assert loaded.error is None and len(loaded.stamps) == 100
large = Row(PROGRESS, b"key", bytes(300000))
try:
    state_dir.state.commit([large])
except DiskFull as error:
    print(error.code)
ballast.truncate(0)
state_dir.state.commit([large])
state_dir.mark_clean()
state_dir.close()
state_dir = StateDir(folder / "state")
assert (state_dir.was_clean, state_dir.damages) == (True, [])
assert read_rows(state_dir, KINDS) == {**saved.latest, (PROGRESS, b"key"): large.body}
"""


@pytest.mark.parametrize("ending", ["clean", "killed"])
def test_a_start_on_a_full_disk_finds_all_rows_and_goes_on_when_there_is_room(tmp_path: Path, ending: str) -> None:
    ran = subprocess.run([*tmpfs(tmp_path, 4), sys.executable, "-c", SCRIPT, str(tmp_path), ending], cwd=ROOT,
                         env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.returncode) == ("storage.disk-full\n", 0), ran.stderr
