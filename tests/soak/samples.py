"""What is measured of a daemon from outside, every few seconds, and what a row of such figures says."""

from __future__ import annotations

import math
import os
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.support.payload import MIB
from tests.support.peers.daemon import Daemon

MAX_PAIRS = 200_000                    # of samples that a slope is the median of


@dataclass(frozen=True)
class Sample:
    """How a daemon stood `at_s` after the beginning. `anonymous_bytes` is resident memory without shared and mapped."""

    at_s: float
    rss_bytes: int
    anonymous_bytes: int
    pss_bytes: int
    descriptors: int
    threads: int
    mailbox_messages: int              # of the fullest one
    jobs_waiting: int
    peers: int
    cpu_s: float


def take_sample(daemon: Daemon, began_s: float) -> Sample:
    process = Path("/proc", str(daemon.pid))
    status = _fields(process / "status")
    metrics = _metrics(daemon)
    return Sample(
        time.monotonic() - began_s, status["VmRSS"] << 10, status["RssAnon"] << 10,
        _fields(process / "smaps_rollup")["Pss"] << 10, len(os.listdir(process / "fd")), status["Threads"],
        int(max(metrics.get("blobtorrent_mailbox_messages", [0.0]))),
        int(sum(metrics.get("blobtorrent_jobs_waiting", []))),
        int(sum(metrics.get("blobtorrent_session_peers", []))), daemon.cpu_s())


def _fields(path: Path) -> dict[str, int]:
    found = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            found[name] = int(words[0])
    return found


def _metrics(daemon: Daemon) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for line in daemon.get("/metrics").decode().splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found.setdefault(name.partition("{")[0], []).append(float(value))
    return found


class Sampler:
    """Takes a sample every `every_s`, in a thread. A context."""

    def __init__(self, daemon: Daemon, every_s: float) -> None:
        self._daemon = daemon
        self._every_s = every_s
        self._began_s = time.monotonic()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler")
        self.samples: list[Sample] = []
        self.failures: list[str] = []

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                self.samples.append(take_sample(self._daemon, self._began_s))
            except (OSError, ValueError, LookupError) as error:
                self.failures.append(repr(error))
            self._is_over.wait(self._every_s)


# ---- what they say

def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs (Theil, Sen): few odd points do not change it. 0 of fewer than two."""
    step = max(1, math.isqrt(len(points) * len(points) // 2 // MAX_PAIRS))
    thinned = points[::step]
    slopes = [(later[1] - earlier[1]) / (later[0] - earlier[0])
              for place, earlier in enumerate(thinned) for later in thinned[place + 1:] if later[0] > earlier[0]]
    return statistics.median(slopes) if slopes else 0.0


@dataclass(frozen=True)
class Drift:
    """Of one figure, after the warm-up."""

    name: str
    first: float                       # mean of the first tenth
    median: float
    last: float                        # mean of the last tenth
    most: float
    per_hour: float
    share: float                       # that the fit gains over the time, of the median

    def told(self) -> dict[str, Any]:
        return asdict(self)


def drift(name: str, points: Sequence[tuple[float, float]]) -> Drift:
    values = [value for _, value in points]
    tenth = max(1, len(values) // 10)
    middle = statistics.median(values)
    rise = slope(points)
    lasted_s = points[-1][0] - points[0][0]
    return Drift(name, statistics.mean(values[:tenth]), middle, statistics.mean(values[-tenth:]), max(values),
                 rise * 3600.0, rise * lasted_s / middle if middle else 0.0)


def drifts(samples: Sequence[Sample], warm_up_s: float) -> list[Drift]:
    """Memory in MiB, the rest as it is."""
    warm = [sample for sample in samples if sample.at_s >= warm_up_s]
    return [
        drift("RSS, MiB", [(sample.at_s, sample.rss_bytes / MIB) for sample in warm]),
        drift("anonymous, MiB", [(sample.at_s, sample.anonymous_bytes / MIB) for sample in warm]),
        drift("PSS, MiB", [(sample.at_s, sample.pss_bytes / MIB) for sample in warm]),
        drift("descriptors", [(sample.at_s, sample.descriptors) for sample in warm]),
        drift("threads", [(sample.at_s, sample.threads) for sample in warm]),
        drift("fullest mailbox", [(sample.at_s, sample.mailbox_messages) for sample in warm]),
        drift("peers", [(sample.at_s, sample.peers) for sample in warm]),
    ]
