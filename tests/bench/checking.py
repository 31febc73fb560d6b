"""The row about checking what lies on disk, against bare hashlib on as many threads over the same pages."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.contestants import OURS
from tests.bench.ground import Ground, note
from tests.bench.recheck import bare_hashlib, check, make_torrent
from tests.bench.results import Better, Measure
from tests.support.payload import MIB

SIZES_OF_CONTENT = 4                   # long enough to tell 0.97 from 1.0 on a noisy machine
BARE = "hashlib"


def recheck(ground: Ground) -> list[Measure]:
    speed = Measure("recheck", "MB/s", Better.HIGHER, 0.9, 0.97, against=BARE)
    cost = Measure("recheck", "CPU s/GiB", Better.LOWER, against=BARE)
    threads = min(4, os.cpu_count() or 1)
    with TemporaryDirectory(dir=ground.content) as name:
        folder = Path(name)
        metainfo = make_torrent(folder, SIZES_OF_CONTENT * ground.size, MIB)
        os.sync()
        for number in range(ground.runs):
            sides = [(OURS, check), (BARE, bare_hashlib)]
            for name, measured in sides if number % 2 else reversed(sides):
                rate, cpu = measured(folder, metainfo, threads)
                speed.add(name, rate)
                cost.add(name, cpu)
                note(f"recheck: run {number + 1}: {name} {rate:.0f} MB/s")
    return [speed, cost]
