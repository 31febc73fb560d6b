"""The list in its order, whatever changes."""

from __future__ import annotations

import random

import pytest

from blobtorrent.cli.top.roster import Roster
from blobtorrent.cli.top.torrent import Torrent, read_torrent
from blobtorrent.cli.top.views import MAIN, ORDERS, VIEWS, view_named
from tests.support.fakedaemon import torrent as told

STATES = ("stopped", "queued", "checking", "downloading", "seeding", "error")


def torrent(number: int, **fields) -> Torrent:
    return read_torrent(told(number, **fields))


def names(roster: Roster) -> list[str]:
    return [torrent.name for torrent in roster.between(0, len(roster))]


def some_torrent(rng: random.Random, number: int) -> Torrent:
    state = rng.choice(STATES)
    return torrent(
        number, name=rng.choice("abcXYZ") * rng.randint(1, 3), state=state, started=rng.random() < 0.5,
        error={"code": "disk.failed", "message": "it broke"} if state == "error" else None,
        size_bytes=1000, done_bytes=rng.randint(0, 1000), down_bytes_per_s=rng.choice((0, 0, 5, 70)),
        ratio=rng.random(), eta_s=rng.choice((None, 3, 90)), labels=rng.choice(([], ["tv"])))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("is_reversed", [False, True])
def test_after_any_changes_the_order_is_that_of_a_new_list(order, is_reversed):
    rng = random.Random(order)
    everything = {number: some_torrent(rng, number) for number in range(200)}
    roster = Roster()
    roster.choose(rng.choice(VIEWS))
    roster.search("a" if is_reversed else "")
    roster.order_by(order, is_reversed=is_reversed)
    roster.update(list(everything.values()), is_full=True)
    for _ in range(60):
        changed = {number: some_torrent(rng, number) for number in rng.sample(range(220), 3)}
        everything.update(changed)
        gone = [everything.pop(number).hash for number in rng.sample(sorted(everything), 2)]
        roster.update(list(changed.values()), gone)
        fresh = Roster()
        fresh.choose(roster.view)
        fresh.search(roster.text)
        fresh.order_by(order, is_reversed=is_reversed)
        fresh.update(list(everything.values()), is_full=True)
        assert roster.between(0, 300) == fresh.between(0, 300)
        assert roster.active == fresh.active
        shown = roster.between(0, 300)
        assert [roster.number_of(torrent.hash) for torrent in shown] == list(range(len(shown)))


def test_views_have_the_torrents_of_their_names():
    roster = Roster()
    roster.update([
        torrent(1, name="seed"), torrent(2, name="leech", state="downloading", done_bytes=1, down_bytes_per_s=9),
        torrent(3, name="off", state="stopped", started=False), torrent(4, name="checked", state="checking"),
        torrent(5, name="bad", state="error", error={"code": "x", "message": ""}, done_bytes=0),
    ], is_full=True)
    found = {}
    for view in VIEWS:
        roster.choose(view)
        found[view.name] = sorted(names(roster))
    everything = ["bad", "checked", "leech", "off", "seed"]
    assert found == {
        "main": everything, "name": everything, "started": ["bad", "checked", "leech", "seed"], "stopped": ["off"],
        "complete": ["off", "seed"], "incomplete": ["bad", "checked", "leech"], "hashing": ["checked"],
        "seeding": ["seed"], "leeching": ["leech"], "active": ["leech"], "error": ["bad"],
    }


def test_the_views_have_the_keys_of_rtorrent():
    assert "".join(view.key for view in VIEWS[:10]) == "1234567890"
    assert [view.name for view in VIEWS[:10]] == [
        "main", "name", "started", "stopped", "complete", "incomplete", "hashing", "seeding", "leeching", "active"]


def test_main_is_in_the_order_of_addition_and_name_in_that_of_names():
    roster = Roster()
    roster.update([torrent(1, name="b", added_at=1), torrent(2, name="A", added_at=2)], is_full=True)
    assert names(roster) == ["b", "A"]
    roster.choose(view_named("name"))
    assert names(roster) == ["A", "b"]
    roster.choose(view_named("seeding"))
    assert roster.order == "name"
    roster.choose(MAIN)
    assert names(roster) == ["b", "A"]


def test_a_text_is_looked_for_in_names_and_labels():
    roster = Roster()
    roster.update([torrent(1, name="Debian"), torrent(2, name="x", labels=["deb"]), torrent(3, name="y")], is_full=True)
    roster.search("DEB")
    assert names(roster) == ["Debian", "x"]
    assert (len(roster), roster.total) == (2, 3)


def test_what_is_told_in_full_forgets_the_rest():
    roster = Roster()
    roster.update([torrent(1, up_bytes_per_s=1)], is_full=True)
    roster.update([torrent(2)], is_full=True)
    assert (names(roster), roster.active, roster.get(torrent(1).hash)) == (["torrent 2"], set(), None)
