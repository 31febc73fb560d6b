"""What the engine's parts export: where memory, disks and threads stand. Read by exporters, never waiting."""

from __future__ import annotations

from blobtorrent.network.door import Door
from blobtorrent.network.shard import Shard
from blobtorrent.runtime.loop import SelectorLoop
from blobtorrent.runtime.metrics import Registry
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from blobtorrent.storage.disk import DiskPool
from blobtorrent.storage.hasher import HasherPool


def measure_engine(arena: Arena, disks: DiskPool, hashers: HasherPool, door: Door, shard: Shard,
                   core: SelectorLoop) -> Registry:
    """A registry with the figures that tell first what holds an engine up."""
    registry = Registry()
    registry.gauge("blobtorrent_arena_bytes", "Memory for pieces.", lambda: arena.capacity * SLOT_SIZE, kind="budget")
    registry.gauge("blobtorrent_arena_bytes", "Memory for pieces.", lambda: arena.reserved * SLOT_SIZE, kind="promised")
    registry.gauge("blobtorrent_jobs_waiting", "Jobs that no thread has begun.", lambda: disks.depth, pool="disk")
    registry.gauge("blobtorrent_jobs_waiting", "Jobs that no thread has begun.", lambda: hashers.depth, pool="hash")
    door.measure(registry)
    shard.measure(registry)
    core.measure(registry)
    return registry
