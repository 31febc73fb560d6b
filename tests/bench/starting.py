"""Rows about the first moments: from the command to a listening engine, and from there to the first block asked for."""

from __future__ import annotations

import time

from tests.bench.contestants import OURS
from tests.bench.ground import RUN_TIMEOUT_S, Ground
from tests.bench.results import Better, Measure
from tests.support.payload import KIB, MIB
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.mini import MiniSeed


def start(ground: Ground) -> list[Measure]:
    listening = Measure("start", "s to listening", Better.LOWER, 0.5, 0.2)
    first = Measure("start", "s from listening to first block", Better.LOWER, 0.5, 0.1)
    sample = ground.sample("small", size=4 * MIB, piece_length=256 * KIB)
    for _ in range(ground.runs):
        with MiniSeed(sample) as seed, ground.landing() as (folder,):
            started_s = time.monotonic()
            job = Job(Role.LEECH, sample.torrent, folder, sample.info_hash, peers=(seed.endpoint,))
            with BlobTorrentGet(job) as leech:
                leech.wait_complete(RUN_TIMEOUT_S)
                listening.add(OURS, leech.began_at_s - started_s)
                first.add(OURS, seed.first_block_at_s - leech.began_at_s)
    return [listening, first]
