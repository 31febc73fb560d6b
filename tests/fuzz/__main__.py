"""python -m tests.fuzz: long runs of the fuzz targets, and a table of cases, finds, the slowest case and peak memory.

    python -m tests.fuzz --seconds 600                     every target for ten minutes
    python -m tests.fuzz --seconds 60 --rounds 10 --jobs 2 the same, but all get a minute before one gets the next
    python -m tests.fuzz --cases 1000000 rest.http         until it has had so many, however long that takes
    python -m tests.fuzz --release                         all that a release is to have had: ten million cases of each
                                                           reader of bencoding and of the wire, a million of all others
    python -m tests.fuzz --engine atheris wire.decoder     guided by coverage; needs `pip install atheris`
    python -m tests.fuzz --replay FILE wire.decoder        one case, with the traceback of what is wrong

A find is made as short as possible and written to tests/fuzz/corpus/TARGET/; the suite runs it from then on. Exits with
1 when there was one. What ended in new ways is kept below --pool and used by the next run.

Long runs may be broken off and gone on with: `--counted FILE` keeps how many cases each target has had.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.fuzz import registry
from tests.fuzz.cases import keep, run_case, watched
from tests.fuzz.worker import read_last

ROOT = Path(__file__).parents[2]
SPARE_S = 120.0                        # for a worker to start, to make finds shorter, and to end
RELEASE_CASES, RELEASE_CASES_OF_MOST = 10_000_000, 1_000_000
HARDEST = ("bencode.", "wire.")        # what everybody can send us, before we know anything of him


class Row:
    """What came of one target, in all rounds."""

    def __init__(self) -> None:
        self.cases = 0
        self.seconds = 0.0
        self.cpu_s = 0.0               # of these: jobs that are more than the machine has cores share them
        self.finds: dict[str, str] = {}
        self.slowest_s = 0.0
        self.peak_mib = 0

    def add(self, said: dict[str, Any], seconds: float) -> None:
        self.cases += said.get("cases", 0)
        self.seconds += seconds
        self.cpu_s += said.get("cpu_s", 0.0)
        self.finds.update(said.get("finds", {}))
        self.slowest_s = max(self.slowest_s, said.get("slowest_s", 0.0))
        self.peak_mib = max(self.peak_mib, said.get("peak_mib", 0))


def fuzz(name: str, options: argparse.Namespace, number: int, cases: int = 0) -> tuple[dict[str, Any], float]:
    """One round of one target, of `cases` at most: what its worker said last, and how long it took."""
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        last = Path(folder) / "last"
        command = [
            sys.executable, "-m", "tests.fuzz.worker", name, "--engine", options.engine,
            "--seconds", str(options.seconds), "--cases", str(cases), "--seed", f"{options.seed}-{number}",
            "--pool", str(options.pool / options.engine / name), "--last", str(last),
        ]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True,
                              stderr=None if options.engine == "own" else subprocess.DEVNULL,
                              env={**os.environ, "BLOBTORRENT_DEBUG": "1"}) as worker:
            try:
                output, _ = worker.communicate(timeout=options.seconds + SPARE_S)
                died = f"ended with {worker.returncode}" if worker.returncode else ""
            except subprocess.TimeoutExpired:
                worker.kill()
                output, _ = worker.communicate()
                died = "did not end"
        said: dict[str, Any] = {}
        for line in output.splitlines():
            if line.startswith("{"):
                said = json.loads(line)
        if died and last.is_file():
            path = keep(registry.load(name), read_last(last), died)
            said.setdefault("finds", {})[f"the process {died}"] = path.name
        elif died:
            said.setdefault("finds", {})[f"the process {died}, before its first case"] = ""
    return said, time.monotonic() - begun_s


class Goals:
    """How many cases each target is to have, and has had, in all runs that keep the same file."""

    def __init__(self, names: Sequence[str], options: argparse.Namespace) -> None:
        self._file: Path | None = options.counted
        self._had: dict[str, int] = {}
        if self._file is not None and self._file.is_file():
            self._had = json.loads(self._file.read_text(encoding="utf-8"))
        self._wanted = {
            name: options.cases or (RELEASE_CASES if name.startswith(HARDEST) else RELEASE_CASES_OF_MOST)
            for name in names}

    def missing(self, name: str) -> int:
        return max(0, self._wanted[name] - self._had.get(name, 0))

    def add(self, name: str, cases: int) -> None:
        self._had[name] = self._had.get(name, 0) + cases
        if self._file is not None:
            self._file.write_text(json.dumps(self._had, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def rounds(names: Sequence[str], options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any], float]]:
    """What came of each round, with its target: as many as were asked for, or until all have had their cases."""
    with ThreadPoolExecutor(options.jobs) as pool:
        if not (options.cases or options.release):
            tasks = [(name, number) for number in range(options.rounds) for name in names]
            yield from pool.map(lambda task: (task[0], *fuzz(task[0], options, task[1])), tasks)
            return
        goals = Goals(names, options)
        left, number = [name for name in names if goals.missing(name)], 0
        while left:
            results = pool.map(lambda name, at=number: (name, *fuzz(name, options, at, goals.missing(name))), left)
            for name, said, seconds in results:
                goals.add(name, said.get("cases", 0))
                yield name, said, seconds
                if not said.get("cases") or not goals.missing(name):       # of a target that dies at once no more
                    left = [one for one in left if one != name]
            number += 1


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    if options.replay is not None:
        return _replay(options)
    if options.engine == "atheris" and importlib.util.find_spec("atheris") is None:
        print("atheris is not there: `pip install atheris`, or use --engine own", file=sys.stderr)
        return 2
    names = options.targets or [target.name for target in registry.load_all()]
    table = {name: Row() for name in names}
    for name, said, seconds in rounds(names, options):
        table[name].add(said, seconds)
        print(f"{name}: {said.get('cases', 0)} cases, {len(said.get('finds', {}))} finds", file=sys.stderr, flush=True)
        if options.table is not None:
            options.table.write_text("\n".join(_table(table)) + "\n", encoding="utf-8")
    print("\n".join(_table(table)))
    return 1 if any(row.finds for row in table.values()) else 0


def _table(rows: dict[str, Row]) -> Iterator[str]:
    yield f"{'target':28} {'seconds':>8} {'CPU s':>8} {'cases':>10} {'finds':>6} {'slowest ms':>11} {'peak MiB':>9}"
    for name, row in rows.items():
        yield (f"{name:28} {row.seconds:8.0f} {row.cpu_s:8.0f} {row.cases:10} {len(row.finds):6}"
               f" {row.slowest_s * 1000:11.1f} {row.peak_mib:9}")
    cases, seconds = sum(row.cases for row in rows.values()), sum(row.seconds for row in rows.values())
    cpu_s = sum(row.cpu_s for row in rows.values())
    yield f"{'all':28} {seconds:8.0f} {cpu_s:8.0f} {cases:10} {sum(len(row.finds) for row in rows.values()):6}"
    for name, row in rows.items():
        for find, file in row.finds.items():
            yield f"{name}: {find}: {file}"


def _replay(options: argparse.Namespace) -> int:
    data = options.replay.read_bytes()
    with watched():
        outcomes = [run_case(registry.load(name), data) for name in options.targets]
    for outcome in outcomes:
        print(f"{outcome.word}, {outcome.cpu_s:.3f} s\n{outcome.trace}")
    return 1 if any(outcome.find for outcome in outcomes) else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, unless some are named")
    parser.add_argument("--seconds", type=float, default=600.0, help="of each target in each round (default 600)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--cases", type=int, default=0, metavar="N",
                        help="rounds until each target has had so many cases")
    parser.add_argument("--release", action="store_true",
                        help="the same, with as many as a release is to have had")
    parser.add_argument("--counted", type=Path, metavar="FILE", help="what --cases and --release count on from")
    parser.add_argument("--jobs", type=int, default=1, help="targets that run at the same time")
    parser.add_argument("--engine", choices=("own", "atheris"), default="own")
    parser.add_argument("--seed", default=str(int(time.time())), help="what the cases follow from (default: the time)")
    parser.add_argument("--pool", type=Path, default=ROOT / ".fuzz")
    parser.add_argument("--table", type=Path, help="file for the table, written anew after each step")
    parser.add_argument("--replay", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
