"""Two thousand clients who are in no hurry keep nobody else from a daemon, and cost it little."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from tests.support.besieged import Besieged
from tests.support.payload import MIB
from tests.support.priority import ahead_of_others
from tests.support.slowclients import DESCRIPTORS, siege

SETTLE_S = 3.0
SIEGE_S = 10.0
PATIENT_S = 0.2                        # in which 99 of 100 are answered
TRIES = 4                              # what else the machine does may take the processor away for longer than that


@pytest.mark.slow
def test_slow_clients_keep_nobody_out(tmp_path: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < DESCRIPTORS:
        pytest.skip("too few descriptors for so many clients")
    with Besieged(tmp_path) as besieged:
        state, before_bytes = besieged.digest(), besieged.daemon.rss_bytes()
        with ahead_of_others(besieged.daemon.pid), siege(besieged.port):
            time.sleep(SETTLE_S)
            slowest_s = []
            for _ in range(TRIES):
                took_s, peak_bytes = besieged.watch(SIEGE_S)
                assert peak_bytes - before_bytes < 50 * MIB
                slowest_s.append(sorted(took_s)[len(took_s) * 99 // 100])
                if slowest_s[-1] < PATIENT_S:
                    break
            assert min(slowest_s) < PATIENT_S, slowest_s
            assert besieged.digest() == state
