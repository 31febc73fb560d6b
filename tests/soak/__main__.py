"""python -m tests.soak --minutes 30 [--json FILE] [--seed N]: a daemon under load and attack.

The exit status is 1 if there was a fault. Loopback only. `--json` keeps all samples.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("BLOBTORRENT_DHT__BOOTSTRAP", "[]")

from tests.soak.soak import Report, soak
from tests.support.memory import closing_memory


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--raids", type=int, default=3, help="raids of evil peers at a time")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", type=Path, help="a folder that stays; else a temporary one")
    args = parser.parse_args()
    with closing_memory(), tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        work = args.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        report = soak(work, 60 * args.minutes, seed=args.seed, raids=args.raids,
                      note=lambda words: print(words, flush=True))
    print(table(report))
    if args.json is not None:
        args.json.write_text(json.dumps({
            "seconds": report.seconds, "seed": report.seed, "drifts": [one.told() for one in report.drifts],
            "figures": report.figures, "faults": report.faults, "samples": report.samples}, indent=1))
    return 1 if report.faults else 0


def table(report: Report) -> str:
    lines = [f"soak of {report.seconds / 60:.1f} minutes, seed {report.seed}",
             f"{'':18}{'first':>10}{'median':>10}{'last':>10}{'most':>10}{'per hour':>10}{'drift':>9}"]
    lines += [f"{one.name:18}{one.first:10.1f}{one.median:10.1f}{one.last:10.1f}{one.most:10.1f}{one.per_hour:+10.2f}"
              f"{100 * one.share:+8.2f}%" for one in report.drifts]
    lines += [f"{name}: {value}" for name, value in report.figures.items()]
    lines += [f"FAULT: {fault}" for fault in report.faults] or ["no faults"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
