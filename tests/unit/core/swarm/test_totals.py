"""Totals go on from run to run, and the memory that outlives the process has them exactly."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.messages import Totals
from blobtorrent.core.swarm.tallies import Tallies
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.storage.jobs import SpansRead
from blobtorrent.storage.live.livelayout import LiveLayout
from tests.support.oneswarm import OneSwarm, outstanding
from tests.support.stored import StoredTorrent

K = 1024
BEFORE = Totals(1_000_000, 2_000_000, 30_000)


class Noted:
    """A LiveTorrent that only remembers."""

    def __init__(self) -> None:
        self.blocks: dict[int, int] = {}                   # key -> slot
        self.stored: list[Totals] = []

    def note_blocks(self, keys, slots):
        assert len(keys) == len(slots)
        self.blocks.update(zip(keys, slots))

    def save_tally(self, downloaded, uploaded, wasted):
        self.stored.append(Totals(downloaded, uploaded, wasted))


@pytest.fixture(scope="module")
def torrent():
    return StoredTorrent([10 * 4 * 16 * K - 5], 4 * 16 * K)


@pytest.fixture
def one(torrent):
    return OneSwarm(torrent, order={"totals": BEFORE, "live": Noted()})


def places(one):
    """Where the blocks of open pieces lie, by key."""
    return {assembly.index << 32 | block << 14: slot for assembly in one.swarm.pieces.open.values()
            for block, slot in assembly.held_slots}


def test_counters_start_at_the_totals_and_are_told_at_once(one):
    report = one.notes.reports[0]
    assert (report.downloaded_bytes, report.uploaded_bytes, report.wasted_bytes) == BEFORE


def test_what_comes_is_added_before_the_next_second(one):
    link = one.join()
    one.give_in_shape(link, outstanding(link)[:3])
    one.give(link, outstanding(link)[:1])
    assert one.swarm.make_report().downloaded_bytes == BEFORE.downloaded + 4 * 16 * K
    one.swarm.lose(link, RuntimeError("gone"))
    one.pass_time(3.0)
    assert one.notes.reports[-1].downloaded_bytes == BEFORE.downloaded + 4 * 16 * K


def test_what_was_sent_is_added(torrent):
    one = OneSwarm(torrent, have=[0], order={"totals": BEFORE})
    link = one.join([])
    one.tell(link, wire.Interested(), wire.Request(0, 0, 16 * K))
    one.said()
    (span,) = one.swarm.uploads.to_read
    one.swarm.on_read(SpansRead(one.swarm.info_hash, [span], []))
    ((_, _, _, token),) = [batch for batch in one.swarm.outgoing if batch[3] is not None]
    assert one.swarm.make_report().uploaded_bytes == BEFORE.uploaded
    one.swarm.on_sent(link, token)
    assert one.swarm.make_report().uploaded_bytes == BEFORE.uploaded + 16 * K


def test_every_block_that_finds_a_place_is_noted_with_its_slot(one):
    link, twin = one.join(), one.join()
    asked = outstanding(link)
    one.give_in_shape(link, asked[:3])
    one.give_in_shape(link, [asked[5], asked[4]])
    one.give(link, asked[6:8])
    short = (9, 3)
    one.give(link if short in outstanding(link) else twin, [short])
    live = one.swarm.order.live
    assert live.blocks == places(one)
    assert len(live.blocks) == 8


def test_a_block_that_nobody_asked_for_is_not_noted_and_told_as_waste(one):
    link = one.join([], unchoked=False)
    one.give_in_shape(link, [(0, 0)])
    one.give(link, [(0, 1)])
    one.said()
    live = one.swarm.order.live
    assert live.blocks == {}
    assert live.stored[-1] == Totals(BEFORE.downloaded + 2 * 16 * K, BEFORE.uploaded, BEFORE.wasted + 2 * 16 * K)


def test_whole_blocks_are_counted_by_notes_and_stored_before_a_reader_would_doubt_them():
    live, most = Noted(), LiveLayout(64, 1, 1).num_slots
    tallies = Tallies(live, Totals(), most)
    for count in range(1, 200):
        tallies.follow(count * 16 * K, 0, 0)
        told = live.stored[-1].downloaded if live.stored else 0
        assert count * 16 * K - told < most * 16 * K
    assert 0 < len(live.stored) < 20


@pytest.mark.parametrize("now", [Totals(5, 0, 0), Totals(0, 1, 0), Totals(16 * K, 0, 16 * K)])
def test_all_else_is_stored_at_once(now):
    live = Noted()
    Tallies(live, Totals(), 1000).follow(*now)
    assert live.stored == [now]


def test_totals_that_did_not_change_are_not_stored_again():
    live = Noted()
    Tallies(live, BEFORE, 1000).follow(*BEFORE)
    assert live.stored == []
