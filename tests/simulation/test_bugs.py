"""A bug that shows in one swarm closes that one: the others of its host go on as if it had never been there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from hashlib import sha1
from typing import Any

import pytest

from blobtorrent.core.swarm.messages import RetireSwarm, SwarmReport, SwarmRetired, WantPieces
from blobtorrent.core.swarm.metadatamessages import CloseMetadata
from blobtorrent.core.swarm.swarm import Swarm
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.simpeers import Manners
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World

K = 1024


class Bug(Exception):
    """What nobody expected."""


def failing(method: Callable[..., Any], passes: int, times: float) -> Callable[..., Any]:
    """The method, which fails after so many calls, for so many, when it has done its work."""
    calls = itertools.count()

    def fail(*args: Any, **more: Any) -> Any:
        result = method(*args, **more)
        if passes <= next(calls) < passes + times:
            raise Bug
        return result

    return fail


# A method of a swarm, and how often it fails.
BREAKS = {
    "every pass": ("flush", math.inf),
    "one pass in the middle of its work": ("completion.hash_finished", 1),
    "a message": ("completion.on_verdicts", 1),
    "what a peer sends": ("talk.on_messages", math.inf),
    "a pulse": ("unfinished.keep", 1),
    "a timer": ("haves.tell_everybody", 1),
    "a link that ends": ("_forget", math.inf),
    "a word of the send thread": ("on_sent", 1),
}


def break_swarm(swarm: Swarm, what: str, passes: int) -> None:
    """From now on, after so many calls, it fails there."""
    (*path, name), times = BREAKS[what][0].split("."), BREAKS[what][1]
    part: Any = swarm
    for step in path:
        part = getattr(part, step)
    setattr(part, name, failing(getattr(part, name), passes, times))


@pytest.mark.parametrize("what", BREAKS)
@pytest.mark.parametrize("passes", [0, 1])
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
    taker = world.node()
    taker.open(bad)
    taker.find(bad, [node.endpoint])
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
    break_swarm(node.swarm(torrent), "every pass", 0)
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


@pytest.mark.parametrize("what", ["manager.requests", "manager.offer", "peers.to_dial"])
def test_a_bug_while_metadata_is_sought_is_told_and_leaves_the_others_alone(what: str) -> None:
    world, torrents = World(1), [StoredTorrent([400_000], 64 * K, seed=number) for number in range(2)]
    source, node = world.node(), world.node()
    for number, torrent in enumerate(torrents):
        info = bytes([number]) * 1000
        torrent.metainfo = torrent.metainfo._replace(raw_info=info, info_hash=InfoHash(v1=sha1(info).digest()))
        source.open(torrent, have=True)
        node.ask_what_it_is(torrent)
    world.run(1.0)
    bad, good = torrents
    assert node.host._metadata is not None
    part, name = what.split(".")
    owner = getattr(node.host._metadata._swarms[bad.metainfo.info_hash], part)
    setattr(owner, name, failing(getattr(owner, name), 0, math.inf))
    for torrent in torrents:
        node.find(torrent, [source.endpoint])
    world.run_until(lambda: good.metainfo.info_hash in node.metadata, 10.0, "the other one is found")
    world.run(2.0)
    assert node.failed == {bad.metainfo.info_hash}
    node.tell(CloseMetadata(bad.metainfo.info_hash))
    node.open(good)
    world.run_until_complete(good, [node], 30.0)
    assert bad.metainfo.info_hash not in node.served
