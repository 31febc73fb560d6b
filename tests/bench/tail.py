"""The end of a download with peers of every kind: what a dead one and a slow one cost, beside fast ones.

    python -m tests.bench.tail [--size MIB] [--rate MIB/S] [--runs N]

Three libtorrent seeds that are limited to `rate` each serve `size` to `blobtorrent get`; once alone, and once beside a
seed that unchokes and never sends a block and one that sends 20 KiB/s. Prints both times, what came twice, and the
difference, of which more than 1.5 s is too much: then the exit status is 1.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.metered import Blank, MeteredPeer
from tests.support.peers.mini import SilentSeed

FAST_SEEDS = 3
SLOW_BYTES_PER_S = 20 * KIB
MOST_LATER_S = 1.5
TIMEOUT_S = 600.0


def main(words: Sequence[str] | None = None) -> int:
    options = _options(words)
    with tempfile.TemporaryDirectory(prefix="tail-", dir="/var/tmp") as work:
        sample = make_sample(Path(work), "tail.bin", options.size * MIB, MIB)
        alone, beside = [], []
        for number in range(options.runs):
            alone.append(_download(sample, Path(work) / f"alone-{number}", options.rate * MIB, in_company=False))
            beside.append(_download(sample, Path(work) / f"beside-{number}", options.rate * MIB, in_company=True))
            print(f"run {number + 1}: {alone[-1]:.2f} s from the fast ones alone, {beside[-1]:.2f} s in company")
    later_s = statistics.median(beside) - statistics.median(alone)
    print(f"later by {later_s:.2f} s, of at most {MOST_LATER_S:g} s")
    return int(later_s > MOST_LATER_S)


def _download(sample: Sample, folder: Path, bytes_per_s: int, *, in_company: bool) -> float:
    """Seconds from the first peer dialled to the last piece verified."""
    folder.mkdir()
    served = Blank(sample.torrent, sample.folder, sample.info_hash)
    with ExitStack() as stack:
        seeds = [stack.enter_context(MeteredPeer(served, sample.folder, is_seed=True)) for _ in range(FAST_SEEDS)]
        for seed in seeds:
            seed.limit(bytes_per_s)
        peers = [seed.endpoint for seed in seeds]
        if in_company:
            slow = stack.enter_context(MeteredPeer(served, sample.folder, is_seed=True))
            slow.limit(SLOW_BYTES_PER_S)
            peers += [slow.endpoint, stack.enter_context(SilentSeed(sample)).endpoint]
        job = Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers=tuple(peers))
        leech = stack.enter_context(BlobTorrentGet(job))
        transfer = leech.wait_complete(TIMEOUT_S)
        if sample.differences(folder):
            raise RuntimeError("the copy differs")
        return transfer.wall_s


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tail", description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=200, metavar="MIB")
    parser.add_argument("--rate", type=int, default=8, metavar="MIB/S", help="of each fast seed (default 8)")
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
