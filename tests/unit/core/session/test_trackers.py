"""Trackers that a torrent's owner wants instead of, or besides, those of its .torrent file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blobtorrent.core.session.commands import AddTrackers, SetTrackers, StopTorrent, Tiers
from blobtorrent.core.session.rows import read_record, torrent_body
from blobtorrent.core.session.trackers import checked
from blobtorrent.discovery.messages import Announce, AnnounceDone
from blobtorrent.model.errors import Invalid, NetworkError
from blobtorrent.model.events import TorrentChanged
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.urls import MAX_TRACKERS
from blobtorrent.protocol.tracker.announce import AnnounceEvent
from tests.support.sessions import SessionRig, only, saved_torrent, torrent_of
from tests.unit.core.session.test_lasting import prepared

A, B, C, D = (f"http://{name}.test/announce" for name in "abcd")
STARTED, NONE, STOPPED = AnnounceEvent.STARTED, AnnounceEvent.NONE, AnnounceEvent.STOPPED


def running(tmp_path: Path, *tiers: tuple[str, ...], own: Tiers | None = None) -> tuple[SessionRig, Metainfo]:
    """A daemon with a torrent that is announced to these."""
    torrent = torrent_of(4, tiers=tiers)
    saved = saved_torrent(torrent, tmp_path, 0)
    saved.record.wishes = saved.record.wishes._replace(trackers=own)
    rig = SessionRig(keeps=True, saved=[saved])
    rig.open_listeners()
    rig.answer_load(torrent)
    prepared(rig)
    return rig, torrent


def answer(rig: SessionRig) -> list[tuple[str, AnnounceEvent]]:
    """All trackers that were asked say yes; returns what they were told."""
    told = []
    while orders := rig.outcalls.drain():
        for order in orders:
            if not isinstance(order, Announce):            # a scrape
                continue
            told.append((order.url, order.query.event))
            rig.answer_announce(order, interval_s=600)
    return told


def ask(rig: SessionRig, command: Any) -> None:
    reply = rig.command(command)
    if rig.saves.depth:
        rig.save()
    reply.wait(0)


def test_new_trackers_are_told_at_once_and_former_ones_that_we_leave(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, (A,), (B,))
    answer(rig)
    ask(rig, SetTrackers(torrent.info_hash, ((B,), (C,))))
    assert answer(rig) == [(A, STOPPED), (C, STARTED)]
    assert TorrentChanged(torrent.info_hash) in rig.events()


def test_the_answer_comes_when_the_change_is_safe(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, (A,))
    reply = rig.command(SetTrackers(torrent.info_hash, ((C,),)))
    assert not reply._box.depth
    (row,) = [row for row in rig.save() if b'"trackers"' in row.body]
    reply.wait(0)
    assert read_record(row.body, None).wishes.trackers == ((C,),)


def test_a_tier_that_stays_is_not_asked_before_its_time(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, (A,), (B,))
    answer(rig)
    rig.advance(300)
    ask(rig, SetTrackers(torrent.info_hash, ((C,), (A,))))
    assert answer(rig) == [(B, STOPPED), (C, STARTED)]
    rig.advance(300)
    assert answer(rig) == [(A, NONE)]


def test_a_tracker_that_comes_to_another_tier_hears_neither_that_we_leave_nor_that_we_start(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, (A,))
    order = only(Announce, rig.outcalls.drain())
    rig.answer_announce(order, tracker_id=b"id")
    ask(rig, SetTrackers(torrent.info_hash, ((A, B),)))
    order = only(Announce, rig.outcalls.drain())
    if order.url == B:                 # a tier is shuffled
        rig.tell(AnnounceDone(order.info_hash, B, order.query, error=NetworkError("net.timed-out", "no")))
        order = only(Announce, rig.outcalls.drain())
    assert (order.url, order.query.event, order.query.tracker_id) == (A, NONE, b"id")


def test_a_tracker_that_takes_started_when_it_is_ours_no_more_is_told_that_we_left(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, (A,))
    order = only(Announce, rig.outcalls.drain())
    ask(rig, SetTrackers(torrent.info_hash, ((B,),)))
    rig.outcalls.drain()
    rig.answer_announce(order)
    assert [(one.url, one.query.event) for one in rig.outcalls.drain()] == [(A, STOPPED)]


def test_a_torrent_may_have_no_trackers_at_all(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, (A,))
    answer(rig)
    ask(rig, SetTrackers(torrent.info_hash, ()))
    assert answer(rig) == [(A, STOPPED)]
    rig.advance(10_000)
    assert answer(rig) == []


def test_none_is_back_to_those_of_the_metainfo(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, (A,), own=((C,),))
    assert answer(rig) == [(C, STARTED)]
    ask(rig, SetTrackers(torrent.info_hash, None))
    assert answer(rig) == [(C, STOPPED), (A, STARTED)]


def test_more_trackers_come_behind_those_that_there_are(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, (A,))
    answer(rig)
    ask(rig, AddTrackers(torrent.info_hash, ((B, A), (C,))))
    assert answer(rig) == [(B, STARTED), (C, STARTED)]


def test_trackers_are_added_to_a_stopped_torrent_whose_metainfo_has_to_be_read(tmp_path: Path) -> None:
    torrent = torrent_of(4, tiers=((A,),))
    saved = saved_torrent(torrent, tmp_path, run=False)
    rig = SessionRig(keeps=True, saved=[saved])
    rig.open_listeners()
    reply = rig.command(AddTrackers(torrent.info_hash, ((B,),)))
    rig.answer_load(torrent)
    rig.save()
    reply.wait(0)
    assert saved.record.wishes.trackers == ((A,), (B,))
    assert rig.outcalls.depth == 0


def test_the_end_is_told_to_the_trackers_of_the_time(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, (A,))
    answer(rig)
    ask(rig, SetTrackers(torrent.info_hash, ((D,),)))
    answer(rig)
    ask(rig, StopTorrent(torrent.info_hash))
    assert answer(rig) == [(D, STOPPED)]


def test_own_trackers_outlive_the_process(tmp_path: Path) -> None:
    record = saved_torrent(torrent_of(4), tmp_path).record
    for trackers in (None, (), ((A, B), (C,))):
        record.wishes = record.wishes._replace(trackers=trackers)
        assert read_record(torrent_body(record), None).wishes.trackers == trackers


@pytest.mark.parametrize("url", [
    "", "a.test", "ftp://a.test/", "http://", "http://a.test:99999/", "udp://a.test/", "http://a.test/\nx",
    "http://a.test/" + "x" * 3000, "http://a\ud800.test/", "http://a.test/\ud800",
])
def test_what_is_no_url_of_a_tracker_is_refused(tmp_path: Path, url: str) -> None:
    rig, torrent = running(tmp_path, (A,))
    answer(rig)
    for command in (SetTrackers(torrent.info_hash, ((B,), (url,))), AddTrackers(torrent.info_hash, ((B,), (url,)))):
        with pytest.raises(Invalid) as raised:
            rig.ask(command)
        assert raised.value.code == "trackers.bad-url"
    assert answer(rig) == []


def test_there_are_no_more_than_are_of_use(tmp_path: Path) -> None:
    rig, torrent = running(tmp_path, (A,))
    many = tuple((f"http://{number}.test/",) for number in range(MAX_TRACKERS))
    with pytest.raises(Invalid) as raised:
        ask(rig, AddTrackers(torrent.info_hash, many))
    assert raised.value.code == "trackers.too-many"
    ask(rig, SetTrackers(torrent.info_hash, many))


def test_repeated_trackers_and_empty_tiers_go() -> None:
    assert checked(((A, A), (), (A, B), (B,))) == ((A,), (B,))
