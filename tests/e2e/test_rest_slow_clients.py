"""Two thousand clients who are in no hurry keep nobody else from a daemon, and cost it little."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.besieged import Besieged
from tests.support.payload import MIB

NUM_CLIENTS = 2000
NUM_ADDRESSES = 250
SETTLE_S = 3.0
SIEGE_S = 20.0
PAUSE_S = 0.05                         # between two requests of ours


@contextmanager
def slow_clients(port: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < NUM_CLIENTS + 100:
        pytest.skip("too few descriptors")
    words = [sys.executable, "-m", "tests.support.slowclients", str(port), str(NUM_CLIENTS), str(NUM_ADDRESSES)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))) as clients:
        assert clients.stdout is not None
        clients.stdout.readline()
        yield                          # leaving ends their standard input


def test_slow_clients_keep_nobody_out(tmp_path: Path) -> None:
    with Besieged(tmp_path) as besieged:
        state, before_bytes = besieged.digest(), besieged.daemon.rss_bytes()
        peak_bytes, took_s = before_bytes, []
        with slow_clients(besieged.port):
            time.sleep(SETTLE_S)
            end_s = time.monotonic() + SIEGE_S
            while time.monotonic() < end_s:
                began_s = time.monotonic()
                assert besieged.ask("GET", "/v1/health/live").status == 200
                took_s.append(time.monotonic() - began_s)
                assert len(besieged.ask("GET", "/v1/torrents").json["torrents"]) == 2
                peak_bytes = max(peak_bytes, besieged.daemon.rss_bytes())
                time.sleep(PAUSE_S)
            assert besieged.digest() == state
    took_s.sort()
    p99_s = took_s[len(took_s) * 99 // 100]
    print(f"{len(took_s)} requests: p50 {1e3 * took_s[len(took_s) // 2]:.1f} ms, p99 {1e3 * p99_s:.1f} ms; "
          f"{(peak_bytes - before_bytes) / MIB:.1f} MiB more")
    assert p99_s < 0.2
    assert peak_bytes - before_bytes < 50 * MIB
