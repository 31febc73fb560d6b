"""python -m tests.bench.powercut: a download on a disk whose power is cut at random moments, and what a cut costs."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.crashes import memory_folder
from tests.support.payload import KIB, MIB, make_sample
from tests.support.powercuts import run_cuts

RATE = 12 * MIB
WINDOW_S = 5.0                         # between two commits


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.powercut", description=__doc__)
    parser.add_argument("--full", action="store_true", help="200 cuts instead of 10")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)
    cuts = 200 if options.full else 10
    with tempfile.TemporaryDirectory(prefix="powercut-") as name, memory_folder() as memory:
        sample = make_sample(Path(name), "sample.bin", cuts * 40 * MIB, 256 * KIB)
        try:
            made = run_cuts(Path(name), memory, sample, cuts=cuts, bytes_per_s=RATE, longest_s=9.0, seed=options.seed)
        except PermissionError as error:
            print(f"not here: {error}", file=sys.stderr)
            return 0
    print("cut after    had  claimed  falsely    found   lost")
    for cut in made:
        lost = cut.had_bytes - cut.found_bytes
        print(f"{cut.after_s:7.2f} s {cut.had_bytes / MIB:6.1f} {cut.claimed_bytes / MIB:8.1f} {cut.false_pieces:8} "
              f"{cut.found_bytes / MIB:8.1f} {lost / MIB:6.1f} MiB, {lost / RATE:.1f} s")
    worst_s = max(cut.had_bytes - cut.found_bytes for cut in made) / RATE
    print(f"worst loss {worst_s:.1f} s of traffic")
    return 1 if worst_s > WINDOW_S or any(cut.false_pieces for cut in made) else 0


if __name__ == "__main__":
    sys.exit(main())
