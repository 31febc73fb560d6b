"""What trackers are told, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.announces import HEDGE_S
from blobtorrent.core.session.commands import Reannounce, SeedGoal, StopTorrent
from blobtorrent.core.session.trackerstatus import unspoken
from blobtorrent.core.swarm.messages import PeersFound, PeerSource
from blobtorrent.discovery.messages import Announce, AnnounceDone, Origin
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import TrackerError
from blobtorrent.model.ids import InfoHash
from blobtorrent.network.messages import Listening
from blobtorrent.protocol.tracker.announce import AnnounceEvent
from blobtorrent.protocol.tracker.faults import NEVER_S, TrackerRefused
from blobtorrent.protocol.tracker.tiers import FIRST_BACKOFF_S
from tests.support.sessions import PIECE, SessionRig, only, torrent_of

UDP = "udp://d.test:6969"
A, B, C = "http://a.test/announce", "http://b.test/announce", "https://c.test/announce"
PEER = Endpoint("127.0.0.1", 6881)


def fail(rig: SessionRig, order: Announce) -> None:
    error = TrackerError("tracker.timed-out", "no answer")
    rig.tell(AnnounceDone(order.info_hash, order.url, order.query, error=error, origin=order.origin))


def asked(rig: SessionRig) -> list[tuple[str, AnnounceEvent]]:
    return [(order.url, order.query.event) for order in rig.outcalls.drain()]


def test_a_torrent_is_announced_as_started_with_what_it_lacks(tmp_path: Path) -> None:
    rig = SessionRig()
    rig.add_downloading(torrent_of(4, tiers=((A,),)), tmp_path)
    order = only(Announce, rig.outcalls.drain())
    assert (order.url, order.query.event, order.query.left) == (A, AnnounceEvent.STARTED, 4 * PIECE)


def test_peers_of_a_tracker_go_to_the_swarm(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A,),))
    rig.add_downloading(torrent, tmp_path)
    rig.shard.drain()
    rig.answer_announce(only(Announce, rig.outcalls.drain()), PEER)
    assert rig.shard.drain() == [PeersFound(torrent.info_hash, (PEER,), PeerSource.TRACKER, "a.test")]


def test_the_next_announce_comes_after_the_interval_with_the_figures_of_the_time(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A,),))
    rig.add_downloading(torrent, tmp_path)
    rig.answer_announce(only(Announce, rig.outcalls.drain()), interval_s=600, tracker_id=b"id")
    rig.report(torrent, have=3, uploaded=5)
    rig.advance(599.0)
    assert rig.outcalls.depth == 0
    rig.advance(1.0)
    query = only(Announce, rig.outcalls.drain()).query
    assert (query.event, query.left, query.uploaded, query.downloaded, query.tracker_id) == (
        AnnounceEvent.NONE, PIECE, 5, 3 * PIECE, b"id")


def test_every_tier_is_asked_and_in_a_tier_the_next_tracker_only_after_a_failure(tmp_path: Path) -> None:
    rig = SessionRig()
    rig.add_downloading(torrent_of(4, tiers=((A, B), (C,))), tmp_path)
    first, other_tier = rig.outcalls.drain()
    assert other_tier.url == C
    fail(rig, first)
    second = only(Announce, rig.outcalls.drain())
    assert {first.url, second.url} == {A, B}
    rig.answer_announce(second, interval_s=600)
    rig.advance(600.0)
    assert asked(rig) == [(second.url, AnnounceEvent.NONE)]


def test_a_tier_of_dead_trackers_is_tried_again_after_its_backoff(tmp_path: Path) -> None:
    rig = SessionRig()
    rig.add_downloading(torrent_of(4, tiers=((A,),)), tmp_path)
    fail(rig, only(Announce, rig.outcalls.drain()))
    rig.advance(FIRST_BACKOFF_S - 1)
    assert asked(rig) == []
    rig.advance(1.0)
    assert asked(rig) == [(A, AnnounceEvent.STARTED)]


def test_completed_is_told_once_to_the_tracker_in_use(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A,),))
    rig.add_downloading(torrent, tmp_path)
    rig.answer_announce(only(Announce, rig.outcalls.drain()))
    rig.report(torrent, have=4)
    order = only(Announce, rig.outcalls.drain())
    assert (order.query.event, order.query.left) == (AnnounceEvent.COMPLETED, 0)
    rig.answer_announce(order)
    rig.report(torrent, have=4)
    assert asked(rig) == []


def test_completed_waits_until_the_tracker_has_taken_started(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A,),))
    rig.add_downloading(torrent, tmp_path)
    started = only(Announce, rig.outcalls.drain())
    rig.report(torrent, have=4)
    assert asked(rig) == []
    rig.answer_announce(started)
    assert asked(rig) == [(A, AnnounceEvent.COMPLETED)]


def test_a_torrent_that_was_complete_at_the_start_never_tells_completed(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A,),))
    rig.add_seeding(torrent, tmp_path)
    rig.answer_announce(only(Announce, rig.outcalls.drain()))
    rig.report(torrent, have=4)
    assert asked(rig) == []


def test_only_trackers_that_know_us_are_told_that_we_leave(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A,), (B,)))
    rig.add_downloading(torrent, tmp_path)
    to_a, to_b = rig.outcalls.drain()
    rig.answer_announce(to_a)
    fail(rig, to_b)
    rig.ask(StopTorrent(torrent.info_hash))
    order = only(Announce, rig.outcalls.drain())
    assert (order.url, order.query.event, order.query.num_want) == (A, AnnounceEvent.STOPPED, 0)
    rig.advance(100_000.0)
    assert asked(rig) == []


def test_a_tracker_hears_that_we_leave_only_after_it_has_answered_completed(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A,),))
    rig.add_downloading(torrent, tmp_path)
    rig.answer_announce(only(Announce, rig.outcalls.drain()))
    rig.report(torrent, have=4)
    completed = only(Announce, rig.outcalls.drain())
    rig.ask(StopTorrent(torrent.info_hash))
    assert asked(rig) == []
    rig.answer_announce(completed)
    assert asked(rig) == [(A, AnnounceEvent.STOPPED)]


def test_a_tracker_that_takes_started_too_late_is_told_that_we_left(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A,),))
    rig.add_downloading(torrent, tmp_path)
    started = only(Announce, rig.outcalls.drain())
    rig.ask(StopTorrent(torrent.info_hash))
    rig.shard.drain()
    rig.answer_announce(started, PEER)
    assert asked(rig) == [(A, AnnounceEvent.STOPPED)]
    assert rig.shard.depth == 0


def completed_before_started_is_answered(folder: Path) -> tuple[SessionRig, Announce]:
    """A download that has ended, and need not seed; the tracker's answer is yet to come."""
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A,),))
    rig.add_downloading(torrent, folder, goal=SeedGoal(ratio=0.0))
    started = only(Announce, rig.outcalls.drain())
    rig.report(torrent, have=4)
    assert asked(rig) == []
    return rig, started


