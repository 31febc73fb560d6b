"""Scrapes: when trackers are asked how large swarms are."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.queries import TrackersOf
from blobtorrent.core.session.scrapes import GATHER_S, INTERVAL_S
from blobtorrent.discovery.messages import Announce, Scrape, ScrapeDone
from blobtorrent.model.errors import TrackerError
from blobtorrent.protocol.tracker.announce import SwarmCounts
from tests.support.sessions import SessionRig, only, torrent_of

A = "http://a.test/announce"


@pytest.fixture
def rig() -> SessionRig:
    rig = SessionRig(keeps=True)
    rig.open_listeners()
    return rig


def start(rig: SessionRig, folder: Path, seed: int = 1, **told: int) -> bytes:
    """A torrent that its tracker has answered; its wire form."""
    torrent = torrent_of(4, seed=seed, tiers=((A,),))
    rig.add_kept(torrent, folder)
    rig.answer_prepare(has_data=False)
    rig.answer_announce(only(Announce, rig.outcalls.drain()), **told)
    return torrent.info_hash.wire_forms[0]


def test_what_an_announce_did_not_tell_is_asked_for_with_one_question_for_many(rig: SessionRig, tmp_path: Path) -> None:
    one = start(rig, tmp_path / "one")
    other = start(rig, tmp_path / "other", 2)
    rig.advance(GATHER_S)
    scrape = only(Scrape, rig.outcalls.drain())
    assert (scrape.url, scrape.wire_hashes) == (A, (one, other))
    rig.tell(ScrapeDone(A, scrape.wire_hashes, {one: SwarmCounts(3, 4, 5)}))
    (tracker,) = rig.ask(TrackersOf(torrent_of(4, tiers=((A,),)).info_hash))
    assert (tracker.seeds, tracker.leeches, tracker.downloads) == (3, 4, 5)


def test_who_tells_everything_is_not_asked(rig: SessionRig, tmp_path: Path) -> None:
    start(rig, tmp_path / "one", seeds=1, leechers=2, downloads=3)
    rig.advance(GATHER_S)
    assert rig.outcalls.depth == 0


def test_a_torrent_is_asked_for_once_an_hour(rig: SessionRig, tmp_path: Path) -> None:
    start(rig, tmp_path / "one", interval_s=60)
    scrapes = 0
    for _ in range(round(2 * INTERVAL_S / 60)):
        rig.advance(60.0)
        for order in rig.outcalls.drain():
            if isinstance(order, Scrape):
                scrapes += 1
                rig.tell(ScrapeDone(A, order.wire_hashes))
            else:
                rig.answer_announce(order, interval_s=60)
    assert scrapes == 2


def test_a_tracker_that_serves_no_scrapes_is_asked_once(rig: SessionRig, tmp_path: Path) -> None:
    start(rig, tmp_path / "one")
    rig.advance(GATHER_S)
    scrape = only(Scrape, rig.outcalls.drain())
    rig.tell(ScrapeDone(A, scrape.wire_hashes, error=TrackerError("tracker.no-scrape", "no")))
    start(rig, tmp_path / "other", 2)
    rig.advance(GATHER_S)
    assert rig.outcalls.depth == 0
