"""Names that stand for peers: looked up while somebody wants them, renewed, and asked again after failures."""

from __future__ import annotations

import random
from types import SimpleNamespace

from blobtorrent.core.session.peernames import FIRST_RETRY_S, LONGEST_RETRY_S, RENEW_S, PeerNames
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.discovery.messages import PeersResolved, ResolvePeers
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import TimerWheel

FLEET, OTHER = "_bittorrent._tcp.fleet.example", "node.example:6881"
NODES = (Endpoint("10.0.0.1", 6881), Endpoint("fd00::2", 6881))
FAILURE = NetworkError("net.no-such-host", "nobody knows")


class Running:
    """A session with torrents and no threads."""

    def __init__(self, *common):
        self.outcalls, self.inbox, self.told = Mailbox("outcalls"), Mailbox("core"), []
        self.clock, self.timers = FakeClock(), TimerWheel()
        self.swarms = SimpleNamespace(at_close=[], tell_peers=self._tell)
        self.names = PeerNames(
            SimpleNamespace(outcalls=self.outcalls, inbox=self.inbox), self.swarms, common, clock=self.clock,
            timers=self.timers, rng=random.Random(1))

    def _tell(self, torrent, endpoints, source):
        if endpoints:
            self.told.append((torrent, endpoints, source))

    def open(self, number=1, *names, is_private=False):
        torrent = SimpleNamespace(
            info_hash=InfoHash(v1=bytes((number,)) * 20),
            record=SimpleNamespace(facts=SimpleNamespace(is_private=is_private),
                                   wishes=SimpleNamespace(peer_names=names)))
        self.names.begin(torrent)
        return torrent

    def close(self, torrent):
        for step in self.swarms.at_close:
            step(torrent)

    def asked(self):
        return [order.name for order in self.outcalls.drain() if isinstance(order, ResolvePeers)]

    def answer(self, name, endpoints=NODES, error=None):
        self.names.on_resolved(PeersResolved(name, () if error else endpoints, error))

    def pass_time(self, seconds):
        self.clock.advance(seconds)
        self.timers.expire(self.clock.now())


def test_a_name_is_looked_up_once_for_all_torrents_and_all_are_told():
    running = Running(FLEET)
    first, second = running.open(1), running.open(2)
    assert running.asked() == [FLEET]
    running.answer(FLEET)
    assert running.told == [(first, NODES, PeerSource.DNS), (second, NODES, PeerSource.DNS)]
    third = running.open(3)
    assert running.asked() == [] and running.told[-1] == (third, NODES, PeerSource.DNS)


def test_a_name_is_looked_up_again_and_news_are_told():
    running = Running(FLEET)
    torrent = running.open()
    running.answer(FLEET)
    running.asked()
    running.pass_time(RENEW_S * 0.89)
    assert running.asked() == []
    running.pass_time(RENEW_S * 0.22)
    assert running.asked() == [FLEET]
    running.answer(FLEET, NODES[:1])
    assert running.told[-1] == (torrent, NODES[:1], PeerSource.DNS)


def test_after_failures_it_is_asked_later_and_later_and_what_was_known_is_not_forgotten():
    running = Running(FLEET)
    running.open()
    running.answer(FLEET)
    running.pass_time(2 * RENEW_S)
    running.asked()
    waits = []
    for _ in range(9):
        running.answer(FLEET, error=FAILURE)
        waited = 0.0
        while not running.asked():
            running.pass_time(1.0)
            waited += 1.0
        waits.append(waited)
    assert all(abs(waited - min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** number)) <= 0.1 * waited + 1.0
               for number, waited in enumerate(waits))
    late = running.open(2)
    assert running.told[-1] == (late, NODES, PeerSource.DNS)


def test_while_nobody_wants_a_name_it_is_not_looked_up():
    running = Running(FLEET)
    torrent = running.open(1, OTHER)
    running.asked()
    running.answer(FLEET)
    running.close(torrent)
    running.answer(OTHER)
    running.pass_time(10 * RENEW_S)
    assert running.asked() == [] and running.timers.next_deadline() is None
    running.open(1, OTHER)
    assert set(running.asked()) == {FLEET, OTHER}


def test_the_names_of_the_settings_are_not_for_private_torrents_and_its_own_are():
    running = Running(FLEET)
    running.open(1, OTHER, is_private=True)
    assert running.asked() == [OTHER]


def test_a_link_that_turns_out_to_be_of_a_private_torrent_is_told_no_more():
    running = Running(FLEET)
    running.open(1)
    torrent = running.open(1, is_private=True)
    running.answer(FLEET)
    assert running.told == [] and running.names.statuses(torrent) == ()


def test_other_settings_count_for_running_torrents_at_once():
    running = Running(FLEET)
    torrent = running.open()
    running.answer(FLEET)
    running.asked()
    running.names.apply((OTHER,))
    assert running.asked() == [OTHER]
    assert [status.name for status in running.names.statuses(torrent)] == [OTHER]


def test_how_a_name_stands_can_be_told():
    running = Running(FLEET)
    torrent = running.open()
    (status,) = running.names.statuses(torrent)
    assert (status.state, status.addresses, status.next_s) == ("asking", 0, None)
    running.answer(FLEET, error=FAILURE)
    (status,) = running.names.statuses(torrent)
    assert (status.state, status.error_code) == ("backoff", "net.no-such-host") and status.next_s > 0
    running.pass_time(2 * FIRST_RETRY_S)
    running.answer(FLEET)
    (status,) = running.names.statuses(torrent)
    assert (status.state, status.addresses, status.error_code) == ("known", 2, "")