def test_a_tracker_that_takes_started_too_late_is_told_of_the_end_of_the_download_first(tmp_path: Path) -> None:
    rig, started = completed_before_started_is_answered(tmp_path)
    rig.answer_announce(started)
    completed = only(Announce, rig.outcalls.drain())
    assert (completed.query.event, completed.query.left) == (AnnounceEvent.COMPLETED, 0)
    rig.answer_announce(completed)
    assert asked(rig) == [(A, AnnounceEvent.STOPPED)]


def test_a_tracker_that_does_not_take_started_is_told_nothing_more(tmp_path: Path) -> None:
    rig, started = completed_before_started_is_answered(tmp_path)
    fail(rig, started)
    assert asked(rig) == []


def test_trackers_of_other_protocols_are_passed_over(tmp_path: Path) -> None:
    rig = SessionRig()
    rig.add_downloading(torrent_of(4, tiers=(("wss://a.test:80/announce",), ("wss://b.test", C))), tmp_path)
    assert asked(rig) == [(C, AnnounceEvent.STARTED)]


def test_a_hybrid_torrent_is_announced_under_both_of_its_names(tmp_path: Path) -> None:
    rig = SessionRig()
    hybrid = torrent_of(4, tiers=((A,),))._replace(info_hash=InfoHash(v1=b"1" * 20, v2=b"2" * 32))
    rig.add_downloading(hybrid, tmp_path)
    orders = rig.outcalls.drain()
    assert [order.query.wire_hash for order in orders] == [b"1" * 20, b"2" * 20]
    for order in orders:
        rig.answer_announce(order, interval_s=600)
    rig.advance(600.0)
    assert [order.query.wire_hash for order in rig.outcalls.drain()] == [b"1" * 20, b"2" * 20]


