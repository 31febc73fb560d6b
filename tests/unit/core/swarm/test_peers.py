"""The peer manager: whom to dial, when again, and who is never seen again."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.bans import MAX_OF_SITE
from blobtorrent.core.swarm.knownpeer import (
    FIRST_RETRY_S,
    HEARSAY,
    MAX_FAILURES,
    MAX_FAILURES_HEARSAY,
    STATIC_RETRY_S,
)
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource
from blobtorrent.core.swarm.peers import (
    MAX_DIALS,
    MAX_KEPT,
    MAX_KNOWN,
    MAX_LOCAL,
    MAX_OF_SOURCE,
    REDIAL_S,
    PeerManager,
)
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import PeerId
from blobtorrent.model.status import PEER_SOURCES

A, B, C = [Endpoint(f"10.0.0.{number}", 6881) for number in (1, 2, 3)]
ID = PeerId(b"x" * 20)
WALL = 1_700_000_000.0                 # the time of day


MANY = tuple(Endpoint(f"20.{number >> 8}.{number & 255}.1", 6881) for number in range(2 * MAX_KNOWN))


def knowing(*endpoints, source=PeerSource.TRACKER):
    peers = PeerManager()
    peers.found(endpoints, source, 0.0)
    return peers


def dial(peers, now, room=10, *, seeding=False):
    return peers.to_dial(room, now, seeding=seeding)


def test_an_address_is_dialled_once_until_the_dial_ends():
    peers = knowing(A, B, A)
    assert dial(peers, 0.0) == [A, B]
    assert peers.dialing == 2
    assert dial(peers, 100.0) == []


def test_no_more_than_the_room_and_no_more_than_a_few_at_once():
    peers = knowing(*[Endpoint("10.0.0.1", port) for port in range(1, 200)])
    assert len(dial(peers, 0.0, room=3)) == 3
    assert len(dial(peers, 0.0, room=1000)) == MAX_DIALS - 3
    assert dial(peers, 0.0, room=0) == []


def test_a_failed_dial_is_repeated_later_and_later():
    peers = knowing(A)
    now, waits = 0.0, []
    for _ in range(4):
        start = now
        while not dial(peers, now):
            now += 0.5
        waits.append(now - start)
        peers.dialled(A)
        peers.failed(A, now)
    assert waits == [0.0, FIRST_RETRY_S, 2 * FIRST_RETRY_S, 4 * FIRST_RETRY_S]


def test_a_found_address_that_keeps_failing_is_forgotten():
    peers = knowing(A)
    for _ in range(MAX_FAILURES + 1):
        peers.failed(A, 0.0)
    assert len(peers) == 0


def test_an_address_of_the_user_is_tried_for_ever_and_soon():
    peers = knowing(A, source=PeerSource.STATIC)
    for _ in range(3000):
        peers.failed(A, 0.0)
    assert dial(peers, STATIC_RETRY_S) == [A]


def test_a_link_that_worked_is_dialled_again_soon_and_its_failures_are_forgiven():
    peers = knowing(A)
    for _ in range(MAX_FAILURES):
        peers.failed(A, 0.0)
    peers.ended(A, 50.0, WALL, useless=False)
    assert dial(peers, 50.0 + REDIAL_S - 1) == []
    assert dial(peers, 50.0 + REDIAL_S) == [A]


def test_a_fellow_seed_is_dialled_only_when_we_lack_something_again():
    peers = knowing(A)
    peers.ended(A, 0.0, WALL, useless=True)
    assert dial(peers, 100.0, seeding=True) == []
    assert dial(peers, 100.0) == [A]


def test_those_that_failed_least_go_first():
    peers = knowing(A, B, C)
    peers.failed(A, 0.0)
    assert dial(peers, 100.0, room=2) == [B, C]


def test_a_banned_peer_is_known_by_its_host_and_nobody_by_an_id_that_another_showed():
    peers = knowing(A, B)
    peers.ban(A, ID)
    assert dial(peers, 0.0) == [B]
    assert peers.is_banned(Endpoint(A.host, 1))
    assert peers.is_banned(Endpoint(A.host, 1), PeerId(b"y" * 20))
    assert not peers.is_banned(C, ID)


def test_on_loopback_a_ban_is_for_the_one_port():
    peers = PeerManager()
    peers.ban(Endpoint("127.0.0.1", 1), ID)
    assert peers.is_banned(Endpoint("127.0.0.1", 1))
    assert peers.is_banned(Endpoint("127.0.0.1", 2), ID)
    assert not peers.is_banned(Endpoint("127.0.0.1", 2))


def test_a_banned_subnet_of_the_internet_is_one_when_some_of_its_hosts_were_banned():
    peers = PeerManager()
    hosts = [Endpoint(f"2a00:1:2:3::{number:x}", 6881) for number in range(1, MAX_OF_SITE + 2)]
    for number, endpoint in enumerate(hosts[:-1]):
        assert not peers.is_banned(hosts[-1])
        peers.ban(endpoint, PeerId(bytes([number]) * 20))
    assert peers.is_banned(hosts[-1])
    assert not peers.is_banned(Endpoint("2a00:1:2:4::1", 6881))


def test_in_our_own_network_a_ban_is_for_the_one_host():
    peers = PeerManager()
    for number in range(1, 10):
        peers.ban(Endpoint(f"fd00::{number}", 6881), PeerId(bytes([number]) * 20))
    assert not peers.is_banned(Endpoint("fd00::99", 6881))


# ---- how much is known


def limit_of(source):
    return MAX_LOCAL if source is PeerSource.LSD else MAX_OF_SOURCE


@pytest.mark.parametrize("source", [source for source in PeerSource if source is not PeerSource.STATIC])
def test_no_source_fills_the_list_alone(source):
    peers = PeerManager()
    assert len(peers.found(MANY, source, 0.0)) == limit_of(source)
    assert peers.num_by_source() == {source.value: limit_of(source)}


def test_the_users_own_addresses_are_kept_whatever_happens():
    peers = knowing(*MANY, source=PeerSource.STATIC)
    assert len(peers) == len(MANY)


def test_when_the_list_is_full_a_better_source_takes_the_place_of_hearsay():
    peers = knowing(*MANY[:MAX_OF_SOURCE], source=PeerSource.DHT)
    peers.found(MANY[MAX_OF_SOURCE:MAX_KNOWN], PeerSource.PEX, 0.0)
    peers.ended(MANY[MAX_OF_SOURCE], 0.0, WALL, useless=False)
    tracked = MANY[MAX_KNOWN:MAX_KNOWN + MAX_OF_SOURCE]
    assert peers.found(tracked, PeerSource.TRACKER, 0.0) == list(tracked)
    assert peers.num_by_source() == {"dht": MAX_OF_SOURCE - 1, "pex": 1, "tracker": MAX_OF_SOURCE}
    assert peers.was_good(MANY[MAX_OF_SOURCE]), "it had led to a peer"


def test_a_worse_source_takes_the_place_of_nobody():
    peers = knowing(*MANY[:MAX_OF_SOURCE], source=PeerSource.DHT)
    peers.found(MANY[MAX_OF_SOURCE:MAX_KNOWN], PeerSource.TRACKER, 0.0)
    assert peers.found(MANY[MAX_KNOWN:MAX_KNOWN + 9], PeerSource.PEX, 0.0) == []


def test_who_is_named_while_places_are_made_keeps_its_own():
    peers = knowing(*MANY[:MAX_OF_SOURCE], source=PeerSource.TRACKER)
    peers.found(MANY[MAX_OF_SOURCE:MAX_KNOWN], PeerSource.PEX, 0.0)
    second = MANY[MAX_OF_SOURCE + 1]
    peers.found((MANY[-1], second, MANY[-2]), PeerSource.INCOMING, 0.0)
    assert peers.source_of(second) is PeerSource.INCOMING
    assert len(peers) == MAX_KNOWN == sum(peers.num_by_source().values())


@pytest.mark.parametrize("source", PeerSource)
def test_every_source_has_a_name_that_all_know(source):
    (row,) = knowing(A, source=source).by_source([])
    assert row.source in PEER_SOURCES and row.known == 1


def test_of_several_sources_that_name_an_address_the_best_counts():
    peers = knowing(A, source=PeerSource.PEX)
    peers.found((A,), PeerSource.TRACKER, 0.0)
    peers.found((A,), PeerSource.DHT, 0.0)
    assert peers.source_of(A) is PeerSource.TRACKER
    assert peers.num_by_source() == {"tracker": 1}
    for _ in range(MAX_FAILURES_HEARSAY + 1):
        peers.failed(A, 0.0)
    assert len(peers) == 1, "more than hearsay"


# ---- whose places


def test_no_source_gets_more_than_half_of_the_places_while_another_has_somebody():
    peers = knowing(*MANY[:30], source=PeerSource.DHT)
    peers.found(MANY[30:60], PeerSource.TRACKER, 0.0)
    first = dial(peers, 0.0, room=20)
    assert first == [*MANY[:10], *MANY[30:40]]
    assert dial(peers, 0.0, room=4) == [*MANY[10:12], *MANY[40:42]]


def test_what_others_leave_free_is_given_to_whoever_can_fill_it():
    peers = knowing(*MANY[:30], source=PeerSource.PEX)
    peers.found(MANY[30:33], PeerSource.TRACKER, 0.0)
    chosen = dial(peers, 0.0, room=20)
    assert len(chosen) == 20 and set(MANY[30:33]) <= set(chosen)


def test_who_holds_more_than_half_of_the_places_is_known_when_somebody_else_waits():
    peers = knowing(*MANY[:30], source=PeerSource.PEX)
    dial(peers, 0.0, room=20)
    assert peers.crowding(1.0, seeding=False) is None
    peers.found(MANY[30:33], PeerSource.TRACKER, 1.0)
    assert peers.crowding(1.0, seeding=False) is PeerSource.PEX
    assert knowing(*MANY[:9], source=PeerSource.STATIC).crowding(1.0, seeding=False) is None


def test_whom_another_peer_calls_complete_is_dialled_later_while_we_are():
    peers = knowing(A, source=PeerSource.PEX)
    peers.claim_complete(A, 100.0)
    assert peers.next_dial_at(seeding=True) == 100.0 and peers.next_dial_at(seeding=False) == 0.0
    assert dial(peers, 99.0, seeding=True) == [] and dial(peers, 100.0, seeding=True) == [A]


@pytest.mark.parametrize("source", [PeerSource.TRACKER, PeerSource.DHT, PeerSource.LSD])
def test_what_a_peer_claims_of_another_is_forgotten_when_somebody_else_names_it(source):
    peers = knowing(A, source=PeerSource.PEX)
    peers.claim_complete(A, 100.0)
    peers.found((A,), PeerSource.PEX, 1.0)
    assert dial(peers, 1.0, seeding=True) == []
    peers.found((A,), source, 1.0)
    assert dial(peers, 1.0, seeding=True) == [A]


def test_our_own_address_is_forgotten():
    peers = knowing(A)
    dial(peers, 0.0)
    peers.dialled(A)
    peers.forget(A)
    assert len(peers) == 0 and peers.dialing == 0


# ---- from run to run


def address(endpoint, *, source=PeerSource.TRACKER, failures=0, last_good_at=0.0):
    return KnownAddress(endpoint, source, failures, last_good_at)


def test_peers_of_an_earlier_run_are_dialled_at_once_those_that_worked_last_first():
    peers = PeerManager()
    peers.restore([address(A), address(B, last_good_at=WALL - 50), address(C, last_good_at=WALL - 5)], 100.0)
    assert dial(peers, 100.0) == [C, B, A]


def test_a_peer_that_failed_in_an_earlier_run_waits_its_time():
    peers = PeerManager()
    peers.restore([address(A, failures=3), address(B)], 100.0)
    assert dial(peers, 100.0) == [B]
    assert dial(peers, 100.0 + 4 * FIRST_RETRY_S) == [A]


def test_what_is_kept_is_known_again():
    peers = knowing(A, B, C)
    peers.failed(B, 0.0)
    peers.ended(C, 5.0, WALL, useless=False)
    kept = peers.kept({}, WALL + 60, seeding=False)
    assert kept == (address(C, last_good_at=WALL), address(A), address(B, failures=1))
    again = PeerManager()
    again.restore(kept, 0.0)
    assert again.kept({}, WALL + 99, seeding=False) == kept


def test_connected_peers_are_good_now_also_those_that_dialled_us():
    peers = knowing(A, B)
    dial(peers, 0.0)
    peers.dialled(A)
    peers.linked(A)
    kept = peers.kept({B: 0, C: 0}, WALL, seeding=False)
    assert set(kept) == {address(A, last_good_at=WALL), address(B, last_good_at=WALL),
                         address(C, source=PeerSource.INCOMING, last_good_at=WALL)}
    peers.failed(A, 0.0)
    assert address(A, failures=1) in peers.kept({}, WALL, seeding=False)


def test_banned_peers_are_not_kept():
    peers = knowing(A, B)
    peers.ban(A, ID)
    assert [kept.endpoint for kept in peers.kept({}, WALL, seeding=True)] == [B]


def test_fellow_seeds_are_kept_for_the_day_that_we_lack_something():
    peers = knowing(A, B)
    peers.ended(B, 0.0, WALL, useless=True, received_bytes=1000)
    kept = peers.kept({}, WALL, seeding=True)
    assert [(address.endpoint, address.is_seed) for address in kept] == [(A, False), (B, True)]
    again = PeerManager()
    again.restore(kept, 0.0)
    assert dial(again, 0.0, seeding=True) == [A]
    assert dial(again, 0.0) == [B]


def test_only_the_best_are_kept():
    peers = knowing(*[Endpoint("10.0.0.9", port) for port in range(1, 2 * MAX_KEPT)])
    peers.ended(Endpoint("10.0.0.9", 2 * MAX_KEPT - 1), 0.0, WALL, useless=False)
    kept = peers.kept({}, WALL, seeding=False)
    assert len(kept) == MAX_KEPT
    assert kept[0].endpoint.port == 2 * MAX_KEPT - 1


def test_when_the_next_dial_is_due_is_known():
    peers = knowing(A, B)
    assert peers.next_dial_at(seeding=False) == 0.0
    dial(peers, 0.0)
    assert peers.next_dial_at(seeding=False) is None
    peers.failed(A, 10.0)
    peers.ended(B, 3.0, WALL, useless=True)
    assert peers.next_dial_at(seeding=False) == 10.0 + FIRST_RETRY_S
    assert peers.next_dial_at(seeding=True) == 10.0 + FIRST_RETRY_S
    peers.ban(A, ID)
    assert peers.next_dial_at(seeding=True) is None


def test_whatever_changes_what_is_worth_keeping_is_another_revision():
    peers, seen = PeerManager(), [0]
    for change in (
        lambda: peers.found((A, B), PeerSource.TRACKER, 0.0),
        lambda: peers.linked(A),
        lambda: peers.ended(A, 0.0, WALL, useless=False),
        peers.introduced,
        lambda: peers.ban(B, ID),
        lambda: peers.forget(A),
    ):
        change()
        assert peers.revision > seen[-1]
        seen.append(peers.revision)


def test_known_addresses_and_failures_are_no_other_revision():
    peers = PeerManager()
    peers.restore([address(A), address(B)], 0.0)
    peers.found((A, B), PeerSource.TRACKER, 0.0)
    peers.failed(A, 0.0)
    assert peers.revision == 0


def test_the_tracker_that_named_an_address_last_is_kept_with_it():
    peers = PeerManager()
    peers.found((A,), PeerSource.TRACKER, 0.0, tracker="one.example")
    peers.found((A,), PeerSource.TRACKER, 0.0, tracker="two.example")
    peers.found((A,), PeerSource.PEX, 0.0)
    kept = peers.kept({}, WALL, seeding=False)
    assert kept == (KnownAddress(A, PeerSource.TRACKER, tracker="two.example"),)
    again = PeerManager()
    again.restore(kept, 0.0)
    assert again.kept({}, WALL, seeding=False) == kept


@pytest.mark.parametrize("source", HEARSAY)
def test_hearsay_is_given_up_sooner_unless_it_proved_good(source):
    peers = knowing(A, B, C, source=source)
    peers.ended(B, 0.0, WALL, useless=False)
    for endpoint in (A, B):
        for _ in range(MAX_FAILURES_HEARSAY + 1):
            peers.failed(endpoint, 0.0)
    assert (peers.was_good(A), peers.was_good(B), peers.was_good(C)) == (False, True, None)


def test_those_that_gave_us_most_are_dialled_first_in_the_next_run():
    peers = knowing(A, B, C)
    peers.ended(A, 0.0, WALL, useless=False, received_bytes=1000)
    peers.ended(B, 0.0, WALL - 99, useless=False, received_bytes=5000)
    peers.ended(B, 0.0, WALL - 90, useless=False, received_bytes=5000)
    kept = peers.kept({C: 7000}, WALL, seeding=False)
    assert [(each.endpoint, each.received_bytes) for each in kept] == [(B, 10_000), (C, 7000), (A, 1000)]
    again = PeerManager()
    again.restore(kept, 0.0)
    assert dial(again, 0.0) == [B, C, A]
    assert [each.received_bytes for each in again.kept({}, WALL, seeding=False)] == [5000, 3500, 500]
