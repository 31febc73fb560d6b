"""Links that are given up when a swarm may have fewer."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.company import MAX_OF_SITE
from blobtorrent.core.swarm.messages import ChangeSwarm, SwarmSettings
from blobtorrent.core.swarm.shedding import SETTLED_S, least_useful, priority_of
from blobtorrent.core.swarm.standing import on_other_wants
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import PeerId
from blobtorrent.protocol.wire import messages as wire
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

TORRENT = StoredTorrent([1 << 20], 64 << 10)


def test_who_has_nothing_for_us_and_wants_nothing_goes_first_then_the_slowest():
    one = OneSwarm(TORRENT)
    slow, fast, idle = one.join(), one.join(), one.join([])
    fast.down.rate = 1000.0
    slow.up.rate = 10.0
    assert least_useful(one.swarm.links, 2) == [idle, slow]
    assert least_useful(one.swarm.links, 0) == least_useful(one.swarm.links, -5) == []


def test_a_swarm_that_may_have_fewer_links_closes_what_is_too_many_at_once():
    one = OneSwarm(TORRENT)
    links = [one.join([]) for _ in range(5)]
    useful = one.join()
    one.swarm.change(ChangeSwarm(TORRENT.metainfo.info_hash, SwarmSettings(max_links=2)))
    assert len(one.swarm.links) == 2
    assert useful in one.swarm.links
    assert {link.closing.code for link in links if link.closing} == {"net.too-many"}
    assert len(one.notes.closed) == 4


# ---- newcomers

OURS = "123.213.32.10"


def full(*hosts):
    """A swarm with old links to these hosts and room for no more."""
    one = OneSwarm(TORRENT, max_links=len(hosts), own_hosts=(OURS,))
    links = [one.join(dialled=Endpoint(host, 6881)) for host in hosts]
    one.notes.now += SETTLED_S + 1
    return one, links


def refusal(one, host):
    return one.swarm.refusal(Endpoint(host, 6881), PeerId(b"n" * 20), is_incoming=True)


def by_priority(*hosts):
    return sorted(hosts, key=lambda host: priority_of(Endpoint(host, 6881), (OURS,)))


def test_when_there_is_no_room_an_idle_link_gives_way_to_a_peer_of_higher_canonical_priority():
    low, middle, high = by_priority("98.76.54.32", "20.1.2.3", "30.4.5.6")
    one, links = full(low, high)
    assert refusal(one, middle) is None
    assert list(one.swarm.links) == [links[1]]


def test_a_peer_of_lower_canonical_priority_finds_no_room():
    low, middle, high = by_priority("98.76.54.32", "20.1.2.3", "30.4.5.6")
    one, links = full(middle, high)
    assert refusal(one, low).code == "peer.too-many"
    assert list(one.swarm.links) == links


def test_a_link_that_moves_something_or_is_new_stays_whatever_its_priority():
    low, high = by_priority("98.76.54.32", "20.1.2.3")
    one, (link,) = full(low)
    link.up.rate = 1.0
    assert refusal(one, high).code == "peer.too-many"
    link.up.rate = 0.0
    link.linked_at = one.notes.now
    assert refusal(one, high).code == "peer.too-many"


def test_while_nobody_has_told_us_our_address_only_links_of_no_use_give_way():
    one, (link,) = full("98.76.54.32")
    one.swarm.settings = one.swarm.settings._replace(own_hosts=())
    assert refusal(one, "20.1.2.3").code == "peer.too-many"
    one.swarm.pieces.want_all_but(one.swarm.all_mask)
    on_other_wants(one.swarm)          # and so neither side wants anything
    assert refusal(one, "20.1.2.3") is None


@pytest.mark.parametrize(("hosts", "fourth"), [
    (["20.1.2.3"] * MAX_OF_SITE, "20.1.2.3"), ([f"2a00:1:2:3::{number}" for number in (1, 2, 3)], "2a00:1:2:3::4"),
])
def test_an_address_of_the_internet_has_a_few_links_at_most(hosts, fourth):
    one, _ = full(*hosts, "30.4.5.6", "30.4.5.7")
    one.swarm.settings = one.swarm.settings._replace(max_links=50)
    assert refusal(one, fourth).code == "peer.too-many-of-address"
    assert refusal(one, "40.1.1.1") is None


def test_on_our_own_network_there_is_no_such_limit():
    one, _ = full(*["192.168.0.7"] * 5)
    one.swarm.settings = one.swarm.settings._replace(max_links=50)
    assert refusal(one, "192.168.0.7") is None


def test_who_may_ask_for_data_and_takes_none_gives_way_though_it_says_it_wants_some():
    *hosts, newcomer = by_priority("20.0.0.1", "20.0.0.2", "20.0.0.3")[::-1]
    one = OneSwarm(TORRENT, have=[0], max_links=2, own_hosts=(OURS,))
    links = [one.join([], dialled=Endpoint(host, 6881)) for host in hosts]
    one.notes.now += SETTLED_S + 1
    for link in links:
        one.tell(link, wire.Interested())
    assert refusal(one, newcomer).code == "peer.too-many"
    links[0].turn.is_asleep = True
    assert refusal(one, newcomer) is None
    assert links[0].closing is not None and links[1].closing is None
