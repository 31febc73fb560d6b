"""Crowds of evil peers come and go, one after the other: what the first made the daemon take is enough for the rest."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.evil import words
from tests.support.evil.visits import Raid
from tests.support.payload import KIB, MIB, make_sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until

CROWD = 150
CROWDS = 10
STAY_S = 1.5
GONE_S = 30.0
MOST_MORE_BYTES = 3 * MIB              # 0.2 here; 8 while what their messages left waited for a collection
WORDS = ("--set", "lsd.enabled=false", "--set", "dht.enabled=false", "--set", "storage.memory_budget='16 MiB'",
         "--set", "rtorrent.listen=[]")


def anonymous_bytes(daemon: Daemon) -> int:
    """Resident memory without what is shared and mapped."""
    status = Path("/proc", str(daemon.pid), "status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) << 10


def test_the_tenth_crowd_finds_the_memory_that_the_first_one_left(tmp_path: Path) -> None:
    sample = make_sample(tmp_path / "s", "s.bin", 4 * MIB, 64 * KIB, seed=3)
    with Daemon(tmp_path / "daemon", *WORDS) as daemon:
        (daemon.downloads / "s.bin").write_bytes((sample.folder / "s.bin").read_bytes())
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent)})
        where = f"/v1/torrents/{sample.info_hash.hex()}"
        wait_until(lambda: daemon.call("GET", f"{where}?fields=state").get("state") == "seeding", GONE_S, "a seed")
        left, links = [], 0
        for _ in range(CROWDS):
            with Raid(words.Extending, daemon.endpoint, sample, CROWD) as crowd:
                assert crowd.struck.wait(GONE_S)
                time.sleep(STAY_S)
            links += crowd.links
            wait_until(lambda: not daemon.call("GET", f"{where}?fields=peers_connected")["peers_connected"], GONE_S,
                       "the crowd to be gone")
            left.append(anonymous_bytes(daemon))
    assert links >= CROWDS * CROWD // 2
    assert left[-1] - left[0] < MOST_MORE_BYTES, [round(one / MIB, 1) for one in left]
