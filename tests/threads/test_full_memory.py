"""A live file on a tmpfs that is full, in a mount namespace of the test's own."""

import subprocess
import sys

from tests.support.mounts import tmpfs
from tests.support.source import ROOT

PREAMBLE = """
import os, sys
from pathlib import Path
from blobtorrent.model.errors import DiskFull
from tests.support.livefiles import ONE, make_live, put_block, recover
place = Path(sys.argv[1]) / "live"
"""


def on_small_tmpfs(folder, kibibytes, script):
    """Run a script that finds a tmpfs of this size at `folder`; its output."""
    done = subprocess.run([*tmpfs(folder, kibibytes / 1024), sys.executable, "-c", PREAMBLE + script, str(folder)],
                          cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_where_there_is_no_room_there_is_no_live_file_and_nothing_is_left(tmp_path):
    script = """
try:
    make_live(place, num_slots=100)
except DiskFull as error:
    print(error.code, os.listdir(place.parent))
"""
    assert on_small_tmpfs(tmp_path, 1024, script) == ["storage.disk-full", "[]"]


def test_its_memory_is_ours_when_others_fill_the_rest(tmp_path):
    script = """
live = make_live(place, num_slots=16)
try:
    with open(place.with_name("other"), "wb", buffering=0) as other:
        while True:
            assert other.write(bytes(4096)) == 4096
except (OSError, AssertionError):
    print("full")
for slot in range(16):
    put_block(live, ONE, 0, slot, slot)
place.with_name("other").unlink()
print(len(recover(place).torrents[ONE.v1].blocks[0]))
"""
    assert on_small_tmpfs(tmp_path, 512, script) == ["full", "16"]
