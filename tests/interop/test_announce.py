"""Announces and scrapes to opentracker, over HTTP and UDP: a real tracker understands us, and we it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from blobtorrent.discovery.messages import Announce, AnnounceDone, Scrape, ScrapeDone
from blobtorrent.discovery.outcall import Outcalls
from blobtorrent.discovery.udp_tracker import UdpTrackers
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.network.udp import UdpLoop
from blobtorrent.protocol.tracker.announce import AnnounceEvent, AnnounceQuery, SwarmCounts
from blobtorrent.runtime.mailbox import Mailbox
from tests.conftest import require_tool
from tests.support.peers.tracker import Opentracker

WAIT_S = 20.0
TORRENT = InfoHash(v1=bytes(range(0, 260, 13)))
STRANGER = b"x" * 20
SEED = AnnounceQuery(
    wire_hash=bytes(range(0, 260, 13)), peer_id=PeerId(b"-BQ0100-seedseedseed"), port=7001, uploaded=0, downloaded=0,
    left=0, event=AnnounceEvent.STARTED, key=1,
)
LEECH = SEED._replace(peer_id=PeerId(b"-BQ0100-leechleech\0\xff"), port=7002, left=100, key=2)

Post = Callable[[Any], Any]


@pytest.fixture(params=["http", "udp"])
def asked(request: pytest.FixtureRequest) -> Iterator[tuple[Opentracker, str, Post]]:
    """A tracker, its URL by one protocol, and who asks it."""
    require_tool("opentracker")
    outcalls, udp = Outcalls(ANYWHERE), UdpLoop(ANYWHERE)
    UdpTrackers(udp, outcalls.mailbox.post, random.SystemRandom().getrandbits, ANYWHERE.admits)
    outcalls.start()
    udp.start()
    with Opentracker([SEED.wire_hash]) as tracker:
        box: Mailbox[Any] = Mailbox("test")

        def post(order: Any) -> Any:
            (outcalls if request.param == "http" else udp).mailbox.post(order._replace(reply_to=box))
            return box.get(WAIT_S)

        url = tracker.url if request.param == "http" else tracker.udp_url
        yield tracker, url, post
    assert udp.stop(WAIT_S) and outcalls.stop(WAIT_S)


def announce(post: Post, url: str, query: AnnounceQuery) -> AnnounceDone:
    done = post(Announce(TORRENT, url, query, Mailbox("unused"), 10.0))
    assert isinstance(done, AnnounceDone)
    return done


def test_peers_of_a_torrent_find_each_other_through_opentracker(asked: tuple[Opentracker, str, Post]) -> None:
    tracker, url, post = asked
    announce(post, url, SEED)
    found = announce(post, url, LEECH)
    assert found.reply is not None
    assert Endpoint("127.0.0.1", 7001) in found.endpoints
    assert (found.reply.seeds, found.reply.leechers) == (1, 1)
    assert tracker.count(SEED.wire_hash) == (1, 1)


def test_opentracker_counts_a_completed_peer_as_a_seed_and_forgets_a_stopped_one(
        asked: tuple[Opentracker, str, Post]) -> None:
    tracker, url, post = asked
    announce(post, url, LEECH)
    announce(post, url, LEECH._replace(event=AnnounceEvent.COMPLETED, left=0, downloaded=100))
    assert tracker.count(SEED.wire_hash) == (1, 0)
    announce(post, url, LEECH._replace(event=AnnounceEvent.STOPPED, left=0, downloaded=100, num_want=0))
    assert tracker.count(SEED.wire_hash) == (0, 0)


def test_opentracker_tells_how_large_a_swarm_is(asked: tuple[Opentracker, str, Post]) -> None:
    _, url, post = asked
    announce(post, url, SEED)
    announce(post, url, LEECH)
    done = post(Scrape(url, (SEED.wire_hash,), Mailbox("unused"), 10.0))
    assert isinstance(done, ScrapeDone) and done.error is None
    assert done.counts == {SEED.wire_hash: SwarmCounts(1, 1, 0)}


def test_opentracker_does_not_serve_what_is_not_on_its_list(asked: tuple[Opentracker, str, Post]) -> None:
    _, url, post = asked
    refused = announce(post, url, SEED._replace(wire_hash=STRANGER))
    assert refused.error is not None
    # Over UDP it sends an announce's head without anything behind it.
    assert refused.error.code == ("tracker.unregistered" if url.startswith("http") else "tracker.bad-reply")
