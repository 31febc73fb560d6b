"""Two thousand clients who are in no hurry keep nobody else from a daemon, and cost it little."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from tests.support.besieged import Besieged
from tests.support.payload import MIB
from tests.support.slowclients import DESCRIPTORS, siege

SETTLE_S = 3.0
SIEGE_S, LONG_SIEGE_S = 20.0, 60.0


@pytest.mark.slow
@pytest.mark.alone
def test_slow_clients_keep_nobody_out(tmp_path: Path, is_full_run: bool) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < DESCRIPTORS:
        pytest.skip("too few descriptors for so many clients")
    with Besieged(tmp_path) as besieged:
        state, before_bytes = besieged.digest(), besieged.daemon.rss_bytes()
        with siege(besieged.port):
            time.sleep(SETTLE_S)
            took_s, peak_bytes = besieged.watch(LONG_SIEGE_S if is_full_run else SIEGE_S)
            assert besieged.digest() == state
    took_s.sort()
    assert took_s[len(took_s) * 99 // 100] < 0.2, took_s[-10:]
    assert peak_bytes - before_bytes < 50 * MIB
