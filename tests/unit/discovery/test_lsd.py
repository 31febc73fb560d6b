"""Local discovery: on which networks, whom it hears. Sockets are another test's."""

from __future__ import annotations

import pytest

from blobtorrent.discovery.lsd import LocalDiscovery, networks_of
from blobtorrent.discovery.lsdmessages import AnnounceLocally, FoundLocally, HushLocally
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.protocol.lsd import GROUP_V4, LocalAnnouncement
from blobtorrent.protocol.netlink import Answer, Link, OwnAddress
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import TimerWheel

TORRENT, OTHER = InfoHash(v1=b"1" * 20, v2=b"2" * 32), InfoHash(v1=b"3" * 20)
EVERYWHERE = (("0.0.0.0", 6881), ("::", 6882))


def system(*, is_up=True):
    answer = Answer()
    answer.links = [Link(1, "lo", True, True, False), Link(2, "eth0", is_up, False, True),
                    Link(3, "vpn", True, False, True)]
    answer.addresses = [OwnAddress(1, "127.0.0.1", 8, False), OwnAddress(2, "192.168.1.2", 24, False),
                        OwnAddress(2, "fe80::2", 64, True), OwnAddress(3, "10.8.0.2", 16, False)]
    return answer


def hosts(listeners, sources=(), **facts):
    return [(network.host, network.port) for network in networks_of(system(**facts), listeners, sources)]


def test_who_listens_everywhere_is_there_on_every_network_but_this_machine():
    assert hosts(EVERYWHERE) == [("192.168.1.2", 6881), ("fe80::2", 6882), ("10.8.0.2", 6881)]


def test_who_listens_at_an_address_is_there_on_its_network_only():
    assert hosts((("10.8.0.2", 7),)) == [("10.8.0.2", 7)]
    assert hosts((("127.0.0.1", 7),)) == [("127.0.0.1", 7)]


def test_who_is_bound_to_an_interface_is_on_no_other():
    assert hosts(EVERYWHERE, ("10.8.0.2",)) == [("10.8.0.2", 6881)]


def test_an_interface_that_is_down_has_no_network():
    assert ("192.168.1.2", 6881) not in hosts(EVERYWHERE, is_up=False)


class Udp:
    """The thread, without its loop."""

    def __init__(self):
        self.now, self.timers, self.handlers, self.loop = 0.0, TimerWheel(), {}, self

    def handle(self, kind, handler):
        self.handlers[kind] = handler

    def at_stop(self, step):
        pass

    def tell(self, message):
        self.handlers[type(message)](message)


class Deaf(LocalDiscovery):
    """Sends and joins nothing."""

    def _socket(self, is_ipv6):
        raise OSError("no sockets here")


@pytest.fixture
def discovery():
    udp, inbox = Udp(), Mailbox("core")
    made = Deaf(udp, ANYWHERE, "ours", system)
    udp.tell(AnnounceLocally((TORRENT,), EVERYWHERE, inbox))
    udp.timers.expire(0.0)
    made.udp, made.inbox = udp, inbox
    return made


def hear(discovery, host, *, port=6881, hashes=(b"1" * 20,), cookie="theirs", zone=0):
    discovery.on_datagram(LocalAnnouncement(port, hashes, cookie).encode(GROUP_V4), (host, 6771, 0, zone))
    return discovery.inbox.drain()


def test_who_announces_a_torrent_of_ours_is_found_at_its_address_and_port(discovery):
    assert hear(discovery, "192.168.1.9", port=7) == [FoundLocally(TORRENT, Endpoint("192.168.1.9", 7))]


def test_the_short_form_of_a_v2_hash_is_known_and_a_hybrid_torrent_found_once(discovery):
    assert hear(discovery, "192.168.1.9", hashes=(b"2" * 20, b"1" * 20)) == [
        FoundLocally(TORRENT, Endpoint("192.168.1.9", 6881))]


def test_nothing_is_made_of_other_torrents_of_our_own_words_and_of_strangers(discovery):
    assert hear(discovery, "192.168.1.9", hashes=(OTHER.v1,)) == []
    assert hear(discovery, "192.168.1.9", cookie="ours") == []
    assert hear(discovery, "192.168.2.9") == []
    assert hear(discovery, "20.1.1.1") == []
    discovery.on_datagram(b"rubbish", ("192.168.1.9", 6771))
    assert discovery.inbox.drain() == []


def test_of_a_torrent_that_was_hushed_nobody_is_found(discovery):
    discovery.udp.tell(HushLocally((TORRENT,)))
    assert hear(discovery, "192.168.1.9") == []
    assert discovery.udp.timers.next_deadline() is None


def test_other_listeners_count_at_once(discovery):
    discovery.udp.tell(AnnounceLocally((), (("10.8.0.2", 7),), discovery.inbox))
    discovery.udp.timers.expire(discovery.udp.now)
    assert hear(discovery, "192.168.1.9") == []
    assert hear(discovery, "10.8.9.9") == [FoundLocally(TORRENT, Endpoint("10.8.9.9", 6881))]


def test_a_datagram_from_an_interface_that_has_gone_is_dropped(discovery):
    assert hear(discovery, "fe80::9", zone=999_999) == []
    assert hear(discovery, "192.168.1.9") != []
