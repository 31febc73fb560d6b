"""Half-made connections: how many there are, from where, and whose place is given away first."""

from __future__ import annotations

import socket

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.network.arrival import Arrival
from blobtorrent.network.messages import Dial
from blobtorrent.network.visits import Visit, Visits
from blobtorrent.runtime.mailbox import Mailbox

HERE = Endpoint("127.0.0.1", 6881)
DIAL = Dial(HERE, InfoHash(v1=b"1" * 20), PeerId(b"o" * 20), Mailbox("test"))


@pytest.fixture
def sock():
    with socket.socket() as sock:
        yield sock


def incoming(sock, site="127.0.0.1"):
    return Visit(sock, HERE, Arrival(None, {}.get), site)


def outgoing(sock):
    return Visit(sock, HERE, Arrival(DIAL, {}.get))


def test_places_are_counted_by_direction_and_site_until_they_are_given_up(sock):
    visits, mine = Visits(), [incoming(sock), outgoing(sock), incoming(sock), incoming(sock, "127.0.0.2")]
    for visit in mine:
        visits.add(visit)
    assert (len(visits), visits.incoming, visits.outgoing) == (4, 3, 1)
    assert [visits.of_site(site) for site in ("127.0.0.1", "127.0.0.2", "127.0.0.3")] == [2, 1, 0]
    for visit in mine[:3]:
        visits.remove(visit)
    assert (list(visits), visits.incoming, visits.outgoing, visits.of_site("127.0.0.1")) == (mine[3:], 1, 0, 0)
    assert mine[3] in visits and mine[0] not in visits
    with pytest.raises(KeyError):
        visits.remove(mine[0])


def test_of_those_that_come_the_first_gives_way(sock):
    visits, first = Visits(), incoming(sock)
    for visit in (outgoing(sock), first, incoming(sock)):
        visits.add(visit)
    assert visits.oldest_incoming() is first


def test_places_may_be_given_up_while_one_looks_at_all(sock):
    visits = Visits()
    for _ in range(3):
        visits.add(incoming(sock))
    for visit in visits:
        visits.remove(visit)
    assert not len(visits) and visits.of_site("127.0.0.1") == 0
