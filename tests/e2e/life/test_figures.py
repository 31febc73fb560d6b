"""What a kill costs of the figures of a torrent that does nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blobtorrent.core.session.uptime import BEAT_S
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.seedbox import Seedbox

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample.bin", 4 * MIB, 256 * KIB)


def test_the_time_of_a_quiet_seed_is_counted_to_the_kill(sample: Sample, tmp_path: Path) -> None:
    with Seedbox(tmp_path) as seedbox:
        shutil.copy(sample.folder / "sample.bin", seedbox.downloads)
        seedbox.add(sample)
        seedbox.wait_state(sample, "seeding")
        before = seedbox.wait_until(sample, lambda status: status["seeding_s"] >= 3 * BEAT_S, "some time")
        seedbox.kill()
    with seedbox.again() as again:
        after = again.wait_state(sample, "seeding")
        # The last row is as old as the torrent: all the rest comes from the signs of life.
        assert after["seeding_s"] >= before["seeding_s"] - BEAT_S - 1
        assert after["active_s"] >= before["active_s"] - BEAT_S - 1
        again.end()
