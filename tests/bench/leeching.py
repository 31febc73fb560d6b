"""Rows about downloading: every contestant fetches the same content from the same libtorrent seeds."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.bench.contestants import OURS, Contestant
from tests.bench.ground import GIB, RUN_TIMEOUT_S, Ground, attempt, note
from tests.bench.results import Better, Measure
from tests.support.payload import KIB, MIB, Sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role, Transfer, Wire
from tests.support.peers.libtorrent import LibtorrentPeer


def leech_one(ground: Ground) -> list[Measure]:
    return _leech(ground, "leech, one seed", ground.sample("single"), rate=(1.0, 1.4), cpu=(1.0, 0.8))


def leech_four(ground: Ground) -> list[Measure]:
    return _leech(ground, "leech, four seeds", ground.sample("single"), seeds=4)


def leech_small_pieces(ground: Ground) -> list[Measure]:
    measures = _leech(ground, "leech, 16 KiB pieces", ground.sample("pieces-16k", piece_length=16 * KIB))
    ground.forget("pieces-16k")
    return measures


def leech_large_pieces(ground: Ground) -> list[Measure]:
    measures = _leech(ground, "leech, 16 MiB pieces", ground.sample("pieces-16m", piece_length=16 * MIB))
    ground.forget("pieces-16m")
    return measures


def leech_many_files(ground: Ground) -> list[Measure]:
    measures = _leech(ground, "leech, 5,000 files", ground.sample("files", files=5000))
    ground.forget("files")
    return measures


def leech_encrypted(ground: Ground) -> list[Measure]:
    """All of the stream is RC4, and both ends insist on it."""
    return _leech(ground, "leech by RC4, one seed", ground.sample("single"), wire=Wire.RC4)


def memory(ground: Ground) -> list[Measure]:
    """Resident memory of ours at full speed, above what it holds when it has just begun to listen."""
    measure = Measure("leech, one seed", "peak MiB above idle", Better.LOWER, 150, 90)
    sample = ground.sample("single")
    with LibtorrentPeer(_seed_job(sample)) as seed:
        for _ in range(ground.runs):
            with ground.landing() as (folder,), BlobTorrentGet(_leech_job(sample, folder, (seed.endpoint,))) as leech:
                idle_bytes = leech.rss_bytes()
                transfer = leech.wait_complete(RUN_TIMEOUT_S)
                measure.add(OURS, (transfer.peak_rss_bytes - idle_bytes) / MIB)
    return [measure]


def _leech(ground: Ground, work: str, sample: Sample, *, seeds: int = 1, rate: tuple[float, float] = (0.9, 1.2),
           cpu: tuple[float, float] = (1.1, 0.9), wire: Wire = Wire.PLAIN) -> list[Measure]:
    speed = Measure(work, "MB/s", Better.HIGHER, *rate)
    cost = Measure(work, "CPU s/GiB", Better.LOWER, *cpu)
    peak = Measure(work, "peak RSS MiB", Better.LOWER)
    for number, contestant in ground.rounds():
        transfer = attempt(contestant, partial(_one_leech, ground, sample, contestant, seeds, wire))
        speed.add(contestant.name, sample.size_bytes / transfer.wall_s / 1e6)
        cost.add(contestant.name, transfer.cpu_s * GIB / sample.size_bytes)
        peak.add(contestant.name, transfer.peak_rss_bytes / MIB)
        note(f"{work}: run {number + 1}: {contestant.name} {speed.runs[contestant.name][-1]:.0f} MB/s, "
             f"{cost.runs[contestant.name][-1]:.2f} CPU s/GiB")
    return [speed, cost, peak]


def _one_leech(ground: Ground, sample: Sample, contestant: Contestant, seeds: int, wire: Wire) -> Transfer:
    """Seeds are started anew for each leech, so that none inherits a warm or a sulking one."""
    with LibtorrentPeer(_seed_job(sample, wire), [sample.folder] * seeds) as seed, ground.landing() as (folder,):
        with contestant.client(_leech_job(sample, folder, seed.endpoints, wire)) as leech:
            transfer = leech.wait_complete(RUN_TIMEOUT_S)
        differences = sample.differences(folder)
    if differences:
        raise RuntimeError(f"{contestant.name} left {len(differences)} wrong files: {differences[:3]}")
    return transfer


def _seed_job(sample: Sample, wire: Wire = Wire.PLAIN) -> Job:
    return Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash, wire=wire)


def _leech_job(sample: Sample, folder: Path, peers: tuple[str, ...], wire: Wire = Wire.PLAIN) -> Job:
    return Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers=peers, wire=wire)
