"""A bug that shows in one swarm closes that one: the others of its host go on as if it had never been there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest

from blobtorrent.core.swarm.messages import RetireSwarm, SwarmReport, SwarmRetired, WantPieces
from blobtorrent.core.swarm.swarm import Swarm
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.simpeers import Manners
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World

K = 1024


class Bug(Exception):
    """What nobody expected."""


def failing(method: Callable[..., Any], passes: int, times: float) -> Callable[..., Any]:
    """The method, which fails after so many calls, for so many."""
    calls = itertools.count()

    def fail(*args: Any) -> Any:
        if passes <= next(calls) < passes + times:
            raise Bug
        return method(*args)

    return fail


def break_swarm(swarm: Swarm, what: str, passes: int) -> None:
    """From now on every pass fails, or one in the middle of its work."""
    if what == "flush":
        swarm.flush = failing(swarm.flush, passes, math.inf)  # type: ignore[method-assign]
    else:
        swarm.completion.hash_finished = failing(  # type: ignore[method-assign]
            swarm.completion.hash_finished, passes, 1)


@pytest.mark.parametrize("what", ["flush", "hash_finished"])
@pytest.mark.parametrize("passes", [0, 3])
def test_a_bug_in_one_swarm_closes_it_and_leaves_the_others_alone(
    what: str, passes: int, caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(1)
    torrents = [StoredTorrent([4_000_000], 64 * K, seed=number) for number in range(3)]
    node = world.node()
    for torrent in torrents:
        node.open(torrent)
        node.find(torrent, [world.seed_peer(torrent, Manners(bytes_per_s=2e6)).endpoint])
    bad = torrents[1]
    world.run_until(lambda: bad.metainfo.info_hash in node.host._swarms, 5.0, "it opens")
    break_swarm(node.swarm(bad), what, passes)
    world.run_until_complete(torrents[0], [node], 30.0)
    world.run_until_complete(torrents[2], [node], 30.0)
    report = node.latest[bad.metainfo.info_hash]
    assert (report.error_code, node.swarm(bad).links, node.swarm(bad).is_open) == ("bug.swarm", {}, False)
    assert bad.metainfo.info_hash not in node.served
    assert "Bug" in caplog.text
    world.run(5.0)
    assert node.latest[bad.metainfo.info_hash] is report, "nothing takes the error back"
    node.close(bad)
    world.run_until(lambda: bool(node.closed), 10.0, "the failed one is closed as any other is")
    node.reopen(bad)
    node.find(bad, [world.seed_peer(bad).endpoint])
    world.run_until_complete(bad, [node], 30.0)


def test_a_swarm_that_failed_still_answers_the_core() -> None:
    world, torrent = World(1), StoredTorrent([400_000], 64 * K)
    node = world.node()
    node.open(torrent)
    world.run(1.0)
    break_swarm(node.swarm(torrent), "flush", 0)
    info_hash = torrent.metainfo.info_hash
    node.tell(WantPieces(info_hash, 2, {}))
    world.run(1.0)
    assert node.latest[info_hash].error_code == "bug.swarm"
    answers: Mailbox[Any] = Mailbox("answers")
    node.tell(WantPieces(info_hash, 1, {}))
    node.tell(RetireSwarm(info_hash, 60.0, answers))
    world.run(1.0)
    assert [type(answer) for answer in answers.drain()] == [SwarmRetired]
    assert isinstance(node.latest[info_hash], SwarmReport)
    node.close(torrent)
    world.run_until(lambda: bool(node.closed), 10.0, "it closes")
    node.assert_empty()
