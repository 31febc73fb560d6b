"""Who runs and who waits, under the limits of the queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.seedbox import Seedbox
from tests.support.tools import require_module

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = tmp_path_factory.mktemp("samples")
    return [make_sample(folder, f"sample-{number}", MIB + number, 256 * KIB, seed=number) for number in range(3)]


def states(seedbox: Seedbox, samples: list[Sample]) -> list[str]:
    return [seedbox.status(sample)["state"] for sample in samples]


def test_a_limit_on_downloads_holds_the_rest_until_it_is_raised(samples: list[Sample], tmp_path: Path) -> None:
    with Seedbox(tmp_path, settings="[queue]\nactive_downloads = 1\n") as seedbox:
        for sample, priority in zip(samples, (0, 0, 5)):
            seedbox.add(sample, start=False, priority=priority)
        for sample in samples:
            seedbox.order(sample, "start")
        seedbox.wait_state(samples[2], "downloading")
        seedbox.wait_state(samples[0], "queued")
        assert seedbox.status(samples[1])["held_by"] == "queue"
        seedbox.reload("[queue]\nactive_downloads = 2\n")
        seedbox.wait_state(samples[0], "downloading")
        assert states(seedbox, samples) == ["downloading", "queued", "downloading"]
        seedbox.order(samples[2], "stop")
        seedbox.wait_state(samples[1], "downloading")
        seedbox.reload("[queue]\nactive_downloads = 1\n")
        seedbox.wait_state(samples[1], "queued")
        assert states(seedbox, samples) == ["downloading", "queued", "stopped"]
        seedbox.change(samples[1], priority=1)
        seedbox.wait_state(samples[1], "downloading")
        seedbox.wait_state(samples[0], "queued")
        seedbox.end()


def test_a_limit_on_seeds_does_not_hold_downloads(samples: list[Sample], tmp_path: Path) -> None:
    seeds, download = samples[:2], samples[2]
    with Seedbox(tmp_path, settings="[queue]\nactive_seeds = 1\n") as seedbox:
        for sample in samples:
            seedbox.add(sample, **({} if sample is download else {"download_dir": str(sample.folder)}))
        seedbox.wait_state(seeds[0], "seeding")
        seedbox.wait_state(seeds[1], "queued")
        seedbox.wait_state(download, "downloading")
        seedbox.remove(seeds[0])
        seedbox.wait_state(seeds[1], "seeding")


def test_a_stalled_torrent_holds_no_slot_and_goes_on_all_the_same(samples: list[Sample], tmp_path: Path) -> None:
    require_module("libtorrent")
    stalled, waiting, _ = samples
    settings = "[queue]\nactive_downloads = 1\nstalled_after_s = 10\n"
    with MeasuredPeer(waiting) as peer, Seedbox(tmp_path, settings=settings) as seedbox:
        seedbox.add(stalled)
        seedbox.wait_state(stalled, "downloading")
        seedbox.add(waiting, peers=[peer.endpoint])
        seedbox.wait_state(waiting, "queued")
        seedbox.wait_state(waiting, "seeding")
        assert seedbox.status(stalled)["state"] == "downloading"