def done(rig: SessionRig, order: Announce, *peers: Endpoint, error: TrackerError | None = None) -> None:
    if error is None:
        rig.answer_announce(order, *peers)
    else:
        rig.tell(AnnounceDone(order.info_hash, order.url, order.query, error=error, origin=order.origin))


def test_udp_trackers_are_asked_by_the_thread_of_that_name(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=(("udp://u.test:80/announce",),))
    rig.add_downloading(torrent, tmp_path)
    rig.shard.drain()
    assert asked(rig) == []
    order = only(Announce, [message for message in rig.udp.drain() if isinstance(message, Announce)])
    done(rig, order, PEER)
    assert rig.shard.drain() == [PeersFound(torrent.info_hash, (PEER,), PeerSource.TRACKER, "u.test")]
    rig.ask(StopTorrent(torrent.info_hash))
    assert [order.query.event for order in rig.udp.drain()] == [AnnounceEvent.STOPPED]


def test_the_next_of_a_tier_is_asked_when_the_first_takes_its_time(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A, B),))
    rig.add_downloading(torrent, tmp_path)
    slow = only(Announce, rig.outcalls.drain())
    rig.advance(HEDGE_S)
    quick = only(Announce, rig.outcalls.drain())
    assert {slow.url, quick.url} == {A, B}
    done(rig, quick)
    rig.shard.drain()
    done(rig, slow, PEER)
    tracker = slow.url.split("/")[2]
    assert PeersFound(torrent.info_hash, (PEER,), PeerSource.TRACKER, tracker) in rig.shard.drain()
    rig.advance(1800.0)
    assert asked(rig) == [(quick.url, AnnounceEvent.NONE)]
    rig.ask(StopTorrent(torrent.info_hash))
    done(rig, quick)
    assert {url for url, event in asked(rig) if event is AnnounceEvent.STOPPED} >= {slow.url}


def listening_on_both(folder: Path, *tiers: tuple[str, ...], **settings: str) -> SessionRig:
    rig = SessionRig(**settings)
    rig.session.messages[Listening](Listening("0.0.0.0", 6881))
    rig.session.messages[Listening](Listening("::", 6881))
    rig.add_downloading(torrent_of(4, tiers=tiers), folder)
    return rig


def test_a_tracker_is_told_by_each_family_that_we_listen_on(tmp_path: Path) -> None:
    rig = listening_on_both(tmp_path, (A,))
    four, six = rig.outcalls.drain()
    assert [order.origin for order in (four, six)] == [Origin(4), Origin(6)]
    assert four.query == six.query
    done(rig, four, PEER)
    done(rig, six, error=TrackerError("tracker.no-address", "a.test has no IPv6 address"))
    assert asked(rig) == []
    rig.advance(1800.0)
    assert [order.query.event for order in rig.outcalls.drain()] == [AnnounceEvent.NONE, AnnounceEvent.STARTED]


