"""The row about torrents with nothing to do: what a thousand seeding swarms without peers cost the receive thread."""

from __future__ import annotations

import random
import time
from typing import Any

from blobtorrent.core.swarm.host import SwarmHost
from blobtorrent.core.swarm.messages import OpenSwarm, SwarmSettings
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.arena import Arena
from tests.bench.contestants import OURS
from tests.bench.ground import Ground, note
from tests.bench.results import Better, Measure
from tests.support.simnet import SCATTER_UNITS, SimShard
from tests.support.stored import StoredTorrent

NUM_SWARMS = 1_000
SECONDS = 600                          # of the swarms' clock


def idle(ground: Ground) -> list[Measure]:
    cpu = Measure("idle", "% of a core for 1,000 idle seeding swarms", Better.LOWER, 1.0, 0.5)
    reports = Measure("idle", "reports in 10 minutes", Better.LOWER, 0.0, 0.0)
    for number in range(ground.runs):
        cpu_s, num_reports = _idle_once()
        cpu.add(OURS, 100 * cpu_s / SECONDS)
        reports.add(OURS, num_reports)
        note(f"idle: run {number + 1}: {100 * cpu_s / SECONDS:.2f} %, {num_reports} reports")
    return [cpu, reports]


def _idle_once() -> tuple[float, int]:
    """CPU seconds of so many minutes, and what the core was told meanwhile."""
    arena = Arena(1 << 20, scratch_slots=SCATTER_UNITS)
    shard, clock, rng = SimShard(arena), FakeClock(), random.Random(1)
    jobs: list[Any] = []
    told: Mailbox[Any] = Mailbox("core")
    host = SwarmHost(shard, arena, jobs.append, jobs.append, Mailbox("door"), rng, clock)  # type: ignore[arg-type]
    torrent = StoredTorrent([4000 * 1024], 1024)           # as many pieces as a 4 GiB torrent of 1 MiB pieces
    for _ in range(NUM_SWARMS):
        host.on_message(OpenSwarm(
            InfoHash(v1=rng.randbytes(20)), torrent.metainfo, None,  # type: ignore[arg-type]
            Bitfield.full(torrent.geometry.num_pieces), PeerId(rng.randbytes(20)), SwarmSettings(), told,
            keep_after_s=3.0), 0.0)
    host.on_pass(0.0)
    told.drain()
    started_s = time.process_time()
    while (due_s := shard.loop.timers.next_deadline()) is not None and due_s <= SECONDS:
        clock.advance(due_s - clock.now())
        shard.loop.now = due_s
        shard.loop.timers.expire(due_s)
        host.on_pass(due_s)
    return time.process_time() - started_s, len(told.drain())
