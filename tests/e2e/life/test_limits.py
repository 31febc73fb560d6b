"""How fast, and with how many: limits of groups, torrents and times of the week, and the number of connections."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.program import wait_until
from tests.support.peers.seedbox import PATIENCE_S, Seedbox
from tests.support.tools import require_module

pytestmark = pytest.mark.interop

SETTLE_S, SECONDS = 2.0, 3.0           # what sockets hold of a link comes at the old rate
GROUPS = "[groups.slow]\ndown_bytes_per_s = '1 MiB/s'\n"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = tmp_path_factory.mktemp("samples")
    return [make_sample(folder, f"sample-{number}", 64 * MIB, 256 * KIB, seed=number) for number in range(3)]


@pytest.fixture
def peers(samples: list[Sample]) -> Iterator[list[MeasuredPeer]]:
    require_module("libtorrent")
    with ExitStack() as stack:
        yield [stack.enter_context(MeasuredPeer(sample, bytes_per_s=4 * MIB)) for sample in samples]


def mib_per_s(peers: Sequence[MeasuredPeer]) -> list[float]:
    """What each gives when a new limit holds."""
    time.sleep(SETTLE_S)
    begun_at, before = time.monotonic(), [peer.sent_bytes for peer in peers]
    time.sleep(SECONDS)
    passed = time.monotonic() - begun_at
    return [(peer.sent_bytes - sent) / passed / MIB for peer, sent in zip(peers, before, strict=True)]


def settled(seedbox: Seedbox, samples: Sequence[Sample], peers: Sequence[MeasuredPeer]) -> None:
    for sample, peer in zip(samples, peers, strict=True):
        seedbox.add(sample, peers=[peer.endpoint])
    wait_until(lambda: all(peer.sent_bytes > MIB for peer in peers), PATIENCE_S, "all to move")


def test_limits_of_groups_and_torrents_hold_side_by_side_and_at_once(
    samples: list[Sample], peers: list[MeasuredPeer], tmp_path: Path
) -> None:
    with Seedbox(tmp_path, settings=GROUPS) as seedbox:
        settled(seedbox, samples, peers)
        for sample in samples[:2]:
            seedbox.change(sample, group="slow")
        first, second, free = mib_per_s(peers)
        assert first + second == pytest.approx(1.0, rel=0.15)
        assert min(first, second) > 0.3
        assert free > 3.0
        seedbox.change(samples[2], down_limit_bytes_per_s="512 KiB/s")
        seedbox.reload("[groups.slow]\ndown_bytes_per_s = '3 MiB/s'\n")
        first, second, limited = mib_per_s(peers)
        assert first + second == pytest.approx(3.0, rel=0.15)
        assert limited == pytest.approx(0.5, rel=0.15)


def test_other_limits_hold_at_times_of_the_week_unless_peers_are_local(
    samples: list[Sample], peers: list[MeasuredPeer], tmp_path: Path
) -> None:
    sample, peer = samples[0], peers[0]
    alternative = (
        "[limits]\nalternative = 'scheduled'\nalternative_down_bytes_per_s = '1 MiB/s'\n"
        "alternative_schedule = ['daily 00:00-12:00', 'daily 12:00-24:00']\n")
    with Seedbox(tmp_path) as seedbox:
        settled(seedbox, [sample], [peer])
        seedbox.reload(alternative)
        seedbox.wait_logged("the alternative limits hold")
        assert mib_per_s([peer]) == [pytest.approx(1.0, rel=0.15)]
        seedbox.reload(alternative + "exempt_local = true\n")
        assert mib_per_s([peer])[0] > 3.0
        seedbox.end()


def test_no_more_connections_are_kept_than_allowed(samples: list[Sample], tmp_path: Path) -> None:
    require_module("libtorrent")
    sample = samples[0]
    with ExitStack() as stack:
        seedbox = stack.enter_context(Seedbox(tmp_path, settings="[network]\nmax_peers = 2\n"))
        many = [stack.enter_context(MeasuredPeer(sample, bytes_per_s=MIB)) for _ in range(4)]
        seedbox.add(sample, peers=[peer.endpoint for peer in many])
        seedbox.wait_until(sample, lambda status: status["peers_connected"] == 2, "two links")
        assert sum(peer.num_links for peer in many) == 2
        seedbox.reload("[network]\nmax_peers = 4\n")
        seedbox.wait_until(sample, lambda status: status["peers_connected"] == 4, "all of them")
        seedbox.reload("[network]\nmax_peers = 1\n")
        seedbox.wait_until(sample, lambda status: status["peers_connected"] == 1, "one link")
