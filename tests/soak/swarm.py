"""Those that a daemon meets in its swarms: libtorrents that come and go, and raids of evil peers."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections import Counter
from pathlib import Path

from tests.soak.clients import Worker
from tests.support.evil import kinds, leeches, words
from tests.support.evil.visits import Raid
from tests.support.payload import Sample
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.libtorrent import LibtorrentPeer

SEED_S = (15.0, 60.0)                  # how long a seed stays
LEECH_TIMEOUT_S = 240.0
RAID_S = (5.0, 25.0)
VISITS = (1, 12)
CROWDS = (leeches.Silent, words.Speechless, words.Slow)
CROWD = (200, 1000)                    # connections of one of these
CROWD_SHARE = 0.1                      # of the raids
MUSTER_S = 4.0                         # of each in the muster, and a pause


def where(sample: Sample) -> str:
    return f"/v1/torrents/{sample.info_hash.hex()}"


class Seeds(Worker):
    """One libtorrent after the other that has one of the torrents, and goes after a while without a word."""

    pause_s = 1.0

    def __init__(self, number: int, daemon: Daemon, samples: list[Sample], is_over: threading.Event,
                 rng: random.Random) -> None:
        super().__init__(f"seeds-{number}", is_over, rng)
        self._daemon = daemon
        self._samples = samples

    def step(self) -> None:
        sample = self.rng.choice(self._samples)
        until_s = time.monotonic() + self.rng.uniform(*SEED_S)
        with LibtorrentPeer(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)) as seed:
            while time.monotonic() < until_s and not self.is_over.wait(1.0):
                told = self._daemon.call("GET", f"{where(sample)}?fields=state,peers_connected")
                if told.get("state") == "downloading":
                    self._daemon.call("POST", f"{where(sample)}/peers", {"peers": [seed.endpoint]})


class Leeches(Worker):
    """One libtorrent after the other that fetches what the daemon seeds. `fetched` counts whole and right copies."""

    pause_s = 2.0

    def __init__(self, daemon: Daemon, samples: list[Sample], work: Path, is_over: threading.Event,
                 rng: random.Random) -> None:
        super().__init__("leeches", is_over, rng)
        self._daemon = daemon
        self._samples = samples
        self._folder = work / "fetched"
        self.fetched = self.left = 0

    def step(self) -> None:
        sample = self.rng.choice(self._samples)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        job = Job(Role.LEECH, sample.torrent, self._folder, sample.info_hash, peers=(self._daemon.endpoint,))
        with LibtorrentPeer(job) as leech:
            if self.rng.random() < 0.3:
                self.is_over.wait(self.rng.uniform(0.5, 4.0))      # it goes in the middle
                self.left += 1
                return
            deadline_s = time.monotonic() + LEECH_TIMEOUT_S
            while True:
                try:
                    leech.wait_complete(1.0)
                    break
                except TimeoutError:
                    if self.is_over.is_set():
                        return
                    if time.monotonic() > deadline_s:
                        raise
        assert sample.differences(self._folder) == []
        self.fetched += 1


class Raids(Worker):
    """One raid after the other, of a random kind on a random torrent; some are crowds of hundreds. `visits` counts the
    links of each kind, `cuts` how often the daemon ended one.

    With a muster all kinds come first, one after the other and as many as ever: a process stays as large as its busiest
    moment was, and when dice decide that the greatest raid comes late, that looks as if something grew.
    """

    pause_s = 0.5

    def __init__(self, number: int, daemon: Daemon, samples: list[Sample], is_over: threading.Event,
                 rng: random.Random, *, with_crowds: bool, with_muster: bool) -> None:
        super().__init__(f"raids-{number}", is_over, rng)
        self._muster = list(kinds.ALL) if with_muster else []
        self._mustered_crowds = list(CROWDS) if with_muster and with_crowds else []
        self._daemon = daemon
        self._samples = samples
        self._network = f"127.{3 + number}"
        self._with_crowds = with_crowds
        self.visits: Counter[str] = Counter()
        self.cuts: Counter[str] = Counter()

    def step(self) -> None:
        if self._muster or self._mustered_crowds:          # the same ones in all threads: they meet
            is_crowd, sample, stay_s = not self._muster, self._samples[0], MUSTER_S
            kind = (self._muster or self._mustered_crowds).pop()
            count = max(CROWD if is_crowd else VISITS)
        else:
            is_crowd = self._with_crowds and self.rng.random() < CROWD_SHARE
            kind = self.rng.choice(CROWDS if is_crowd else kinds.ALL)
            count = self.rng.randint(*(CROWD if is_crowd else VISITS))
            sample, stay_s = self.rng.choice(self._samples), self.rng.uniform(*RAID_S)
        raid = Raid(kind, self._daemon.endpoint, sample, count, network=self._network)
        try:
            with raid:
                self.is_over.wait(stay_s)
        finally:
            name = kind.__name__ + (" crowd" if is_crowd else "")
            self.visits[name] += max(raid.links, raid.connected)
            self.cuts[name] += raid.cuts
