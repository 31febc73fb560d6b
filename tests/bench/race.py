"""Whole swarms race: eight leeches of one program and one slow seed, until the last of them has everything.

    python -m tests.bench.race [--contestants NAME,...] [--size MIB] [--rate MIB/S] [--leeches N] [--runs N]

Each run is a swarm of its own, of one program after the other: the leeches are linked with each other before a
libtorrent seed that is limited to `rate` dials them all, which is when the clock starts. What the seed sends twice, the
last one waits for. Prints when the first, the mean and the last leech were complete, how many copies the seed sent,
and the medians. The exit status is 1 when the last of ours takes more than 1.05 times as long as libtorrent's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.bench.contestants import CONTESTANTS, OURS, Contestant, present
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.client import Client, Job, Role
from tests.support.peers.metered import Blank, MeteredPeer

AGAINST = "libtorrent"
MOST_RATIO = 1.05
PIECE_BYTES = 256 * KIB
LINKING_S = 3.0                        # to greet each other: nobody has anything to give yet
TIMEOUT_S = 600.0


def main(words: Sequence[str] | None = None) -> int:
    options = _options(words)
    contestants = [one for one, _ in present(options.contestants).values()]
    last_s: dict[str, list[float]] = {one.name: [] for one in contestants}
    with tempfile.TemporaryDirectory(prefix="race-", dir="/var/tmp") as work:
        sample = make_sample(Path(work), "race.bin", options.size * MIB, PIECE_BYTES)
        print(f"{options.size} MiB, {options.leeches} leeches, a seed of {options.rate:g} MiB/s: one copy takes it "
              f"{options.size / options.rate:.1f} s; load {os.getloadavg()[0]:.1f}")
        for number in range(options.runs):
            turn = number % len(contestants)
            for contestant in contestants[turn:] + contestants[:turn]:
                last_s[contestant.name].append(
                    _race(contestant, sample, options.leeches, int(options.rate * MIB), number))
    medians = {name: statistics.median(values) for name, values in last_s.items()}
    print(", ".join(f"{name} {median:.2f} s" for name, median in medians.items()))
    if not {OURS, AGAINST} <= medians.keys():
        return 0
    ratio = medians[OURS] / medians[AGAINST]
    print(f"{ratio:.3f} of {AGAINST}'s, of at most {MOST_RATIO:g}")
    return int(ratio > MOST_RATIO)


def _race(contestant: Contestant, sample: Sample, leeches: int, bytes_per_s: int, number: int) -> float:
    """Seconds until the last one is complete."""
    with tempfile.TemporaryDirectory(prefix="race-", dir="/dev/shm") as landing, ExitStack() as stack:
        served = Blank(sample.torrent, sample.folder, sample.info_hash)
        seed = stack.enter_context(MeteredPeer(served, sample.folder, is_seed=True))
        seed.limit(bytes_per_s)
        members = _linked(contestant, sample, Path(landing), leeches, stack)
        began_at_s, load = time.monotonic(), os.getloadavg()[0]
        for member in members:
            seed.fetch_from(member.endpoint)
        took_s = sorted(_completed_at(member) - began_at_s for member in members)
        copies = seed.moved_bytes / sample.size_bytes
        wrong = [member.job.folder.name for member in members if sample.differences(member.job.folder)]
        if wrong:
            raise RuntimeError(f"{contestant.name}: copies differ: {wrong}")
        cpu_s = sum(member.transfer.cpu_s for member in members)
        print(f"run {number + 1}: {contestant.name}: first {took_s[0]:.2f} s, mean {statistics.mean(took_s):.2f} s, "
              f"last {took_s[-1]:.2f} s, {copies:.3f} copies sent by the seed, {cpu_s:.1f} CPU s, load {load:.1f}",
              flush=True)
        return took_s[-1]


def _linked(contestant: Contestant, sample: Sample, landing: Path, leeches: int, stack: ExitStack) -> list[Client]:
    """Leeches that know each other, and nobody who has anything: each dials those before it."""
    members: list[Client] = []
    for number in range(leeches):
        folder = landing / str(number)
        folder.mkdir()
        job = Job(Role.LEECH, sample.torrent, folder, sample.info_hash,
                  peers=tuple(member.endpoint for member in members), address=f"127.0.1.{number + 1}")
        members.append(stack.enter_context(contestant.client(job)))
    time.sleep(LINKING_S)
    return members


def _completed_at(member: Client) -> float:
    transfer = member.wait_complete(TIMEOUT_S)
    return member.began_at_s + transfer.wall_s


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.race", description=__doc__.split("\n")[0])
    parser.add_argument("--contestants", type=lambda text: text.split(","), default=[OURS, AGAINST], metavar="NAME,...",
                        help=f"{', '.join(CONTESTANTS)} (default {OURS},{AGAINST})")
    parser.add_argument("--size", type=int, default=64, metavar="MIB")
    parser.add_argument("--rate", type=float, default=4.0, metavar="MIB/S", help="of the seed (default 4)")
    parser.add_argument("--leeches", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
