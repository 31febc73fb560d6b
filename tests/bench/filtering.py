"""The row about filter lists: reading half a million ranges beside everything else, and asking about an address."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from blobtorrent.core.session.listfile import read_list
from blobtorrent.model.addressfilter import AddressFilter
from blobtorrent.model.blocklist import Ranges
from blobtorrent.runtime import pacing
from tests.bench.contestants import OURS
from tests.bench.ground import Ground, note
from tests.bench.results import Better, Measure

NUM_RANGES = 500_000
LOOKUPS = 200_000


def filters(ground: Ground) -> list[Measure]:
    reading = Measure("filters", "CPU seconds to read 500,000 ranges", Better.LOWER, 4.0, 2.0)
    slices = Measure("filters", "ms of CPU between two pauses, 99.9th percentile", Better.LOWER, 5.0, 2.0)
    lookup = Measure("filters", "us to ask about an address", Better.LOWER, 5.0, 2.0)
    size = Measure("filters", "bytes of memory a range", Better.LOWER, 16.0, 9.0)
    path = ground.content / "list.p2p"
    path.write_text("".join(_lines(random.Random(7))))
    for number in range(ground.runs):
        cpu_s, slice_ms, ranges = _read_once(path)
        reading.add(OURS, cpu_s)
        slices.add(OURS, slice_ms)
        lookup.add(OURS, _lookup_us(ranges))
        size.add(OURS, ranges.num_bytes / ranges.num_v4)
        note(f"filters: run {number + 1}: {cpu_s:.2f} s, slices of {slice_ms:.2f} ms, {lookup.runs[OURS][-1]:.2f} us")
    return [reading, slices, lookup, size]


def _lines(rng: random.Random) -> Iterator[str]:
    firsts = rng.sample(range(1 << 24, 224 << 24, 64), NUM_RANGES)
    for number, first in enumerate(firsts):
        yield f"Some organisation {number}:{IPv4Address(first)}-{IPv4Address(first + rng.randrange(60))}\n"


def _read_once(path: Path) -> tuple[float, float, Ranges]:
    """CPU seconds, the length of the slices between two pauses in ms, and what was read."""
    slices: list[float] = []
    last_s = started_s = time.thread_time()

    def pause(pause_s: float) -> None:
        nonlocal last_s
        slices.append(time.thread_time() - last_s)
        time.sleep(pause_s)
        last_s = time.thread_time()

    with mock.patch.object(pacing, "time", SimpleNamespace(thread_time=time.thread_time, sleep=pause)):
        read = read_list(path)
    assert read.lines == NUM_RANGES
    slices.sort()
    return time.thread_time() - started_s, 1000 * slices[len(slices) * 999 // 1000], read.ranges


def _lookup_us(ranges: Ranges) -> float:
    rng, address_filter = random.Random(1), AddressFilter({"list": ranges}, Ranges())
    hosts = [str(IPv4Address(rng.getrandbits(32))) for _ in range(LOOKUPS)]
    started_s = time.thread_time()
    for host in hosts:
        address_filter.refuser_of(host)
    return 1e6 * (time.thread_time() - started_s) / LOOKUPS
