"""Scrapes: when trackers are asked how large swarms are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blobtorrent.core.session import scrapes
from blobtorrent.core.session.commands import StopTorrent
from blobtorrent.core.session.queries import ScrapeTrackers, TrackersOf
from blobtorrent.core.session.scrapes import (
    FRESH_S,
    GATHER_S,
    INTERVAL_S,
    MAX_HASHES,
    MAX_OPEN,
    REFUSED_S,
    ScrapeManager,
)
from blobtorrent.discovery.messages import Announce, Scrape, ScrapeDone
from blobtorrent.model.errors import NotFound, TrackerError
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.tracker.announce import AnnounceReply, SwarmCounts
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import TimerWheel
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


class Alone:
    """A ScrapeManager by itself."""

    def __init__(self) -> None:
        self.clock, self.timers, self.inbox = FakeClock(start=1000.0), TimerWheel(), Mailbox[Any]("core")
        self.outcalls, self.udp = Mailbox[Any]("outcalls"), Mailbox[Any]("udp")
        outlets: Any = SimpleNamespace(inbox=self.inbox, outcalls=self.outcalls, udp=self.udp)
        self.manager = ScrapeManager(outlets, lambda *told: None, clock=self.clock, timers=self.timers)

    def serve(self, *urls: str, wire_hash: bytes = bytes(20)) -> None:
        for url in urls:
            self.manager.on_served(InfoHash(v1=wire_hash), wire_hash, url, AnnounceReply())

    def asked(self) -> list[Scrape]:
        self.clock.advance(GATHER_S)
        self.timers.expire(self.clock.now())
        return self.outcalls.drain() + self.udp.drain()

    def answer(self, scrape: Scrape, code: str = "") -> None:
        error = TrackerError(code, "no") if code else None
        self.manager.on_done(ScrapeDone(scrape.url, scrape.wire_hashes, error=error))


@pytest.mark.parametrize("code", ["tracker.no-scrape", "tracker.http-status"])
def test_a_tracker_that_serves_no_scrapes_is_left_alone_for_a_day(code: str) -> None:
    alone = Alone()
    alone.serve(A)
    (scrape,) = alone.asked()
    alone.serve(A, wire_hash=b"2" * 20)
    alone.answer(scrape, code)
    alone.clock.advance(REFUSED_S - 2 * GATHER_S)
    alone.serve(A, wire_hash=b"3" * 20)
    assert alone.asked() == []
    alone.clock.advance(GATHER_S)
    alone.serve(A, wire_hash=b"3" * 20)
    assert len(alone.asked()) == 1


def test_a_host_is_asked_one_thing_at_a_time_whatever_its_urls() -> None:
    alone = Alone()
    alone.serve(*(f"http://Evil.test/announce?{number}" for number in range(200)), "http://evil.test/announce", A)
    first, other = alone.asked()
    assert other.url == A
    assert alone.asked() == []
    alone.answer(first)
    (second,) = alone.asked()
    assert second.url.startswith("http://Evil.test/") and second.url != first.url


def test_few_are_asked_at_a_time_and_the_others_in_their_turn() -> None:
    alone = Alone()
    urls = [f"{scheme}://{number}.test:1/announce" for scheme in ("http", "udp") for number in range(20)]
    alone.serve(*urls)
    seen: list[str] = []
    while asked := alone.asked():
        assert len(asked) <= MAX_OPEN
        seen += [scrape.url for scrape in asked]
        for scrape in asked:
            alone.answer(scrape)
    assert sorted(seen) == sorted(urls)


def test_what_came_up_while_a_tracker_was_asked_comes_next() -> None:
    alone = Alone()
    alone.serve(A)
    (first,) = alone.asked()
    alone.serve(A, wire_hash=b"2" * 20)
    assert alone.asked() == []
    alone.answer(first)
    (second,) = alone.asked()
    assert second.wire_hashes == (b"2" * 20,)


def test_one_question_has_so_many_torrents_and_the_rest_is_the_next() -> None:
    alone = Alone()
    for number in range(MAX_HASHES + 1):
        alone.serve(A, wire_hash=number.to_bytes(20, "big"))
    (first,) = alone.asked()
    alone.answer(first)
    (second,) = alone.asked()
    assert (len(first.wire_hashes), len(second.wire_hashes)) == (MAX_HASHES, 1)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrapes, "MANY", 10)
    monkeypatch.setattr(scrapes, "MANY_REFUSED", 10)
    alone = Alone()
    for number in range(50):
        alone.serve(f"http://{number}.test/announce")
        for scrape in alone.asked():
            alone.answer(scrape, "tracker.no-scrape")
    assert len(alone.manager._asked_s) == len(alone.manager._refused_until_s) == 10
    assert not alone.manager._wanted and not alone.manager._ready and not alone.manager._asked


def scrapes_told(rig: SessionRig) -> list[Scrape]:
    """Those that go out when a tick and the gathering are over."""
    rig.advance(GATHER_S)
    return [order for order in rig.outcalls.drain() if isinstance(order, Scrape)]


def test_who_asks_for_the_numbers_gets_new_ones_when_the_known_ones_are_old(rig: SessionRig, tmp_path: Path) -> None:
    wire_hash = start(rig, tmp_path / "one", seeds=1, leechers=2, downloads=3)
    info_hash = torrent_of(4, tiers=((A,),)).info_hash
    rig.ask(ScrapeTrackers(info_hash))
    assert scrapes_told(rig) == []                         # they are new
    rig.advance(FRESH_S - GATHER_S - 30.0)
    rig.ask(ScrapeTrackers(info_hash, 30.0))
    rig.advance(29.0)
    assert rig.outcalls.drain() == []
    rig.advance(1.0)
    (scrape,) = scrapes_told(rig)
    assert (scrape.url, scrape.wire_hashes) == (A, (wire_hash,))
    rig.tell(ScrapeDone(A, scrape.wire_hashes, {wire_hash: SwarmCounts(7, 8, None)}))
    (tracker,) = rig.ask(TrackersOf(info_hash))
    assert (tracker.seeds, tracker.leeches, tracker.downloads) == (7, 8, 3)
    rig.ask(ScrapeTrackers(info_hash))
    assert scrapes_told(rig) == []


def test_no_tracker_is_asked_for_the_numbers_of_one_that_does_not_run(rig: SessionRig, tmp_path: Path) -> None:
    start(rig, tmp_path / "one", seeds=1, leechers=2, downloads=3)
    info_hash = torrent_of(4, tiers=((A,),)).info_hash
    rig.advance(FRESH_S)
    rig.command(StopTorrent(info_hash))
    rig.outcalls.drain()
    rig.ask(ScrapeTrackers(info_hash))
    assert scrapes_told(rig) == []
    with pytest.raises(NotFound):
        rig.ask(ScrapeTrackers(InfoHash(v1=bytes(20))))
