"""Rows about uploading: every contestant seeds the same content to libtorrent leeches that know nobody else."""

from __future__ import annotations

from functools import partial

from tests.bench.contestants import Contestant
from tests.bench.ground import GIB, RUN_TIMEOUT_S, Ground, attempt, note
from tests.bench.results import Better, Measure
from tests.support.payload import Sample
from tests.support.peers.client import Job, Role, Wire
from tests.support.peers.libtorrent import LibtorrentPeer


def seed_one(ground: Ground) -> list[Measure]:
    return _seed(ground, "seed, one leech", ground.sample("single"), leeches=1)


def seed_eight(ground: Ground) -> list[Measure]:
    """Content of a quarter of the size: eight copies of it are written."""
    return _seed(ground, "seed, eight leeches", ground.sample("quarter", size=ground.size // 4), leeches=8)


def seed_encrypted(ground: Ground) -> list[Measure]:
    """All of the stream is RC4, and both ends insist on it."""
    return _seed(ground, "seed by RC4, one leech", ground.sample("single"), leeches=1, wire=Wire.RC4)


def _seed(ground: Ground, work: str, sample: Sample, leeches: int, wire: Wire = Wire.PLAIN) -> list[Measure]:
    speed = Measure(work, "MB/s", Better.HIGHER, 1.0, 1.3)
    cost = Measure(work, "CPU s/GiB", Better.LOWER, 1.1, 0.8)
    sent_bytes = sample.size_bytes * leeches
    for number, contestant in ground.rounds():
        wall_s, cpu_s = attempt(contestant, partial(_one_seed, ground, sample, contestant, leeches, wire))
        speed.add(contestant.name, sent_bytes / wall_s / 1e6)
        cost.add(contestant.name, cpu_s * GIB / sent_bytes)
        note(f"{work}: run {number + 1}: {contestant.name} {speed.runs[contestant.name][-1]:.0f} MB/s, "
             f"{cost.runs[contestant.name][-1]:.2f} CPU s/GiB")
    return [speed, cost]


def _one_seed(ground: Ground, sample: Sample, contestant: Contestant, leeches: int, wire: Wire) -> tuple[float, float]:
    """Seconds until the last leech is complete, and the CPU seconds of the seed in that time."""
    seed_job = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash, wire=wire)
    with contestant.client(seed_job) as seed, ground.landing(leeches) as folders:
        leech_job = Job(Role.LEECH, sample.torrent, folders[0], sample.info_hash, peers=(seed.endpoint,), wire=wire)
        with LibtorrentPeer(leech_job, folders) as leech:
            before_s = seed.cpu_s()
            wall_s = leech.wait_complete(RUN_TIMEOUT_S).wall_s
            cpu_s = seed.cpu_s() - before_s
        for folder in folders:
            if sample.differences(folder):
                raise RuntimeError(f"{contestant.name} served wrong bytes")
    return wall_s, cpu_s
