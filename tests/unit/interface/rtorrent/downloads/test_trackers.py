"""Trackers that are switched off and on, and added."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.commands import SetTrackers
from blobtorrent.core.session.queries import ScrapeTrackers
from blobtorrent.interface.rtorrent.downloads.trackerrows import KEY
from blobtorrent.interface.rtorrent.faults import Fault
from tests.support.rtorrentdownloads import Stage

FIRST = "http://127.0.0.1:6969/announce"
SECOND = "http://127.0.0.1:6970/announce"


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.engine.add("charlie")
    return stage


def rows(stage: Stage, *columns: str) -> object:
    return stage.call("t.multicall", stage.only().hash, "", *columns)


def test_one_that_is_off_is_listed_and_not_asked(stage: Stage) -> None:
    digits = stage.only().hash
    stage.call("t.disable", f"{digits}:t0")
    assert rows(stage, "t.is_enabled=") == [[0], [1], [1], [1]]
    (command,) = [command for command in stage.engine.asked if isinstance(command, SetTrackers)]
    assert command.tiers is not None
    assert FIRST not in [url for tier in command.tiers for url in tier]
    stage.call("t.enable", f"{digits}:t0")
    assert rows(stage, "t.is_enabled=") == [[1], [1], [1], [1]]


def test_one_that_is_added_comes_behind_those_of_its_group(stage: Stage) -> None:
    digits = stage.only().hash
    stage.call("d.tracker.insert", digits, "0", "http://127.0.0.1:9/added")
    stage.call("d.tracker.insert", digits, 7, "http://127.0.0.1:9/last")
    assert rows(stage, "t.url=", "t.group=", "t.is_extra_tracker=") == [
        [FIRST, 0, 0], [SECOND, 0, 0], ["http://127.0.0.1:9/added", 0, 1], ["http://127.0.0.1:9/announce", 1, 0],
        ["udp://127.0.0.1:9/announce", 2, 0], ["http://127.0.0.1:9/last", 7, 1]]


def test_what_cannot_be_asked_is_refused(stage: Stage) -> None:
    digits = stage.only().hash
    with pytest.raises(Fault, match="could find matching tracker protocol"):
        stage.call("d.tracker.insert", digits, 0, "bogus://x")
    with pytest.raises(Fault, match="Tracker group number invalid."):
        stage.call("d.tracker.insert", digits, 33, "http://127.0.0.1:9/x")


def test_their_numbers_are_asked_for_after_the_time_that_is_said(stage: Stage) -> None:
    digits = stage.only().hash
    assert stage.call("d.tracker.send_scrape", digits, "30") is None
    assert ScrapeTrackers(stage.only().info_hash, 30) in stage.engine.asked
    for delay in (-1, 86_401):
        with pytest.raises(Fault, match="delay must be"):
            stage.call("d.tracker.send_scrape", digits, delay)


@pytest.mark.parametrize("text", ["[" * 100_000, "[[1e999,1,1,1]]", "[[1]]", "5", "x",
                                   '[["a","b",1,1]]', "[[[],1,1,1]]"])
def test_a_list_that_somebody_bent_is_as_if_none_was_kept(stage: Stage, text: str) -> None:
    before = rows(stage, "t.url=", "t.group=")
    stage.side.downloads.set_texts(stage.only(), {KEY: text})
    stage.side.downloads.forget_trackers(stage.only().info_hash)
    assert rows(stage, "t.url=", "t.group=") == before
