"""Rows about uTP: content goes over nothing else, between each contestant and libtorrent, and between two of ours."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.bench.contestants import NO_SEARCH, OURS
from tests.bench.ground import GIB, RUN_TIMEOUT_S, Ground, attempt, note
from tests.bench.results import Better, Measure
from tests.support.payload import Sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Client, Job, Role
from tests.support.peers.libtorrent import ONLY_UTP, LibtorrentPeer

_SPEAKERS = (OURS, "libtorrent")       # the others do not speak it


def leech(ground: Ground) -> list[Measure]:
    return _measure(ground, "uTP: leech, libtorrent's seed", Role.LEECH, "libtorrent")


def seed(ground: Ground) -> list[Measure]:
    return _measure(ground, "uTP: seed, libtorrent leeches", Role.SEED, "libtorrent")


def own(ground: Ground) -> list[Measure]:
    """Two of the same kind."""
    return _measure(ground, "uTP: leech, a seed of its own kind", Role.LEECH, "")


def _measure(ground: Ground, work: str, role: Role, other: str) -> list[Measure]:
    sample = ground.sample("single")
    speed = Measure(work, "MB/s", Better.HIGHER, 1.0, 1.0)
    cost = Measure(work, "CPU s/GiB", Better.LOWER, 2.0, 1.0)
    for number, contestant in ground.rounds():
        name = contestant.name
        if name not in _SPEAKERS:
            continue
        wall_s, cpu_s = attempt(contestant, partial(_one, ground, sample, role, name, other or name))
        speed.add(name, sample.size_bytes / wall_s / 1e6)
        cost.add(name, cpu_s * GIB / sample.size_bytes)
        note(f"{work}: run {number + 1}: {name} {speed.runs[name][-1]:.0f} MB/s, "
             f"{cost.runs[name][-1]:.2f} CPU s/GiB")
    return [speed, cost]


def _one(ground: Ground, sample: Sample, role: Role, name: str, other: str) -> tuple[float, float]:
    """Seconds of the download, and the CPU seconds of who is measured in that time."""
    seeding, leeching = (name, other) if role is Role.SEED else (other, name)
    with _client(seeding, Role.SEED, sample, sample.folder) as seed, ground.landing() as (folder,):
        with _client(leeching, Role.LEECH, sample, folder, seed.endpoint) as leech:
            before_s = seed.cpu_s()
            transfer = leech.wait_complete(RUN_TIMEOUT_S)
            cpu_s = transfer.cpu_s if role is Role.LEECH else seed.cpu_s() - before_s
        if sample.differences(folder):
            raise RuntimeError(f"{leeching} left wrong files")
    return transfer.wall_s, cpu_s


def _client(name: str, role: Role, sample: Sample, folder: Path, *peers: str) -> Client:
    job = Job(role, sample.torrent, folder, sample.info_hash, peers=peers)
    if name == OURS:
        return BlobTorrentGet(job, options=(*NO_SEARCH, "--set", "tcp.enabled=false"))
    return LibtorrentPeer(job, settings=ONLY_UTP)