def test_a_tracker_that_answers_by_one_family_serves(tmp_path: Path) -> None:
    rig = listening_on_both(tmp_path, (A, B))
    four, six = rig.outcalls.drain()
    done(rig, four, error=TrackerError("tracker.unreachable", "no way"))
    assert asked(rig) == []
    done(rig, six, PEER)
    rig.advance(HEDGE_S)
    assert asked(rig) == []


def test_with_announce_to_all_every_tracker_of_a_tier_is_told(tmp_path: Path) -> None:
    rig = SessionRig(trackers__announce_to_all=True)
    rig.add_downloading(torrent_of(4, tiers=((A, B), (C,))), tmp_path)
    assert {order.url for order in rig.outcalls.drain()} == {A, B, C}


def test_no_tracker_is_asked_over_udp_when_that_is_switched_off(tmp_path: Path) -> None:
    rig, torrent = SessionRig(trackers__udp=False), torrent_of(4, tiers=((UDP,), (A,)))
    rig.add_downloading(torrent, tmp_path)
    assert asked(rig) == [(A, AnnounceEvent.STARTED)] and rig.udp.drain() == []
    told = unspoken(0, "v1", UDP)
    assert (told.state, told.result) == ("disabled", "udp trackers are switched off")


def test_trackers_are_asked_for_as_many_peers_as_the_settings_say(tmp_path: Path) -> None:
    rig, torrent = SessionRig(trackers__peers_wanted=33), torrent_of(4, tiers=((A,),))
    rig.add_downloading(torrent, tmp_path)
    assert [order.query.num_want for order in rig.outcalls.drain()] == [33]


def test_a_private_torrent_has_one_tracker_of_a_tier_all_the_same(tmp_path: Path) -> None:
    rig = SessionRig(trackers__announce_to_all=True)
    rig.add_downloading(torrent_of(4, tiers=((A, B),))._replace(is_private=True), tmp_path)
    assert len(rig.outcalls.drain()) == 1


def test_a_tracker_that_wants_to_be_left_alone_is(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A,),))
    rig.add_downloading(torrent, tmp_path)
    order = only(Announce, rig.outcalls.drain())
    done(rig, order, error=TrackerRefused("tracker.overloaded", "later", 600.0))
    rig.advance(599.0)
    assert asked(rig) == []
    rig.advance(1.0)
    assert asked(rig) == [(A, AnnounceEvent.STARTED)]


def test_a_tracker_that_wants_to_be_left_alone_for_ever_is_until_somebody_asks(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A,),))
    rig.add_downloading(torrent, tmp_path)
    done(rig, only(Announce, rig.outcalls.drain()), error=TrackerRefused("tracker.unregistered", "go", NEVER_S))
    rig.advance(10_000_000.0)
    assert asked(rig) == []
    rig.ask(Reannounce(torrent.info_hash))
    rig.advance(0.0)
    assert asked(rig) == [(A, AnnounceEvent.STARTED)]


def test_of_a_tier_only_the_tracker_that_said_so_is_left_alone(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((A, B),))
    rig.add_downloading(torrent, tmp_path)
    tired = only(Announce, rig.outcalls.drain())
    done(rig, tired, error=TrackerRefused("tracker.overloaded", "later", 3600.0))
    other = only(Announce, rig.outcalls.drain())
    done(rig, other, error=TrackerError("tracker.timed-out", "no answer"))
    rig.advance(FIRST_BACKOFF_S)
    assert asked(rig) == [(other.url, AnnounceEvent.STARTED)]


@pytest.mark.parametrize(("own", "told"), [
    ("192.0.2.7", {4: "192.0.2.7", 6: ""}), ("2001:db8::7", {4: "", 6: "2001:db8::7"}), ("", {4: "", 6: ""}),
])
def test_trackers_are_told_the_address_that_the_settings_have_by_its_family(
    tmp_path: Path, own: str, told: dict[int, str]
) -> None:
    rig = listening_on_both(tmp_path, (A,), trackers__own_address=own)
    assert {order.origin.family: order.query.own_host for order in rig.outcalls.drain()} == told
