"""Peer exchange: who is told of whom, and what is believed of what peers tell."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.exchange import (
    AROUND,
    FEW,
    HEAR_BURST,
    HEAR_INTERVAL_S,
    INTERVAL_S,
    MAX_DEAD,
    MAX_EXCESS,
    MAX_OF_SITE,
    MAX_SHARE,
    RECENT_S,
)
from blobtorrent.core.swarm.knownpeer import CLAIM_S, MAX_FAILURES_HEARSAY
from blobtorrent.core.swarm.messages import ChangeSwarm, PeersFound, PeerSource, SwarmSettings
from blobtorrent.core.swarm.peers import LOW_PORT_S
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError, PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import HANDSHAKE_ID, OUR_IDS, UT_PEX, ExtendedHandshake
from blobtorrent.protocol.wire.pex import IS_REACHABLE, MAX_ENTRIES, UPLOAD_ONLY, PeerExchange
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

K = 1024
COUNT = 4
THEIR_ID = 7


@pytest.fixture(scope="module")
def torrent():
    return StoredTorrent([COUNT * 16 * K], 16 * K)


class Raw:
    """Bytes that are a message already."""

    def __init__(self, data):
        self.data = data

    def encode(self):
        return self.data


def join(one, *, port=6881, takes_part=True, pieces=()):
    """A peer that dialled us, takes part and says where it listens."""
    link = one.join(pieces, unchoked=False)
    one.tell(link, Raw(ExtendedHandshake(ids={UT_PEX: THEIR_ID} if takes_part else {}, port=port or None).encode()))
    return link


def tell_of(one, link, *endpoints, dropped=()):
    one.tell(link, wire.Extended(OUR_IDS[UT_PEX], PeerExchange(dict.fromkeys(endpoints, 0), dropped).encode()))


def told(one, seconds=1.1):
    """What each peer is told of others in this time, all in all; nobody falls silent meanwhile."""
    found = {}
    while seconds > 0:
        for link in one.swarm.links:
            one.tell(link, wire.KeepAlive())
        one.pass_time(min(seconds, 30.0))
        seconds -= 30.0
        for link, messages in one.said().items():
            for message in messages:
                if isinstance(message, wire.Extended) and message.sub_id == THEIR_ID:
                    assert link not in found, "told twice within a minute"
                    found[link] = PeerExchange.decode(message.payload)
    return found


def listening(link):
    return Endpoint(link.endpoint.host, 6881)


def known(one):
    return {address.endpoint for address in one.swarm.peers.kept({}, 0.0, seeding=False)}


def addresses(number, first=1):
    return [Endpoint(f"20.{index >> 8}.{index & 255}.1", 6881) for index in range(first, first + number)]


# ---- what we tell


def test_peers_are_told_of_each_other_and_not_of_themselves(torrent):
    one = OneSwarm(torrent)
    first, second = join(one), join(one, pieces=range(COUNT))
    assert told(one) == {
        first: PeerExchange({listening(second): UPLOAD_ONLY}),
        second: PeerExchange({listening(first): 0}),
    }


def test_who_does_not_say_where_it_listens_is_told_of_to_nobody(torrent):
    one = OneSwarm(torrent)
    join(one, port=0)
    second = join(one)
    assert second not in told(one)


def test_who_takes_no_part_is_told_nothing_but_told_of(torrent):
    one = OneSwarm(torrent)
    deaf, second = join(one, takes_part=False), join(one)
    assert told(one) == {second: PeerExchange({listening(deaf): 0})}


def test_news_come_once_a_minute_and_only_what_is_new(torrent):
    one = OneSwarm(torrent)
    first, second = join(one), join(one)
    told(one)
    third = join(one)
    assert first not in told(one, INTERVAL_S - 5)
    assert told(one, 7)[first] == PeerExchange({listening(third): 0})
    one.swarm.lose(second, NetworkError("net.reset", "gone"))
    one.swarm.lose(third, NetworkError("net.reset", "gone"))
    assert set(told(one, INTERVAL_S + 2)[first].dropped) == {listening(second), listening(third)}
    assert told(one, 2 * INTERVAL_S) == {}


def test_who_parted_for_want_of_room_is_told_of_for_a_while_if_there_are_few(torrent):
    one = OneSwarm(torrent)
    gone = join(one)
    one.swarm.lose(gone, NetworkError("net.too-many", "no room"))
    first = join(one)
    assert told(one)[first] == PeerExchange({listening(gone): 0})
    assert told(one, RECENT_S + 2)[first].dropped == (listening(gone),)


def test_nobody_is_told_of_the_past_while_there_are_many(torrent):
    one = OneSwarm(torrent)
    gone = join(one)
    one.swarm.lose(gone, NetworkError("net.too-many", "no room"))
    first = join(one)
    for _ in range(FEW):
        join(one)
    assert listening(gone) not in told(one)[first].added


def test_one_message_names_only_so_many(torrent):
    one = OneSwarm(torrent)
    first = join(one)
    for _ in range(MAX_ENTRIES + 9):
        join(one)
    assert len(told(one)[first].added) == MAX_ENTRIES
    assert len(told(one, INTERVAL_S + 2)[first].added) == 9


def test_whom_we_dialled_is_told_of_as_reachable(torrent):
    one = OneSwarm(torrent)
    dialled, second = join(one), join(one)
    dialled.is_incoming = False
    assert told(one)[second] == PeerExchange({dialled.endpoint: IS_REACHABLE})


def test_a_peer_on_the_internet_is_not_told_of_those_on_our_network(torrent):
    one = OneSwarm(torrent)
    local, far = join(one), join(one)
    far.endpoint = Endpoint("20.1.1.1", 40000)
    assert told(one) == {local: PeerExchange({listening(far): 0})}


def test_a_quiet_swarm_is_not_looked_at_again_and_again(torrent, monkeypatch):
    one = OneSwarm(torrent)
    for _ in range(9):
        join(one)
    told(one, INTERVAL_S + 3)
    looks, exchange = [], one.swarm.exchange
    tell = exchange._tell
    monkeypatch.setattr(exchange, "_tell", lambda link, *rest: (looks.append(link), tell(link, *rest)))
    told(one, 3 * INTERVAL_S)
    assert not looks
    late = join(one)
    told(one, 1.1)
    assert len(looks) == 10 and late in looks, "all are told of the new one at once, and it of all"


# ---- what we are told


def test_addresses_that_a_peer_tells_of_are_dialled(torrent):
    one = OneSwarm(torrent)
    tell_of(one, join(one), *addresses(3))
    assert one.notes.dialled == addresses(3)
    assert one.swarm.peers.source_of(addresses(1)[0]) is PeerSource.PEX


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "224.0.0.5", "255.255.255.255", "::1", "ff02::1", "::"])
def test_nobody_sends_us_to_our_own_machine_or_to_nowhere(torrent, host):
    one = OneSwarm(torrent)
    tell_of(one, join(one), Endpoint(host, 6881))
    assert not known(one)


def test_who_is_far_away_does_not_send_us_into_our_own_network_unless_that_is_allowed(torrent):
    for allowed in (False, True):
        one = OneSwarm(torrent, allow_loopback=allowed)
        far = join(one)
        far.endpoint = Endpoint("20.1.1.1", 40000)
        tell_of(one, far, Endpoint("192.168.1.7", 6881))
        assert bool(known(one)) is allowed


def test_of_one_host_only_one_port_is_tried(torrent):
    one = OneSwarm(torrent)
    tell_of(one, join(one), *[Endpoint("20.1.1.1", port) for port in range(6000, 6020)])
    assert len(known(one)) == 1


def test_ports_where_no_peer_listens_are_tried_later(torrent):
    one = OneSwarm(torrent)
    tell_of(one, join(one), Endpoint("20.1.1.1", 80))
    one.pass_time(LOW_PORT_S - 1)
    assert one.notes.dialled == []
    one.pass_time(3)
    assert one.notes.dialled == [Endpoint("20.1.1.1", 80)]


def test_a_host_fills_no_more_than_its_share_however_often_it_comes_back(torrent):
    one = OneSwarm(torrent)
    for number in range(20):
        link = join(one)
        link.endpoint = Endpoint("20.9.9.9", 40000 + number)
        tell_of(one, link, *addresses(90, first=number * 90))
        one.swarm.lose(link, NetworkError("net.reset", "gone"))
    assert len(one.swarm.peers) == MAX_SHARE
    tell_of(one, join(one), *addresses(10, first=5000))
    assert len(one.swarm.peers) == MAX_SHARE + 10


@pytest.mark.parametrize(("hosts", "bound"), [
    ([f"2a00:1:2:3::{number:x}" for number in range(1, 21)], MAX_SHARE),
    ([f"2a00:1:2:{number:x}::1" for number in range(1, 21)], AROUND * MAX_SHARE),
    ([f"20.9.9.{number}" for number in range(1, 21)], AROUND * MAX_SHARE),
])
def test_all_addresses_of_one_owner_have_one_share(torrent, hosts, bound):
    one = OneSwarm(torrent)
    for number, host in enumerate(hosts):
        link = join(one)
        link.endpoint = Endpoint(host, 40000)
        tell_of(one, link, *addresses(90, first=number * 90))
    assert len(one.swarm.peers) == bound


def test_of_one_subnet_only_a_few_hosts_are_tried_at_once(torrent):
    one = OneSwarm(torrent)
    tell_of(one, join(one), *[Endpoint(f"2a00:1:2:3::{number:x}", 6881) for number in range(1, 30)])
    assert len(known(one)) == MAX_OF_SITE


def test_all_that_peers_tell_of_leaves_room_for_what_trackers_do(torrent):
    one = OneSwarm(torrent)
    for number in range(60):
        tell_of(one, join(one), *addresses(90, first=number * 90))
    tracked = tuple(addresses(500, first=20000))
    assert one.swarm.peers.found(tracked, PeerSource.TRACKER, 0.0) == list(tracked)


def test_what_leads_nowhere_is_forgotten_soon_and_its_teller_not_believed_any_more(torrent):
    one = OneSwarm(torrent)
    liar = join(one)
    for _ in range(3):
        tell_of(one, liar, *addresses(MAX_DEAD))
        for endpoint in list(known(one)):
            for _ in range(MAX_FAILURES_HEARSAY + 1):
                one.swarm.peers.failed(endpoint, one.notes.now)
        one.pass_time(HEAR_INTERVAL_S)
    tell_of(one, liar, *addresses(5, first=900))
    assert not known(one)
    tell_of(one, join(one), *addresses(5, first=900))
    assert len(known(one)) == 5


def test_those_who_are_complete_are_not_dialled_while_we_are(torrent):
    seed, leech = addresses(2)
    for have, dialled in ((range(COUNT), [leech]), ((), [seed, leech])):
        one = OneSwarm(torrent, have=have)
        told_of = PeerExchange({seed: UPLOAD_ONLY, leech: 0})
        one.tell(join(one), wire.Extended(OUR_IDS[UT_PEX], told_of.encode()))
        assert one.notes.dialled == dialled


def test_one_peer_cannot_hide_others_from_a_seed(torrent):
    one = OneSwarm(torrent, have=range(COUNT))
    named, doubted, patient = addresses(3)
    lie = PeerExchange(dict.fromkeys((named, doubted, patient), UPLOAD_ONLY))
    one.tell(join(one), wire.Extended(OUR_IDS[UT_PEX], lie.encode()))
    assert one.notes.dialled == []
    one.swarm.on_peers(PeersFound(torrent.metainfo.info_hash, (named,), PeerSource.TRACKER))
    assert one.notes.dialled == [named]
    tell_of(one, join(one), doubted)
    assert one.notes.dialled == [named, doubted]
    one.pass_time(CLAIM_S + 20)
    assert one.notes.dialled == [named, doubted, patient]


def test_where_we_met_ourselves_is_not_learned_again(torrent):
    one = OneSwarm(torrent)
    (ours,) = addresses(1)
    one.swarm.peers.found((ours,), PeerSource.PEX, 0.0)
    one.swarm.on_dial_failed(ours, NetworkError("wire.self", "connected to ourselves"))
    tell_of(one, join(one), ours)
    assert not known(one)


def test_who_tells_all_the_time_is_not_listened_to_and_goes_in_the_end(torrent):
    one = OneSwarm(torrent)
    link = join(one)
    for number in range(HEAR_BURST + MAX_EXCESS):
        tell_of(one, link, *addresses(1, first=number + 1))
    assert len(known(one)) == HEAR_BURST
    with pytest.raises(PeerError) as caught:
        tell_of(one, link)
    assert caught.value.code == "wire.pex-flood"


# ---- whether at all


def test_of_a_private_torrent_nothing_is_told_and_nothing_believed():
    private = StoredTorrent([COUNT * 16 * K], 16 * K)
    private.metainfo = private.metainfo._replace(is_private=True)
    one = OneSwarm(private)
    link = join(one)
    join(one)
    (hello,) = [message for message in one.said()[link] if message.sub_id == HANDSHAKE_ID]
    assert UT_PEX not in ExtendedHandshake.decode(hello.payload).ids
    tell_of(one, link, *addresses(3))
    assert told(one, 2 * INTERVAL_S) == {} and not known(one)


def test_it_can_be_switched_off_and_on(torrent):
    one = OneSwarm(torrent)
    first, second = join(one), join(one)
    one.swarm.change(ChangeSwarm(torrent.metainfo.info_hash, SwarmSettings(exchanges_peers=False)))
    tell_of(one, first, *addresses(3))
    assert told(one, 2 * INTERVAL_S) == {} and not known(one)
    one.swarm.change(ChangeSwarm(torrent.metainfo.info_hash, SwarmSettings()))
    assert set(told(one)) == {first, second}


@pytest.mark.parametrize("source", PeerSource)
def test_a_private_torrent_takes_peers_of_trackers_and_its_owner_only(source):
    private = StoredTorrent([COUNT * 16 * K], 16 * K)
    private.metainfo = private.metainfo._replace(is_private=True)
    one = OneSwarm(private)
    one.swarm.on_peers(PeersFound(private.metainfo.info_hash, tuple(addresses(1)), source))
    assert bool(known(one)) is (source in (PeerSource.TRACKER, PeerSource.STATIC, PeerSource.DNS))


def test_those_who_take_part_are_counted(torrent):
    one = OneSwarm(torrent)
    assert one.swarm.make_report().exchanging == 0
    first, _, _ = join(one), join(one, port=6882), join(one, takes_part=False)
    assert one.swarm.make_report().exchanging == 2
    one.swarm.lose(first, NetworkError("net.timed-out", ""))
    assert one.swarm.make_report().exchanging == 1
    one.swarm.change(ChangeSwarm(one.swarm.info_hash, one.swarm.settings._replace(exchanges_peers=False)))
    assert one.swarm.make_report().exchanging == 0
