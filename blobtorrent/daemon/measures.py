"""What the engine's parts export: where memory, disks and threads stand. Read by exporters, never waiting."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from functools import partial

from blobtorrent import __version__
from blobtorrent.core.swarm.traffic import Traffic
from blobtorrent.discovery.outcall import Outcalls
from blobtorrent.network.door import Door
from blobtorrent.network.shard import Shard
from blobtorrent.runtime.bus import EventBus
from blobtorrent.runtime.histogram import Histogram
from blobtorrent.runtime.loop import SelectorLoop
from blobtorrent.runtime.metrics import COUNTER, GAUGE, Registry, Sample, labelled
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from blobtorrent.storage.cache import Reads
from blobtorrent.storage.disk import DiskPool
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.hasher import HasherPool

_MEMORY = "Memory for pieces."
_JOBS = "Jobs that no thread has begun."

_ANNOUNCES = "blobtorrent_tracker_announces_total"
_TRAFFIC = "blobtorrent_peer_bytes_total"
_READS = "blobtorrent_upload_reads_total"
_READ = "Reads for uploads: ahead of what was asked for, or of one request alone."
_DISK_TIMES = "Reading spans, and writing pieces that follow each other."
_HASH_TIMES = "Jobs that hash pieces from memory, or check what is on disk."

_OF_PROCESS = {
    "blobtorrent_build_version": "1, with the version that runs.",
    "blobtorrent_process_cpu_seconds_total": "Processor time of the process.",
    "blobtorrent_process_threads": "Threads.",
    "blobtorrent_process_resident_bytes": "Memory that is there; shared memory for pieces counts.",
    "blobtorrent_process_open_descriptors": "Files and sockets.",
}


def measure_files(registry: Registry, files: FilePool) -> None:
    """What is open of the payload, how often files of it were opened, and how often that failed."""
    registry.gauge("blobtorrent_files_open", "Open files of torrents.", lambda: len(files))
    registry.total("blobtorrent_files_opened_total", "Files of torrents that were opened.", lambda: files.opened)
    registry.total("blobtorrent_files_failed_total", "Files of torrents that did not open.", lambda: files.failed)


def measure_engine(arena: Arena, disks: DiskPool, hashers: HasherPool, door: Door, shard: Shard, core: SelectorLoop,
                   bus: EventBus, outcalls: Outcalls, announce_results: Mapping[str, int]) -> Registry:
    """A registry with the figures that tell first what holds an engine up."""
    registry = Registry()
    registry.gauge("blobtorrent_arena_bytes", _MEMORY, lambda: arena.capacity * SLOT_SIZE, kind="budget")
    registry.gauge("blobtorrent_arena_bytes", _MEMORY, lambda: arena.reserved * SLOT_SIZE, kind="promised")
    registry.total("blobtorrent_arena_refusals_total", "Pieces that had to wait for memory.", lambda: arena.refusals)
    registry.gauge("blobtorrent_jobs_waiting", _JOBS, lambda: disks.depth, pool="disk")
    registry.gauge("blobtorrent_jobs_waiting", _JOBS, lambda: hashers.depth, pool="hash")
    registry.gauge("blobtorrent_jobs_waiting", _JOBS, lambda: outcalls.mailbox.depth, pool="outcall")
    registry.gauge("blobtorrent_mailbox_messages", "Messages waiting.", lambda: bus.depth, mailbox="events")
    registry.collect({_ANNOUNCES: "How announces ended: ok, or the code of the error."}, lambda: [
        Sample(_ANNOUNCES, labelled(result=result), count, COUNTER) for result, count in dict(announce_results).items()
    ])
    registry.histogram("blobtorrent_disk_job_seconds", _DISK_TIMES, disks.read_times, kind="read")
    registry.histogram("blobtorrent_disk_job_seconds", _DISK_TIMES, disks.write_times, kind="write")
    registry.histogram("blobtorrent_hash_job_seconds", _HASH_TIMES, hashers.piece_times, kind="piece")
    registry.histogram("blobtorrent_hash_job_seconds", _HASH_TIMES, hashers.check_times, kind="check")
    measure_announces(registry, outcalls.announce_times, "http")
    registry.collect(_OF_PROCESS, _process)
    door.measure(registry)
    shard.measure(registry)
    core.measure(registry)
    return registry


def measure_reads(registry: Registry, reads: Reads) -> None:
    registry.total(_READS, _READ, lambda: reads.ahead, kind="ahead")
    registry.total(_READS, _READ, lambda: reads.alone, kind="alone")


def measure_traffic(registry: Registry, traffic: Traffic) -> None:
    """What peers sent and were sent, by what it went over; counted once a second."""
    for transport in traffic.received:
        for direction, moved in (("received", traffic.received), ("sent", traffic.sent)):
            registry.total(_TRAFFIC, "Payload from and to peers, by transport.", partial(moved.__getitem__, transport),
                           transport=transport, direction=direction)


def measure_announces(registry: Registry, times: Histogram, scheme: str) -> None:
    registry.histogram("blobtorrent_tracker_announce_seconds", "Announces, also those that failed.", times,
                       scheme=scheme)


def _process() -> Iterator[Sample]:
    """What systems without /proc do not tell is left out."""
    times = os.times()
    yield Sample("blobtorrent_build_version", labelled(version=__version__), 1, GAUGE)
    yield Sample("blobtorrent_process_cpu_seconds_total", labelled(mode="user"), times.user, COUNTER)
    yield Sample("blobtorrent_process_cpu_seconds_total", labelled(mode="system"), times.system, COUNTER)
    yield Sample("blobtorrent_process_threads", (), threading.active_count(), GAUGE)
    try:
        with open("/proc/self/statm", "rb") as file:
            resident_pages = int(file.read().split()[1])
        descriptors = len(os.listdir("/proc/self/fd"))
    except OSError:
        return
    yield Sample("blobtorrent_process_resident_bytes", (), resident_pages * os.sysconf("SC_PAGE_SIZE"), GAUGE)
    yield Sample("blobtorrent_process_open_descriptors", (), descriptors, GAUGE)
