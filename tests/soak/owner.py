"""The owner of a daemon, who never rests: torrents are added, removed, rechecked, limited, stopped and started."""

from __future__ import annotations

import base64
import random
import threading
import time
from collections import Counter
from typing import Any

from tests.soak.clients import Worker
from tests.soak.swarm import where
from tests.support.payload import MIB, Sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until

STAY_S = (2.0, 15.0)                   # how long a finished download is kept
GONE_TIMEOUT_S = 60.0
RATES = (4 * MIB, 8 * MIB, 16 * MIB, 0)


class Owner(Worker):
    """`finished` counts downloads that came whole and right; `wrong` tells of bytes that are not the torrent's."""

    pause_s = 0.5

    def __init__(self, daemon: Daemon, seeded: list[Sample], wanted: list[Sample], is_over: threading.Event,
                 rng: random.Random) -> None:
        super().__init__("owner", is_over, rng)
        self._daemon = daemon
        self._seeded = seeded
        self._wanted = wanted
        self._leaves_s: dict[bytes, float] = {}
        self.finished = 0
        self.deeds: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._deeds = (self._recheck, self._limit, self._stop_and_start, self._label, self._token, self._rubbish,
                       self._magnet, self._announce, self._prefer)

    def begin(self) -> None:
        """All torrents are there, the first of them complete."""
        for sample in self._seeded:
            name = sample.name.decode()
            (self._daemon.downloads / name).write_bytes((sample.folder / name).read_bytes())
            self._add(sample)
        wait_until(lambda: all(self._state(sample) == "seeding" for sample in self._seeded), GONE_TIMEOUT_S, "seeds")

    def step(self) -> None:
        for sample in self._wanted:
            self._look_after(sample)
        if self.rng.random() < 0.4:
            deed = self.rng.choice(self._deeds)
            deed()
            self.deeds[deed.__name__[1:]] += 1

    def check_all(self) -> None:
        """At the end: what is complete is right, byte for byte."""
        for sample in (*self._seeded, *self._wanted):
            if self._state(sample) == "seeding":
                self._check(sample)

    def _look_after(self, sample: Sample) -> None:
        state, now = self._state(sample), time.monotonic()
        if state is None:
            self._add(sample)
        elif state == "seeding":
            if sample.info_hash not in self._leaves_s:
                self._check(sample)
                self.finished += 1
                self._leaves_s[sample.info_hash] = now + self.rng.uniform(*STAY_S)
            elif now > self._leaves_s[sample.info_hash]:
                self._remove(sample)
        elif self.rng.random() < 0.002:
            self._remove(sample)       # in the middle

    def _remove(self, sample: Sample) -> None:
        self._leaves_s.pop(sample.info_hash, None)
        self._daemon.call("DELETE", f"{where(sample)}?with_data=true")
        wait_until(lambda: self._state(sample) is None, GONE_TIMEOUT_S, "a removal")
        self.deeds["remove"] += 1

    def _check(self, sample: Sample) -> None:
        self.wrong += sample.differences(self._daemon.downloads)

    def _state(self, sample: Sample) -> str | None:
        state: str | None = self._daemon.call("GET", f"{where(sample)}?fields=state").get("state")
        return state

    def _add(self, sample: Sample) -> None:
        encoded = base64.b64encode(sample.torrent.read_bytes()).decode()
        self._daemon.call("POST", "/v1/torrents", {"metainfo": encoded})

    # ---- deeds

    def _one(self) -> Sample:
        return self.rng.choice([*self._seeded, *self._wanted])

    def _recheck(self) -> None:
        self._daemon.call("POST", f"{where(self._one())}/recheck")

    def _limit(self) -> None:
        way = self.rng.choice(("down", "up"))
        self._patch("/v1/settings", {"limits": {f"{way}_bytes_per_s": self.rng.choice(RATES)}})

    def _stop_and_start(self) -> None:
        sample = self._one()
        self._daemon.call("POST", f"{where(sample)}/{self.rng.choice(('stop', 'pause'))}")
        self.is_over.wait(0.5)
        self._daemon.call("POST", f"{where(sample)}/start")

    def _label(self) -> None:
        self._patch(where(self._one()), {"labels": [f"label {self.rng.randrange(1000)}"]}, may_be_gone=True)

    def _prefer(self) -> None:
        self._patch(where(self._one()), {"sequential": self.rng.random() < 0.5}, may_be_gone=True)

    def _announce(self) -> None:
        self._daemon.call("POST", f"{where(self._one())}/announce")

    def _token(self) -> None:
        name = f"soak-{self.rng.randrange(1 << 30)}"
        self._daemon.call("POST", "/v1/tokens", {"name": name, "scopes": ["read"]})
        self._daemon.call("DELETE", f"/v1/tokens/{name}")

    def _rubbish(self) -> None:
        told = self._daemon.call("POST", "/v1/torrents", {
            "metainfo": base64.b64encode(self.rng.randbytes(self.rng.randrange(1, 5000))).decode()})
        assert told["status"] in (400, 422), told

    def _magnet(self) -> None:
        digits = self.rng.randbytes(20).hex()
        self._daemon.call("POST", "/v1/torrents", {
            "source": f"magnet:?xt=urn:btih:{digits}", "peers": [self._daemon.endpoint]})
        self.is_over.wait(0.5)
        self._daemon.call("DELETE", f"/v1/torrents/{digits}")

    def _patch(self, path: str, body: dict[str, Any], *, may_be_gone: bool = False) -> None:
        told = self._daemon.call("PATCH", path, body)
        assert told.get("status", 200) == 200 or may_be_gone and told["status"] == 404, told


def faults_in(log: str) -> list[str]:
    """Lines that tell of our own faults."""
    return [line for line in log.splitlines() if line.startswith(("ERROR ", "CRITICAL ")) or "Traceback" in line]


