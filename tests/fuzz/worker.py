"""One target, fuzzed for some time in a process of its own: `python -m tests.fuzz.worker NAME ...`, see `__main__`.

A line of JSON on standard output tells every few seconds how far it is. The case in hand stands in a file that is
mapped into memory, so that it is known even when the process dies of it.

With the engine "own" the mutator makes the cases and bends further what ended in a new way. With "atheris" libFuzzer
does, by what it covers of the package, and half of the bends are the mutator's.
"""

from __future__ import annotations

import argparse
import json
import mmap
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.fuzz import registry
from tests.fuzz.cases import keep, minimised, run_case, watched
from tests.fuzz.mutator import Mutator
from tests.fuzz.registry import Target

ADDRESS_SPACE_BYTES = 1 << 30          # of one process, more than it has at its start
REPORT_S = 2.0
MAX_POOL = 1000                        # of what earlier runs found to be new
LAST_BYTES = 4 << 20


class Tally:
    """What is reported, and what of the cases is kept."""

    def __init__(self, target: Target, pool: Path, last: Path, wanted: int = 0) -> None:
        self.target = target
        self._wanted = wanted                      # cases, or 0 for as many as there is time for
        self.cases = 0
        self.slowest_s = 0.0
        self.finds: dict[str, str] = {}            # what is wrong -> the file it was written to
        self.words: set[str] = set()
        self._pool = pool
        self._next_s = 0.0
        self._last = _mapped(last)

    def take(self, data: bytes) -> bool:
        """Run a case. Whether it ended in a new way, and well."""
        self._last.seek(0)
        self._last.write(len(data).to_bytes(8, "big") + data[:LAST_BYTES - 8])
        outcome = run_case(self.target, data)
        self.cases += 1
        self.slowest_s = max(self.slowest_s, outcome.cpu_s)
        if outcome.find and outcome.find not in self.finds:
            self.finds[outcome.find] = ""
            self.report()
            path = keep(self.target, minimised(self.target, data, outcome.find), outcome.find)
            self.finds[outcome.find] = path.name
            print(f"{self.target.name}: {outcome.find}: {path}\n{outcome.trace}", file=sys.stderr, flush=True)
        is_new = outcome.word not in self.words
        self.words.add(outcome.word)
        now_s = time.monotonic()
        if now_s >= self._next_s or self.is_done:
            self._next_s = now_s + REPORT_S
            self.report()
        return is_new and not outcome.find

    @property
    def is_done(self) -> bool:
        return 0 < self._wanted <= self.cases

    def report(self) -> None:
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({
            "target": self.target.name, "cases": self.cases, "finds": self.finds,
            "cpu_s": round(time.process_time(), 1), "slowest_s": round(self.slowest_s, 4), "peak_mib": peak_kib >> 10,
            "words": len(self.words),
        }), flush=True)

    def keep(self, data: bytes) -> None:
        """For runs to come."""
        if len(self.words) < MAX_POOL:
            keep(self.target, data, "new", self._pool)


def read_last(path: Path) -> bytes:
    """The case that a process died of."""
    written = path.read_bytes()
    return written[8:8 + int.from_bytes(written[:8], "big")]


def run_own(tally: Tally, seeds: Sequence[bytes], seed: str, seconds: float) -> None:
    target = tally.target
    mutator = Mutator(Random(seed), seeds, tokens=target.tokens, shape=target.shape, max_bytes=target.max_bytes)
    until_s = time.monotonic() + seconds
    with watched():
        for data in seeds:
            tally.take(data)
        while time.monotonic() < until_s and not tally.is_done:
            data = mutator.make()
            if tally.take(data):
                mutator.keep(data)
                tally.keep(data)
    tally.report()


def run_atheris(tally: Tally, seeds: Sequence[bytes], seed: str, seconds: float, pool: Path, cases: int) -> None:
    import atheris

    target = tally.target
    rng = Random(seed)
    mutator = Mutator(rng, seeds, tokens=target.tokens, shape=target.shape, max_bytes=target.max_bytes)

    def bend(data: bytes, max_bytes: int, number: int) -> bytes:
        rng.seed(number)
        bent = mutator.bend(data) if number % 2 else atheris.Mutate(data, len(data))
        return bytes(bent[:max_bytes])

    for data in seeds:
        keep(target, data, "seed", pool)
    with watched():
        atheris.Setup(
            ["fuzz", str(pool), f"-max_total_time={max(1, round(seconds))}", f"-max_len={target.max_bytes}",
             "-timeout=60", "-rss_limit_mb=0", f"-seed={rng.getrandbits(31)}", "-verbosity=0", "-print_final_stats=0",
             f"-runs={cases or -1}"],
            lambda data: (tally.take(data), None)[1], custom_mutator=bend)
        atheris.Fuzz()                 # ends the process


def _mapped(path: Path) -> mmap.mmap:
    with path.open("w+b") as file:
        file.truncate(LAST_BYTES)
        return mmap.mmap(file.fileno(), LAST_BYTES)


def _load(name: str, engine: str) -> Target:
    if engine == "own":
        return registry.load(name)
    import atheris

    with atheris.instrument_imports(include=["blobtorrent"], enable_loader_override=False):
        return registry.load(name)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.worker", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--engine", choices=("own", "atheris"), required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--cases", type=int, default=0, help="end before the time is over, when there were as many")
    parser.add_argument("--seed", required=True)
    parser.add_argument("--pool", type=Path, required=True, help="folder of what earlier runs found to be new")
    parser.add_argument("--last", type=Path, required=True, help="file for the case in hand")
    options = parser.parse_args(arguments)
    target = _load(options.name, options.engine)
    options.pool.mkdir(parents=True, exist_ok=True)
    known = [path.read_bytes() for path in sorted(options.pool.glob("new-*.bin"))]
    seeds = [*target.seeds(), *target.found_before()]
    tally = Tally(target, options.pool, options.last, options.cases)
    _limit_memory()
    if options.engine == "own":
        run_own(tally, seeds + known[:MAX_POOL], options.seed, options.seconds)
    else:
        run_atheris(tally, seeds, options.seed, options.seconds, options.pool, options.cases)


def _limit_memory() -> None:
    """What asks for far too much gets a MemoryError, and the machine stays well."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + ADDRESS_SPACE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main(sys.argv[1:])
