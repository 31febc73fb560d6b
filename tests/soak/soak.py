"""A daemon with several torrents under all that can come at it, for minutes or hours, and the verdict at the end."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blobtorrent.core.session.transports import DELAY_S
from tests.soak.clients import EventReader, FloodPoller, RestPoller, Worker, quantile
from tests.soak.owner import Owner, faults_in
from tests.soak.samples import Drift, Sampler, drifts, take_sample
from tests.soak.swarm import Leeches, Raids, Seeds
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until

SIZES = (4 * MIB + 3, 8 * MIB, 12 * MIB + 17_001, 24 * MIB + 1)
PIECES = (32 * KIB, 64 * KIB, 128 * KIB, 256 * KIB)
POLLERS = 5
WORDS = ("--set", "lsd.enabled=false", "--set", "dht.enabled=false", "--set", "storage.memory_budget='16 MiB'",
         "--set", "network.allow_loopback=true")
LIMITS = {"limits": {"down_bytes_per_s": 8 * MIB, "up_bytes_per_s": 8 * MIB}}
CALM_TIMEOUT_S = 90.0
MORE_DESCRIPTORS, MORE_THREADS = 8, 4  # than before: files of torrents that stay open, threads of pools
MAX_DRIFT = 0.05                       # of resident memory, over the run ...
DRIFT_FLOOR_MIB = 2.0                  # ... or so little, where that is more
WARM_UP = 1 / 5                        # of the run
MUSTER_S = 150.0                       # a warm-up so long has time for the greatest raid of each kind


@dataclass
class Report:
    """What came of it. `faults` is empty when all is well."""

    seconds: float
    seed: int
    drifts: list[Drift] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)


def soak(work: Path, seconds: float, *, seed: int = 1, every_s: float = 5.0, raids: int = 3, crowds: bool = True,
         max_drift: float = MAX_DRIFT, floor_mib: float = DRIFT_FLOOR_MIB,
         note: Callable[[str], None] = lambda words: None) -> Report:
    """Run one for so long; the first fifth of it warms up."""
    seeded = _make(work, "seeded", SIZES[1:3], PIECES, 1)
    wanted = _make(work, "wanted", SIZES, PIECES, 10)
    report = Report(seconds, seed)
    with Daemon(work / "daemon", *WORDS) as daemon:
        daemon.call("PATCH", "/v1/settings", LIMITS)
        crew = Crew(daemon, seeded, wanted, work, random.Random(seed), raids, crowds,
                    with_muster=WARM_UP * seconds >= MUSTER_S)
        crew.owner.begin()
        with contextlib.ExitStack() as stack:
            for poller in crew.clients():
                stack.enter_context(poller)
            crew.is_over.wait(DELAY_S + 2.0)               # till the thread `udp` is there, too
        crew.is_over.clear()
        before = take_sample(daemon, time.monotonic())
        began_s = time.monotonic()
        with Sampler(daemon, every_s) as sampler, crew.at_work():
            while time.monotonic() - began_s < seconds:
                crew.is_over.wait(min(60.0, max(0.1, began_s + seconds - time.monotonic())))
                note(f"{time.monotonic() - began_s:.0f} s: {crew.told()}, {sampler.samples[-1]}")
                if daemon.poll() is not None:
                    report.faults.append("the daemon ended")
                    break
        _judge_crew(report, crew)
        _judge_memory(report, sampler, WARM_UP * seconds, max_drift, floor_mib)
        _judge_calm(report, daemon, before.descriptors + MORE_DESCRIPTORS, before.threads + MORE_THREADS)
        crew.owner.check_all()
        report.faults += crew.owner.wrong
        began_s = time.monotonic()
        daemon.stop()
        report.figures["s to end"] = round(time.monotonic() - began_s, 2)
        if daemon.poll() != 0:
            report.faults.append(f"the daemon ended with {daemon.poll()}")
        report.faults += faults_in(daemon.output())[:20]
    return report


def _make(work: Path, name: str, sizes: Sequence[int], pieces: Sequence[int], seed: int) -> list[Sample]:
    return [make_sample(work / f"{name}-{number}", f"{name}-{number}.bin", size, piece, seed=seed + number)
            for number, (size, piece) in enumerate(zip(sizes, pieces))]


class Crew:
    """All that come at the daemon."""

    def __init__(self, daemon: Daemon, seeded: list[Sample], wanted: list[Sample], work: Path, rng: random.Random,
                 raids: int, crowds: bool, *, with_muster: bool) -> None:
        self._daemon = daemon
        self._rng = rng
        self.is_over = threading.Event()
        self.owner = Owner(daemon, seeded, wanted, self.is_over, self._dice())
        self.seeds = [Seeds(number, daemon, wanted, self.is_over, self._dice()) for number in range(2)]
        self.leeches = Leeches(daemon, seeded, work, self.is_over, self._dice())
        self.raids = [Raids(number, daemon, [*seeded, *wanted], self.is_over, self._dice(),
                            with_crowds=crowds and not number, with_muster=with_muster)
                      for number in range(raids)]
        self.pollers: list[RestPoller] = []
        self.reader: EventReader | None = None
        self.flood: FloodPoller | None = None

    def clients(self) -> list[Worker]:
        """New ones of those that ask."""
        self.pollers = [RestPoller(number, self._daemon, self.is_over, self._dice()) for number in range(POLLERS)]
        self.reader = EventReader(self._daemon, self.is_over, self._dice())
        self.flood = FloodPoller(self._daemon, self.is_over, self._dice())
        return [*self.pollers, self.reader, self.flood]

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        self.workers = [*self.clients(), self.owner, *self.seeds, self.leeches, *self.raids]
        with contextlib.ExitStack() as stack:
            for worker in self.workers:
                stack.enter_context(worker)
            yield

    def told(self) -> str:
        return (f"{self.owner.finished} downloads, {self.leeches.fetched} fetched, "
                f"{sum(len(poller.took_s) for poller in self.pollers)} answers, "
                f"{sum(sum(raid.visits.values()) for raid in self.raids)} evil links, "
                f"{sum(len(worker.failures) for worker in self.workers)} failures")

    def _dice(self) -> random.Random:
        return random.Random(self._rng.random())


def _judge_crew(report: Report, crew: Crew) -> None:
    took_s = [one for poller in crew.pollers for one in poller.took_s]
    assert crew.flood is not None and crew.reader is not None
    visits, cuts = Counter[str](), Counter[str]()
    for raid in crew.raids:
        visits += raid.visits
        cuts += raid.cuts
    report.figures.update({
        "downloads": crew.owner.finished, "fetched by libtorrent": crew.leeches.fetched,
        "libtorrents that went in the middle": crew.leeches.left, "seeds": sum(one.steps for one in crew.seeds),
        "deeds": dict(crew.owner.deeds), "events": crew.reader.seen,
        "REST answers": len(took_s), "REST p50, ms": round(1e3 * quantile(took_s, 0.5), 1),
        "REST p99, ms": round(1e3 * quantile(took_s, 0.99), 1),
        "REST most, ms": round(1e3 * max(took_s, default=0.0), 1),
        "Flood's calls": len(crew.flood.took_s), "Flood p99, ms": round(1e3 * quantile(crew.flood.took_s, 0.99), 1),
        "evil links": dict(visits), "cut": dict(cuts)})
    for worker in crew.workers:
        report.faults += worker.failures[:5]
        if len(worker.failures) > 5:
            report.faults.append(f"{worker.name}: {len(worker.failures)} failures in all")
    if not (crew.owner.finished and crew.leeches.fetched):
        report.faults.append("nothing was moved")


def _judge_memory(report: Report, sampler: Sampler, warm_up_s: float, max_drift: float, floor_mib: float) -> None:
    report.faults += [f"a sample failed: {words}" for words in sampler.failures[:5]]
    report.samples = [vars(sample) for sample in sampler.samples]
    report.drifts = drifts(sampler.samples, warm_up_s)
    memory = report.drifts[0]
    if memory.share * memory.median > max(floor_mib, max_drift * memory.median):
        report.faults.append(
            f"memory grows by {memory.per_hour:.1f} MiB an hour, {100 * memory.share:.1f} % in the run")


def _judge_calm(report: Report, daemon: Daemon, descriptors: int, threads: int) -> None:
    """When all have gone, so have their sockets and threads."""
    report.figures["descriptors, threads before"] = (descriptors - MORE_DESCRIPTORS, threads - MORE_THREADS)

    def is_calm() -> bool:
        sample = take_sample(daemon, time.monotonic())
        report.figures["descriptors, threads after"] = (sample.descriptors, sample.threads)
        return sample.descriptors <= descriptors and sample.threads <= threads

    try:
        wait_until(is_calm, CALM_TIMEOUT_S, "all to be as before", 0.5)
    except TimeoutError:
        report.faults.append(f"descriptors and threads stay: {report.figures['descriptors, threads after']}")
