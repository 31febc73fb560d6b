"""python -m tests.fuzz: long runs of the fuzz targets, and a table of cases, finds, the slowest case and peak memory.

    python -m tests.fuzz --seconds 600                     every target for ten minutes
    python -m tests.fuzz --seconds 60 --rounds 10 --jobs 2 the same, but all get a minute before one gets the next
    python -m tests.fuzz --engine atheris wire.decoder     guided by coverage; needs `pip install atheris`
    python -m tests.fuzz --replay FILE wire.decoder        one case, with the traceback of what is wrong

A find is made as short as possible and written to tests/fuzz/corpus/TARGET/; the suite runs it from then on. Exits with
1 when there was one. What ended in new ways is kept below --pool and used by the next run.
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


def fuzz(name: str, options: argparse.Namespace, number: int) -> tuple[dict[str, Any], float]:
    """One round of one target: what its worker said last, and how long it took."""
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        last = Path(folder) / "last"
        command = [
            sys.executable, "-m", "tests.fuzz.worker", name, "--engine", options.engine,
            "--seconds", str(options.seconds), "--seed", f"{options.seed}-{number}",
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


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    if options.replay is not None:
        return _replay(options)
    if options.engine == "atheris" and importlib.util.find_spec("atheris") is None:
        print("atheris is not there: `pip install atheris`, or use --engine own", file=sys.stderr)
        return 2
    names = options.targets or [target.name for target in registry.load_all()]
    rows = {name: Row() for name in names}
    tasks = [(name, number) for number in range(options.rounds) for name in names]
    with ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda task: (task[0], fuzz(task[0], options, task[1])), tasks)
        for done, (name, (said, seconds)) in enumerate(results, 1):
            rows[name].add(said, seconds)
            print(f"[{done}/{len(tasks)}] {name}: {said.get('cases', 0)} cases, {len(said.get('finds', {}))} finds",
                  file=sys.stderr, flush=True)
            if options.table is not None:
                options.table.write_text("\n".join(_table(rows)) + "\n", encoding="utf-8")
    print("\n".join(_table(rows)))
    return 1 if any(row.finds for row in rows.values()) else 0


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
    parser.add_argument("--jobs", type=int, default=1, help="targets that run at the same time")
    parser.add_argument("--engine", choices=("own", "atheris"), default="own")
    parser.add_argument("--seed", default=str(int(time.time())), help="what the cases follow from (default: the time)")
    parser.add_argument("--pool", type=Path, default=ROOT / ".fuzz")
    parser.add_argument("--table", type=Path, help="file for the table, written anew after each step")
    parser.add_argument("--replay", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
