"""python -m tests.simulation: whole swarms in virtual time, ways to choose pieces beside each other, as a table.

With --full every scenario is run by all policies, and what has to be shown is judged. Without, a few are. Results go to
a directory as JSON, with a chart of each scenario. Each run is kept there as well, under a digest of the code that it
is of: who is interrupted, or has --for so many seconds only, goes on later where it stopped. The full set is about 700
runs and 100 CPU minutes; what is judged comes first, one seed after another.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from math import inf
from pathlib import Path
from statistics import median

from tests.simulation.swarmlab.lab import Lab
from tests.simulation.swarmlab.metrics import Result
from tests.simulation.swarmlab.policies import POLICIES
from tests.simulation.swarmlab.scenarios import SCENARIOS
from tests.simulation.swarmlab.svg import chart
from tests.simulation.swarmlab.verdicts import (
    OURS,
    PATHS,
    QUITS,
    RAREST,
    RESCUES,
    STRANDS,
    SWARMS,
    WATCHED,
    WINDOW,
    judge,
)

SHORT = ("flash", "watch-20", "tail", "hostile", *PATHS)
COMPARED = (OURS, "rarest", RAREST, "plain-random", "plain-sequential", WINDOW)
FULL_SEEDS, HOSTILE_SEEDS, SHORT_SEEDS = 8, 20, 2
COLUMNS = (
    "last", "mean", "p90", "stranded", "least copies", "entropy", "start", "stalled", "stalled later",
    "mean of others", "tail", "wasted", "rejected", "open files", "write runs", "fairness", "spread at",
    "seed copies", "outstanding", "wait", "late wait", "link use")

Task = tuple[str, str, int]            # scenario, policy, seed
Runs = dict[str, dict[str, list[Result]]]
ROOT = Path(__file__).parents[2]


def run(task: Task) -> tuple[Result, float]:
    """One run, and the CPU seconds that it took."""
    scenario, policy, seed = task
    began = time.process_time()
    result = Lab(SCENARIOS[scenario], policy, seed).run()
    return result, time.process_time() - began


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    tasks = list(_tasks(options))
    kept = options.out / "runs" / _digest_of_code()
    kept.mkdir(parents=True, exist_ok=True)
    found = {task: result for task in tasks if (result := _kept(kept, task)) is not None}
    _run_all([task for task in sorted(tasks, key=_turn) if task not in found], found, kept, options)
    runs: Runs = {}
    for task in tasks:                 # not in the order in which they ended
        if task in found:
            runs.setdefault(task[0], {}).setdefault(task[1], []).append(found[task])
    if len(found) < len(tasks):
        print(f"{len(found)} of {len(tasks)} runs so far")
    for line in _table(runs):
        print(line)
    verdicts = list(judge(runs))
    print("\n" + "\n".join(map(str, verdicts)))
    _write(options.out, runs, [str(verdict) for verdict in verdicts])
    return 0 if len(found) == len(tasks) and all(verdict.is_met for verdict in verdicts) else 1


def _run_all(tasks: Sequence[Task], found: dict[Task, Result], kept: Path, options: argparse.Namespace) -> None:
    """Run these as far as there is time; what comes out is added to `found` and kept."""
    ends_at = time.monotonic() + options.seconds if options.seconds else inf
    with ProcessPoolExecutor(options.jobs) as pool:
        left, pending = list(reversed(tasks)), dict[Future[tuple[Result, float]], Task]()
        while left or pending:
            while left and len(pending) < options.jobs and time.monotonic() < ends_at:
                task = left.pop()
                pending[pool.submit(run, task)] = task
            if not pending:
                break                  # it is time
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                task = pending.pop(future)
                found[task], cpu_s = future.result()
                _keep(kept, task, found[task])
                print(f"[{len(left) + len(pending)} left] {task[0]} {task[1]} seed {task[2]}: {cpu_s:.1f} CPU s",
                      file=sys.stderr, flush=True)


def _turn(task: Task) -> tuple[bool, int]:
    """What is judged comes first, one seed of all after another."""
    return task[0] not in QUITS and task[1] not in (OURS, RAREST, WINDOW), task[2]


def _digest_of_code() -> str:
    """Of what a run depends on."""
    digest = hashlib.sha256()
    for folder in ("blobtorrent", "tests/simulation/swarmlab", "tests/support"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _path_of(kept: Path, task: Task) -> Path:
    return kept / f"{task[0]}--{task[1]}--{task[2]}.json"


def _keep(kept: Path, task: Task, result: Result) -> None:
    unfinished = kept / "unfinished"
    unfinished.write_text(json.dumps(result._asdict()))
    unfinished.replace(_path_of(kept, task))


def _kept(kept: Path, task: Task) -> Result | None:
    """A run of the same code that was done before."""
    path = _path_of(kept, task)
    return Result(**json.loads(path.read_text())) if path.exists() else None


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--full", action="store_true", help="all scenarios, policies and seeds")
    parser.add_argument("--only", nargs="+", choices=sorted(SCENARIOS), metavar="SCENARIO", help="only these")
    parser.add_argument("--policies", nargs="+", choices=sorted(POLICIES), metavar="POLICY", help="only these")
    parser.add_argument("--seeds", type=int, help=f"runs of each, {FULL_SEEDS} or {SHORT_SEEDS} by default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once")
    parser.add_argument("--for", type=float, dest="seconds", metavar="S", help="begin no run after so many seconds")
    parser.add_argument("--out", type=Path, default=Path("simulation-results"), help="directory for JSON and charts")
    return parser.parse_args(arguments)


def _tasks(options: argparse.Namespace) -> Iterator[Task]:
    for scenario in options.only or (SCENARIOS if options.full else SHORT):
        policies: Sequence[str] = (OURS,)                  # what does not depend on the picker is run by ours alone
        if scenario in (*SWARMS, *WATCHED):
            policies = COMPARED if options.full else (OURS, RAREST, WINDOW)
        elif scenario in QUITS:
            policies = (*RESCUES, *STRANDS)
        seeds = FULL_SEEDS if options.full else SHORT_SEEDS
        if scenario == "hostile" and options.full:
            seeds = HOSTILE_SEEDS
        for policy in options.policies or policies:
            for seed in range(options.seeds or seeds):
                yield scenario, policy, seed


def _table(runs: Runs) -> Iterator[str]:
    """Of each value the median of all seeds, and the worst behind it where that differs."""
    for scenario, policies in runs.items():
        rows = [["policy", *COLUMNS]]
        for policy, results in policies.items():
            rows.append([policy, *(_cell([result.values[name] for result in results if name in result.values])
                                   for name in COLUMNS)])
        kept = [column for column in zip(*rows) if any(cell != "-" for cell in column[1:])]
        widths = [max(map(len, column)) for column in kept]
        yield f"\n{scenario} ({len(results)} seeds: median, and least to most)"
        for cells in zip(*kept):
            yield "  ".join(cell.rjust(width) for cell, width in zip(cells, widths))


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    middle, least, most = (f"{value:.3g}" if value < 1000 else f"{value:.0f}" for value in (
        median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least}-{most})"


def _write(out: Path, runs: Runs, verdicts: Sequence[str]) -> None:
    """results.json, and a chart for each scenario and curve; of the seeds, that with number 0 is drawn."""
    document = {
        "verdicts": verdicts,
        "runs": {scenario: {policy: [result._asdict() for result in results] for policy, results in policies.items()}
                 for scenario, policies in runs.items()},
    }
    (out / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    for scenario, policies in runs.items():
        for curve in next(iter(policies.values()))[0].curves:
            drawn = {policy: (results[0].step_s, results[0].curves[curve]) for policy, results in policies.items()}
            (out / f"{scenario}-{curve.replace(' ', '-')}.svg").write_text(chart(f"{scenario}: {curve}", drawn))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
