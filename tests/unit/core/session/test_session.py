"""Listeners, refusals and the end of a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.config.values import ListenSpec
from blobtorrent.core.session.commands import AddTorrent, Ask, OpenListeners, Reply, StopSession, StopTorrent
from blobtorrent.core.session.lifecycle import SessionState
from blobtorrent.core.session.session import ANNOUNCE_DRAIN_MAX_S, ANNOUNCE_DRAIN_S, DRAIN_S
from blobtorrent.core.swarm.messages import CloseSwarm, OpenSwarm
from blobtorrent.discovery.messages import Announce, AnnounceDone
from blobtorrent.model.errors import BugError, Conflict, NetworkError, TrackerError, Unavailable
from blobtorrent.network.messages import Listen, ListenFailed, Listening
from blobtorrent.protocol.tracker.announce import AnnounceEvent
from tests.support.sessions import SessionRig, only, torrent_of

EVERYWHERE = (ListenSpec("0.0.0.0", range(6881, 7000)), ListenSpec("::", range(6881, 7000)))
TRACKER = "http://tracker.test/announce"


def test_the_second_listener_prefers_the_port_of_the_first() -> None:
    rig = SessionRig()
    reply = rig.command(OpenListeners(EVERYWHERE))
    assert only(Listen, rig.door.drain()).ports == range(6881, 7000)
    rig.tell(Listening("0.0.0.0", 6885))
    assert only(Listen, rig.door.drain()).ports == range(6885, 7000)
    rig.tell(Listening("::", 6885))
    assert reply.wait(0) == (("0.0.0.0", 6885), ("::", 6885))
    assert rig.session.state is SessionState.RUNNING


def test_any_port_means_the_same_port_for_all_listeners() -> None:
    rig = SessionRig()
    rig.command(OpenListeners((ListenSpec("127.0.0.1", range(1)), ListenSpec("::1", range(1)))))
    rig.door.drain()
    rig.tell(Listening("127.0.0.1", 40123))
    assert only(Listen, rig.door.drain()).ports == range(40123, 40124)


def test_a_machine_without_one_kind_of_address_is_served_on_the_other() -> None:
    rig = SessionRig()
    reply = rig.command(OpenListeners(EVERYWHERE))
    rig.tell(Listening("0.0.0.0", 6881))
    rig.tell(ListenFailed("::", "net.unreachable", "no IPv6 here"))
    assert reply.wait(0) == (("0.0.0.0", 6881),)


def test_the_command_fails_when_no_listener_could_be_opened() -> None:
    rig = SessionRig()
    reply = rig.command(OpenListeners(EVERYWHERE[:1]))
    rig.tell(ListenFailed("0.0.0.0", "net.port-in-use", "somebody else is there"))
    with pytest.raises(NetworkError, match="somebody else"):
        reply.wait(0)


def test_listeners_are_opened_one_command_at_a_time() -> None:
    rig = SessionRig()
    rig.command(OpenListeners(EVERYWHERE))
    with pytest.raises(Conflict):
        rig.ask(OpenListeners(EVERYWHERE))


def test_no_listeners_at_all_is_answered_at_once() -> None:
    assert SessionRig().ask(OpenListeners(())) == ()


def test_swarms_and_trackers_are_told_the_port_that_is_open(tmp_path: Path) -> None:
    rig = SessionRig()
    rig.command(OpenListeners(EVERYWHERE[:1]))
    rig.tell(Listening("0.0.0.0", 6890))
    rig.add_downloading(torrent_of(4, tiers=((TRACKER,),)), tmp_path)
    assert only(OpenSwarm, rig.shard.drain()).settings.listen_port == 6890
    assert only(Announce, rig.outcalls.drain()).query.port == 6890


def test_an_empty_session_stops_at_once_and_then_refuses_commands(tmp_path: Path) -> None:
    rig = SessionRig()
    assert rig.ask(StopSession()) is True
    assert rig.session.state is SessionState.STOPPED
    with pytest.raises(Unavailable):
        rig.ask(AddTorrent(torrent_of(4), tmp_path))
    assert rig.ask(StopSession()) is True


def test_stopping_waits_for_swarms_stores_and_trackers(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((TRACKER,),))
    rig.add_downloading(torrent, tmp_path)
    rig.answer_announce(only(Announce, rig.outcalls.drain()))
    reply = rig.command(StopSession())
    rig.answer_close(torrent, have=2)
    assert rig.session.state is SessionState.DRAINING
    farewell = only(Announce, rig.outcalls.drain())
    assert farewell.query.event is AnnounceEvent.STOPPED
    rig.answer_announce(farewell)
    assert reply.wait(0) is True
    assert rig.session.state is SessionState.STOPPED


def test_a_silent_tracker_delays_the_end_only_so_long(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4, tiers=((TRACKER,),))
    rig.add_downloading(torrent, tmp_path)
    rig.answer_announce(only(Announce, rig.outcalls.drain()))
    reply = rig.command(StopSession())
    rig.answer_close(torrent, have=2)
    rig.advance(ANNOUNCE_DRAIN_S - 0.1)
    assert rig.session.state is SessionState.DRAINING
    rig.advance(0.1)
    assert reply.wait(0) is True


def test_trackers_that_go_on_answering_have_more_time_but_not_for_ever(tmp_path: Path) -> None:
    torrents = [torrent_of(pieces, tiers=((f"http://{pieces}.test/announce",),)) for pieces in range(1, 9)]
    rig = SessionRig()
    for torrent in torrents:
        rig.add_downloading(torrent, tmp_path / str(torrent.geometry.num_pieces))
        rig.answer_announce(only(Announce, rig.outcalls.drain()))
    reply = rig.command(StopSession())
    for torrent in torrents:
        rig.report_last(torrent, have=0)
        rig.answer_close_store()
    farewells = rig.outcalls.drain()
    step_s = ANNOUNCE_DRAIN_S - 0.5
    for number in range(int(ANNOUNCE_DRAIN_MAX_S / step_s)):
        assert rig.session.state is SessionState.DRAINING
        rig.advance(step_s)
        rig.answer_announce(farewells[number])
    rig.advance(ANNOUNCE_DRAIN_MAX_S % step_s)
    assert reply.wait(0) is True


def test_a_tracker_that_falls_silent_again_ends_the_wait(tmp_path: Path) -> None:
    torrents = [torrent_of(pieces, tiers=((f"http://{pieces}.test/announce",),)) for pieces in range(1, 4)]
    rig = SessionRig()
    for torrent in torrents:
        rig.add_downloading(torrent, tmp_path / str(torrent.geometry.num_pieces))
        rig.answer_announce(only(Announce, rig.outcalls.drain()))
    reply = rig.command(StopSession())
    for torrent in torrents:
        rig.report_last(torrent, have=0)
        rig.answer_close_store()
    rig.advance(ANNOUNCE_DRAIN_S / 2)
    rig.answer_announce(rig.outcalls.drain()[0])
    for _ in range(2):
        assert rig.session.state is SessionState.DRAINING
        rig.advance(ANNOUNCE_DRAIN_S / 2)
    assert reply.wait(0) is True


def test_a_hanging_disk_delays_the_end_only_so_long(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add(torrent, tmp_path)
    first, second = rig.command(StopSession()), rig.command(StopSession())
    rig.advance(DRAIN_S - 0.1)
    assert rig.session.state is SessionState.DRAINING
    rig.advance(0.1)
    assert (first.wait(0), second.wait(0)) == (False, False)


def test_a_torrent_that_was_stopped_before_does_not_hold_the_end_up(tmp_path: Path) -> None:
    rig, torrent = SessionRig(), torrent_of(4)
    rig.add_downloading(torrent, tmp_path)
    rig.ask(StopTorrent(torrent.info_hash))
    rig.answer_close(torrent, have=0)
    assert rig.ask(StopSession()) is True


def test_a_torrent_that_cannot_be_closed_keeps_no_other_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig, bad, good = SessionRig(), torrent_of(4), torrent_of(5)
    for torrent in (bad, good):
        rig.add_downloading(torrent, tmp_path / str(torrent.geometry.num_pieces))
    announces = rig.session._announces
    end = announces.end
    monkeypatch.setattr(announces, "end", lambda info_hash: 1 // 0 if info_hash == bad.info_hash else end(info_hash))
    reply: Reply[bool] = Reply()
    rig.session.on_message(Ask(StopSession(), reply))
    first, second = rig.inbox.drain()
    with pytest.raises(ZeroDivisionError):
        rig.tell(first)
    assert [type(order) for order in rig.shard.drain()][-1:] == [CloseSwarm]
    rig.tell(second)
    assert rig.session.state is SessionState.DRAINING
    for torrent in (bad, good):
        rig.report_last(torrent, have=0)
        rig.answer_close_store()
    assert reply.wait(0) is True


@pytest.mark.parametrize("url", ["http://[1:2:3]/announce", "http://a]b@h/announce", "udp://[:::]:80/a", "http://[@x/a"])
def test_a_tracker_of_a_former_version_that_is_no_url_hinders_nobody(tmp_path: Path, url: str) -> None:
    rig, bad, good = SessionRig(), torrent_of(4, tiers=((TRACKER,), (url,), (TRACKER + "/2",))), torrent_of(5)
    for torrent in (bad, good):
        rig.add_downloading(torrent, tmp_path / str(torrent.geometry.num_pieces))
    orders = [order for order in (*rig.outcalls.drain(), *rig.udp.drain()) if isinstance(order, Announce)]
    assert {order.url for order in orders} == {TRACKER, url, TRACKER + "/2"}
    for order in orders:
        if order.url == url:
            rig.tell(AnnounceDone(order.info_hash, url, order.query, error=TrackerError("tracker.bad-url", "no")))
        else:
            rig.answer_announce(order)
    reply = rig.command(StopSession())
    for torrent in (bad, good):
        rig.report_last(torrent, have=0)
        rig.answer_close_store()
    farewells = rig.outcalls.drain()
    assert {order.url for order in farewells} == {TRACKER, TRACKER + "/2"}
    for order in farewells:
        rig.answer_announce(order)
    assert reply.wait(0) is True


def test_a_mistake_of_ours_is_answered_before_it_reaches_the_log(tmp_path: Path) -> None:
    rig = SessionRig()
    broken = AddTorrent(None, tmp_path)
    with pytest.raises(AssertionError):
        rig.command(broken)
    with pytest.raises(BugError):
        rig.last_reply.wait(0)


def test_a_reply_that_does_not_come_is_unavailable() -> None:
    rig = SessionRig()
    with pytest.raises(Unavailable, match="no answer"):
        rig.command(OpenListeners(EVERYWHERE)).wait(0)
