"""python -m tests.bench: the engine beside other programs, doing the same work in the same run. See README.md here."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.bench import (
    api,
    checking,
    feeding,
    filtering,
    idling,
    leeching,
    limits,
    links,
    rtorrent_lists,
    rtorrent_polls,
    saving,
    seeding,
    starting,
    utp,
)
from tests.bench.contestants import CONTESTANTS, OURS, present
from tests.bench.ground import Ground, note
from tests.bench.results import Measure, table
from tests.support.memory import closing_memory
from tests.support.payload import MIB

ROWS: dict[str, Callable[[Ground], list[Measure]]] = {
    "leech1": leeching.leech_one,
    "leech4": leeching.leech_four,
    "p16k": leeching.leech_small_pieces,
    "p16m": leeching.leech_large_pieces,
    "files": leeching.leech_many_files,
    "seed1": seeding.seed_one,
    "seed8": seeding.seed_eight,
    "rc4-leech": leeching.leech_encrypted,
    "rc4-seed": seeding.seed_encrypted,
    "utp-leech": utp.leech,
    "utp-seed": utp.seed,
    "utp-own": utp.own,
    "links-leech": links.leech_many_links,
    "links-seed": links.seed_many_links,
    "limits": limits.limits,
    "recheck": checking.recheck,
    "memory": leeching.memory,
    "start": starting.start,
    "state": saving.save,
    "idle": idling.idle,
    "filters": filtering.filters,
    "feed": feeding.feed,
    "api-list": api.lists,
    "api-long": api.long_list,
    "api-slow": api.slow_clients,
    "api-start": api.early_answers,
    "rpc-long": rtorrent_lists.long_lists,
    "rpc-beside": rtorrent_lists.beside,
    "rpc-holds": rtorrent_lists.holds,
    "rpc-polls": rtorrent_polls.polls,
    "rpc-start": rtorrent_polls.early_lists,
}
OURS_ONLY = {"links-leech", "links-seed", "limits", "recheck", "memory", "start", "state", "idle", "filters", "feed",
             "api-list", "api-long", "api-slow", "api-start", "rpc-long", "rpc-beside", "rpc-holds", "rpc-polls",
             "rpc-start"}


def main(words: Sequence[str] | None = None) -> int:
    options = _options(words)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))     # so that every child is ended
    contestants = present(options.contestants)
    rows = [row for row in options.only if OURS in contestants or row not in OURS_ONLY]
    header = {**_machine(), "versions": {name: version for name, (_, version) in contestants.items()},
              "content": str(options.content), "downloads": str(options.downloads),
              "size_mib": options.size // MIB, "runs": options.runs}
    print(_header_text(header), flush=True)
    measures: list[Measure] = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.content) as content, \
            tempfile.TemporaryDirectory(prefix="bench-", dir=options.downloads) as downloads, closing_memory():
        ground = Ground(Path(content), Path(downloads), options.size, options.runs,
                        [one for one, _ in contestants.values()])
        for row in rows:
            note(f"--- {row}")
            measures += ROWS[row](ground)
            if options.json:
                told = {**header, "measures": [measure.as_json() for measure in measures]}
                options.json.write_text(json.dumps(told, indent=1) + "\n")
    print(table(measures))
    return 1 if any(measure.verdict() == "short" for measure in measures) else 0


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each contestant; medians are shown (default 5)")
    parser.add_argument("--size", type=_mebibytes, default=1024 * MIB, metavar="MIB", help="of content (default 1024)")
    parser.add_argument("--only", type=_chosen(ROWS), default=list(ROWS), metavar="ROW,...", help=", ".join(ROWS))
    parser.add_argument("--contestants", type=_chosen(CONTESTANTS), default=list(CONTESTANTS), metavar="NAME,...",
                        help=", ".join(CONTESTANTS))
    parser.add_argument("--content", type=Path, default=Path("/var/tmp"), metavar="DIR",
                        help="where content to be served is made; it is read from the page cache (default /var/tmp)")
    parser.add_argument("--downloads", type=Path, default=Path("/dev/shm"), metavar="DIR",
                        help="where downloads go (default /dev/shm, in memory)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, after every row")
    return parser.parse_args(words)


def _chosen(known: Mapping[str, object]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}; there are {', '.join(known)}")
        return names
    return parse


def _mebibytes(text: str) -> int:
    return int(text) * MIB


def _machine() -> dict[str, object]:
    model = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.processor())
    return {"processor": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "python": platform.python_version(), "load": os.getloadavg()[0]}


def _header_text(header: dict[str, object]) -> str:
    versions = header["versions"]
    assert isinstance(versions, dict)
    return (
        f"{header['processor']}, {header['cores']} cores, Linux {header['kernel']}, Python {header['python']}, "
        f"load {header['load']:.2f}\n"
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}\n"
        f"{header['size_mib']} MiB of content in {header['content']}, downloads to {header['downloads']}, "
        f"1 MiB pieces unless said, medians of {header['runs']}, plain TCP on loopback unless said")


if __name__ == "__main__":
    sys.exit(main())
