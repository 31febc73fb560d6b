"""Once a second: silent peers, rubbish senders, deaf readers, choke rounds, the endgame, dials and reports."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.choker import SNUB_S
from blobtorrent.core.swarm.messages import PeersFound, PeerSource
from blobtorrent.core.swarm.phases import State
from blobtorrent.core.swarm.pulse import (
    IDLE_INTERVAL_S,
    IDLE_LINK_S,
    KEEP_ALIVE_S,
    MAX_UNASKED,
    STALLED_SHORT_S,
    STALLED_UPLOAD_S,
    UNPROVEN_S,
)
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError, PeerError
from blobtorrent.protocol.wire import messages as wire
from tests.support.oneswarm import OneSwarm, outstanding
from tests.support.stored import StoredTorrent

K = 1024


@pytest.fixture(scope="module")
def torrent():
    return StoredTorrent([10 * 16 * K], 16 * K)


def test_a_keep_alive_is_sent_when_nothing_else_was(torrent):
    one = OneSwarm(torrent)
    link = one.join([])
    one.said()
    one.pass_time(KEEP_ALIVE_S - 1)
    assert link not in one.said()
    one.pass_time(4)
    assert set(one.said()[link]) == {wire.KeepAlive()}


def test_a_peer_that_says_nothing_for_minutes_is_lost_and_a_keep_alive_is_enough_to_stay(torrent):
    one = OneSwarm(torrent)
    silent, alive = one.join([]), one.join([])
    for _ in range(3):
        one.pass_time(IDLE_LINK_S / 3 + 1)
        one.tell(alive, wire.KeepAlive())
    assert silent.closing.code == "net.timed-out"
    assert alive.closing is None


def test_a_peer_that_sends_many_blocks_that_nobody_asked_for_is_lost(torrent):
    one = OneSwarm(torrent)
    link = one.join([], unchoked=False)
    one.give(link, [(0, 0)] * MAX_UNASKED)
    one.pass_time(1.1)
    assert link.closing is None
    with pytest.raises(PeerError) as caught:
        one.give(link, [(0, 0)])       # at once, however many it could send until the next pulse
    assert caught.value.code == "wire.unasked-blocks"
    one.pass_time(1.1)                 # of those in shape nobody hears at once
    assert link.closing.code == "wire.unasked-blocks"


def test_a_peer_that_takes_nothing_of_what_it_asked_for_is_lost(torrent):
    one = OneSwarm(torrent, have=range(10))
    link = one.join([])
    one.tell(link, wire.Interested(), wire.Request(0, 0, 16 * K))
    for _ in range(3):
        one.tell(link, wire.KeepAlive())
        one.pass_time(STALLED_UPLOAD_S / 3 + 1)
    assert link.closing.code == "net.peer-reads-nothing"


def test_a_choke_round_takes_the_slot_of_who_gives_least(torrent):
    one = OneSwarm(torrent, have=[0], upload_slots=1, choke_interval_s=5.0)
    idle, giver = one.join([]), one.join([1, 2, 3])
    one.tell(idle, wire.Interested())
    one.tell(giver, wire.Interested())
    assert not idle.state.am_choking and giver.state.am_choking
    one.give(giver, [(1, 0), (2, 0), (3, 0)])
    one.pass_time(6.0)
    assert idle.state.am_choking and not giver.state.am_choking


def test_when_everything_is_asked_for_the_endgame_begins_and_it_ends_when_something_comes_back(torrent):
    one = OneSwarm(torrent, snub_timeout_s=1000.0)
    link = one.join()
    one.pass_time(1.1)
    assert one.swarm.machine.state is State.ENDGAME
    one.tell(link, wire.Choke())
    one.pass_time(1.1)
    assert one.swarm.machine.state is State.NORMAL


def test_found_peers_are_dialled_up_to_the_limit_of_links(torrent):
    one = OneSwarm(torrent, max_links=3)
    one.join([])
    endpoints = tuple(Endpoint("10.9.0.1", port) for port in range(1, 10))
    one.swarm.on_peers(PeersFound(one.swarm.info_hash, endpoints, PeerSource.TRACKER))
    assert len(one.notes.dialled) == 2
    one.swarm.on_dial_failed(one.notes.dialled[0], None)
    one.pass_time(1.1)
    assert len(one.notes.dialled) == 3


def test_a_report_comes_every_second_while_something_changes(torrent):
    one = OneSwarm(torrent)
    link = one.join()
    one.pass_time(0.5)
    one.notes.reports.clear()
    for index, block in outstanding(link)[:5]:
        one.give(link, [(index, block)])
        one.pass_time(1.0)
    assert len(one.notes.reports) == 5
    assert one.notes.reports[-1].left_bytes == 10 * 16 * K


def test_what_did_not_change_is_not_reported_again(torrent):
    one = OneSwarm(torrent)
    one.join([])
    one.pass_time(2.0)
    one.notes.reports.clear()
    one.pass_time(100.0)
    assert one.notes.reports == []


def pulses(one, seconds):
    """How often the swarm was touched in so many seconds."""
    before = one.notes.touched
    one.pass_time(seconds)
    return one.notes.touched - before


def test_a_swarm_with_nobody_to_look_after_beats_slowly(torrent):
    one = OneSwarm(torrent, have=range(10))
    one.pass_time(5.0)
    idle = pulses(one, 10 * IDLE_INTERVAL_S)
    link = one.join([], unchoked=False)
    assert pulses(one, 10.0) >= 10
    one.swarm.lose(link, RuntimeError("gone"))
    one.pass_time(5.0)
    assert pulses(one, 10 * IDLE_INTERVAL_S) == idle <= 22


@pytest.mark.parametrize("phase_s", [0.3, 0.6])
def test_idle_swarms_beat_at_the_same_times_whenever_they_were_left(torrent, phase_s):
    one = OneSwarm(torrent, have=range(10))
    one.pass_time(phase_s)
    one.swarm.lose(one.join([]), RuntimeError("gone"))
    one.pass_time(40.0)
    assert one.notes.timers.next_deadline() % 1.0 == 0.0


def test_an_idle_swarm_dials_when_it_is_time_to(torrent):
    one = OneSwarm(torrent)
    one.pass_time(20.0)
    endpoint = Endpoint("10.9.0.1", 1)
    one.swarm.on_peers(PeersFound(one.swarm.info_hash, (endpoint,), PeerSource.TRACKER))
    for dials in range(1, 4):
        assert len(one.notes.dialled) == dials
        one.swarm.on_dial_failed(endpoint, None)
        one.pass_time(2.0 ** dials + 0.2)


def test_rates_begin_when_a_peer_comes_to_an_idle_swarm(torrent):
    one = OneSwarm(torrent, snub_timeout_s=1000.0)
    one.pass_time(14.0)
    link = one.join()
    one.give(link, outstanding(link)[:4])
    one.pass_time(1.1)
    assert link.down.rate > 4 * 16 * K * 0.3, "it is measured over one second, not over the fourteen before"


def addresses(number, first):
    return tuple(Endpoint(f"20.1.{first}.{index}", 6881) for index in range(1, number + 1))


@pytest.mark.parametrize(("have", "is_replaced"), [((), True), (range(10), False)])
def test_one_source_does_not_keep_the_peers_of_others_out(torrent, have, is_replaced):
    one = OneSwarm(torrent, have=have, max_links=4)
    one.swarm.on_peers(PeersFound(torrent.metainfo.info_hash, addresses(4, 1), PeerSource.PEX))
    links = [one.join([], dialled=endpoint) for endpoint in list(one.notes.dialled)]
    (better,) = addresses(1, 2)
    one.swarm.on_peers(PeersFound(torrent.metainfo.info_hash, (better,), PeerSource.TRACKER))
    one.pass_time(UNPROVEN_S - 1)
    assert better not in one.notes.dialled
    one.pass_time(12)
    assert (better in one.notes.dialled) is is_replaced
    assert [link.closing.code for link in links if link.closing] == ["net.too-many"] * is_replaced


def test_who_has_given_us_much_is_worth_another_save(torrent):
    one = OneSwarm(torrent)
    (endpoint,) = addresses(1, 1)
    one.swarm.on_peers(PeersFound(torrent.metainfo.info_hash, (endpoint,), PeerSource.DHT))
    link = one.join([], dialled=endpoint)
    revision = one.swarm.peers.revision
    link.down.add(1 << 19)
    one.pass_time(1.1)
    assert one.swarm.peers.revision == revision
    link.down.add(1 << 19)
    one.pass_time(1.1)
    one.pass_time(1.1)
    assert one.swarm.peers.revision == revision + 1
    assert [(kept.endpoint, kept.received_bytes) for kept in one.swarm.peers_to_keep()] == [(endpoint, 1 << 20)]
    one.swarm.lose(link, NetworkError("net.reset", "gone"))
    assert [(kept.endpoint, kept.received_bytes) for kept in one.swarm.peers_to_keep()] == [(endpoint, 1 << 20)]


def test_how_fast_bytes_come_in_vain_is_reported(torrent):
    one = OneSwarm(torrent)
    link = one.join([])
    one.give(link, [(0, 0)] * 4)                           # nobody asked for them
    one.pass_time(1.1)
    report = one.swarm.make_report()
    assert report.wasted_bytes == 4 * 16 * K
    assert 0 < report.wasted_bytes_per_s <= 4 * 16 * K
    for _ in range(60):
        one.pass_time(1.1)
    assert one.swarm.make_report().wasted_bytes_per_s == 0


def test_a_peer_that_takes_nothing_is_lost_sooner_while_others_wait_for_its_memory(torrent, monkeypatch):
    one = OneSwarm(torrent, have=range(10))
    link, other = one.join([]), one.join([])
    one.tell(link, wire.Interested(), wire.Request(0, 0, 16 * K))
    one.pass_time(STALLED_SHORT_S + 1)
    assert link.closing is None
    monkeypatch.setattr(one.swarm.uploads, "serve_hungry", lambda: None)           # there is no memory
    one.swarm.uploads.hungry[other] = None
    one.pass_time(1.1)
    assert link.closing.code == "net.peer-reads-nothing"


def test_who_owes_us_blocks_for_a_minute_and_sends_none_snubs_us_until_one_comes(torrent):
    one = OneSwarm(torrent, have=[0], upload_slots=1)
    silent, other = one.join([1, 2, 3]), one.join([])
    one.tell(silent, wire.Interested())
    one.tell(other, wire.Interested())
    assert not silent.state.am_choking
    for _ in range(8):
        one.pass_time(10)
        one.tell(silent, wire.KeepAlive())
        one.tell(other, wire.KeepAlive())
        other.up.add(1)                # it takes what it gets
    assert one.notes.now - silent.turn.gave_at > SNUB_S
    assert silent.state.am_choking and not other.state.am_choking
    assert silent.turn.cause == "snubs"
    one.give(silent, [(1, 0)])
    one.pass_time(1.1)
    assert one.notes.now - silent.turn.gave_at < 2


def test_who_is_asked_for_nothing_or_chokes_us_does_not_snub_us(torrent):
    one = OneSwarm(torrent, have=[0])
    idle, choking = one.join([0]), one.join([1], unchoked=False)
    for _ in range(8):
        one.pass_time(10)
        one.tell(idle, wire.KeepAlive())
        one.tell(choking, wire.KeepAlive())
    assert all(one.notes.now - link.turn.gave_at < 2 for link in (idle, choking))
