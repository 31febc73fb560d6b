"""Rows about many links: what 200 busy links cost ours, against one link of the same kind moving as much."""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.contestants import OURS
from tests.bench.ground import GIB, RUN_TIMEOUT_S, Ground, note
from tests.bench.results import Better, Measure
from tests.support.payload import Sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.light import LightLeeches, LightSeeds

LINKS = 200
ONE_LINK = "one link"
ENOUGH = ("--set", f"network.max_peers_per_torrent={LINKS + 50}", "--set", f"network.max_peers={LINKS + 50}",
          "--set", f"network.upload_slots={LINKS + 50}")


def leech_many_links(ground: Ground) -> list[Measure]:
    return _compare(ground, f"leech, {LINKS} links", _leech)


def seed_many_links(ground: Ground) -> list[Measure]:
    return _compare(ground, f"seed, {LINKS} links", _seed)


def _compare(ground: Ground, work: str,
             measured: Callable[[Ground, Sample, int], tuple[float, float]]) -> list[Measure]:
    cost = Measure(work, "CPU s/GiB", Better.LOWER, 1.2, 1.0, against=ONE_LINK)
    speed = Measure(work, "MB/s", Better.HIGHER, against=ONE_LINK)
    sample = ground.sample("single")
    for number in range(ground.runs):
        sides = [(OURS, LINKS), (ONE_LINK, 1)]
        for name, links in sides if number % 2 else reversed(sides):
            wall_s, cpu_s = measured(ground, sample, links)
            cost.add(name, cpu_s * GIB / sample.size_bytes)
            speed.add(name, sample.size_bytes / wall_s / 1e6)
            note(f"{work}: run {number + 1}: {links} links {speed.runs[name][-1]:.0f} MB/s, "
                 f"{cost.runs[name][-1]:.2f} CPU s/GiB")
    return [cost, speed]


def _leech(ground: Ground, sample: Sample, links: int) -> tuple[float, float]:
    with LightSeeds(sample, links, together=True) as seeds, ground.landing() as (folder,):
        job = Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers=seeds.endpoints)
        with BlobTorrentGet(job, options=ENOUGH) as leech:
            transfer = leech.wait_complete(RUN_TIMEOUT_S)
    return transfer.wall_s, transfer.cpu_s


def _seed(ground: Ground, sample: Sample, links: int) -> tuple[float, float]:
    job = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)
    with BlobTorrentGet(job, options=ENOUGH) as seed, LightLeeches(sample, links, seed.endpoint) as leeches:
        seed.mark_begin()
        leeches.fetch()
        seed.mark_complete(leeches.wait_complete(RUN_TIMEOUT_S)["complete"])
        return seed.transfer.wall_s, seed.transfer.cpu_s
