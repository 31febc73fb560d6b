"""Which torrents are announced on the local network."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from blobtorrent.core.session.locals import GATHER_S, LocalManager
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.discovery.lsdmessages import AnnounceLocally, FoundLocally, HushLocally
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import TimerWheel

EVERYWHERE = (("0.0.0.0", 6881),)
PEER = Endpoint("192.168.1.9", 6881)


class Running:
    """A session with torrents and no threads."""

    def __init__(self, listeners=EVERYWHERE, *, allow_loopback=False):
        self.udp, self.inbox = Mailbox("udp"), Mailbox("core")
        self.torrents, self.messages, self.told = {}, {}, []
        self.clock, self.timers, self.listeners = FakeClock(), TimerWheel(), listeners
        self.swarms = SimpleNamespace(
            at_open=[], at_close=[], tell_peers=lambda *told: self.told.append(told))
        self.manager = LocalManager(
            self.torrents, SimpleNamespace(udp=self.udp, inbox=self.inbox), self.swarms, lambda: self.listeners,
            self.messages, allow_loopback=allow_loopback, clock=self.clock, timers=self.timers)

    def open(self, number, *, is_private=False):
        torrent = SimpleNamespace(
            info_hash=InfoHash(v1=bytes((number,)) * 20),
            record=SimpleNamespace(facts=SimpleNamespace(is_private=is_private)))
        self.torrents[torrent.info_hash] = torrent
        for step in self.swarms.at_open:
            step(torrent)
        return torrent

    def close(self, torrent):
        for step in self.swarms.at_close:
            step(torrent)

    def later(self):
        self.clock.advance(GATHER_S)
        self.timers.expire(self.clock.now())
        return self.udp.drain()


def test_torrents_that_start_together_are_announced_together():
    running = Running()
    first, second = running.open(1), running.open(2)
    assert running.udp.drain() == []
    assert running.later() == [AnnounceLocally((first.info_hash, second.info_hash), EVERYWHERE, running.inbox)]


def test_of_a_private_torrent_nothing_is_said():
    running = Running()
    running.open(1, is_private=True)
    assert running.later() == []


def test_a_link_that_turns_out_to_be_of_a_private_torrent_is_hushed_at_once():
    running = Running()
    torrent = running.open(1)
    running.later()
    running.open(1, is_private=True)
    assert running.udp.drain() == [HushLocally((torrent.info_hash,))]


def test_a_torrent_that_stops_is_hushed_or_not_announced_at_all():
    running = Running()
    first = running.open(1)
    running.later()
    running.close(first)
    assert running.udp.drain() == [HushLocally((first.info_hash,))]
    running.close(running.open(2))
    assert running.later() == []


@pytest.mark.parametrize(("listeners", "allow_loopback", "announced"), [
    ((), True, ()),
    ((("127.0.0.1", 1), ("::1", 1)), False, ()),
    ((("127.0.0.1", 1),), True, (("127.0.0.1", 1),)),
    ((("127.0.0.1", 1), ("192.168.1.2", 2)), False, (("192.168.1.2", 2),)),
])
def test_it_is_announced_where_somebody_could_come(listeners, allow_loopback, announced):
    running = Running(listeners, allow_loopback=allow_loopback)
    running.open(1)
    assert [message.listeners for message in running.later()] == [announced] * bool(announced)


def test_what_could_not_be_announced_is_when_somebody_can_come():
    running = Running(())
    torrent = running.open(1)
    assert running.later() == []
    running.listeners = EVERYWHERE
    running.manager.on_listeners()
    assert running.later() == [AnnounceLocally((torrent.info_hash,), EVERYWHERE, running.inbox)]


def test_other_listeners_are_told_at_once_and_the_same_ones_not_again():
    running = Running()
    running.open(1)
    running.later()
    running.manager.on_listeners()
    assert running.later() == []
    running.listeners = (("0.0.0.0", 7000),)
    running.manager.on_listeners()
    assert running.later() == [AnnounceLocally((), (("0.0.0.0", 7000),), running.inbox)]


def test_without_torrents_listeners_are_nobodys_business():
    running = Running(())
    running.listeners = EVERYWHERE
    running.manager.on_listeners()
    assert running.later() == []


def test_who_is_found_is_told_to_the_torrent_while_it_runs():
    running = Running()
    torrent = running.open(1)
    running.later()
    found = FoundLocally(torrent.info_hash, PEER)
    running.messages[FoundLocally](found)
    running.close(torrent)
    running.messages[FoundLocally](found)
    assert running.told == [(torrent, (PEER,), PeerSource.LSD)]
