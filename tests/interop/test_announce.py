"""Announces to opentracker: a real tracker understands us, and we it."""

from __future__ import annotations

from blobtorrent.discovery.http_tracker import HttpTrackers
from blobtorrent.discovery.messages import Announce
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import TrackerError
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.protocol.tracker.announce import AnnounceEvent, AnnounceQuery
from blobtorrent.runtime.clock import SystemClock
from blobtorrent.runtime.mailbox import Mailbox
from tests.conftest import require_tool
from tests.support.peers.program import wait_until
from tests.support.peers.tracker import Opentracker

TORRENT = InfoHash(v1=bytes(range(0, 260, 13)))
SEED = AnnounceQuery(
    wire_hash=TORRENT.v1, peer_id=PeerId(b"-BQ0100-seedseedseed"), port=7001, uploaded=0, downloaded=0, left=0,
    event=AnnounceEvent.STARTED, key=1,
)
LEECH = SEED._replace(peer_id=PeerId(b"-BQ0100-leechleech\0\xff"), port=7002, left=100, key=2)


def announce(tracker, query):
    return HttpTrackers(SystemClock()).announce(Announce(TORRENT, tracker.url, query, Mailbox("test")))


def wait_for_whitelist(tracker):
    """opentracker listens before it has read its whitelist, and refuses every torrent until then."""
    def is_read():
        try:
            announce(tracker, LEECH._replace(event=AnnounceEvent.STOPPED, num_want=0))
        except TrackerError as error:
            assert error.code == "tracker.refused"
            return False
        return True

    wait_until(is_read, 10.0, "the whitelist")


def test_peers_of_a_torrent_find_each_other_through_opentracker():
    require_tool("opentracker")
    with Opentracker([TORRENT.v1]) as tracker:
        wait_for_whitelist(tracker)
        announce(tracker, SEED)
        found = announce(tracker, LEECH)
        assert Endpoint("127.0.0.1", 7001) in found.endpoints
        assert (found.reply.seeds, found.reply.leechers) == (1, 1)
        assert tracker.count(TORRENT.v1) == (1, 1)


def test_opentracker_counts_a_completed_peer_as_a_seed_and_forgets_a_stopped_one():
    require_tool("opentracker")
    with Opentracker([TORRENT.v1]) as tracker:
        wait_for_whitelist(tracker)
        announce(tracker, LEECH)
        announce(tracker, LEECH._replace(event=AnnounceEvent.COMPLETED, left=0, downloaded=100))
        assert tracker.count(TORRENT.v1) == (1, 0)
        announce(tracker, LEECH._replace(event=AnnounceEvent.STOPPED, left=0, downloaded=100, num_want=0))
        assert tracker.count(TORRENT.v1) == (0, 0)
