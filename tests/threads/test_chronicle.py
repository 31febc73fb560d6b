"""The chronicle on the bus's thread: what is told, in which order, from when on."""

from __future__ import annotations

import json

import pytest

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.interface.chronicle import Chronicle
from blobtorrent.interface.eventjson import Told
from blobtorrent.model.events import DamageFound, SettingsApplied, TorrentAdded, TorrentRemoved
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.bus import EventBus
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.rest import PATIENCE_S, info_hash, status_of


class Rig:
    def __init__(self) -> None:
        self.bus = EventBus()
        self.board = StatusBoard()
        self.gateway = Gateway(Mailbox("core"), self.board, self.bus, StatusBoard())
        self.chronicle = Chronicle(self.gateway, clock=FakeClock(5.0), run="ab")
        self.told: list[Told] = []

    def run(self, *events: object) -> list[str]:
        """Publish, and end the bus: the types that were told, and their ids."""
        for event in events:
            self.bus.publish(event)
        self.bus.start()
        assert self.bus.stop(PATIENCE_S)
        return [f"{told.type} {told.fields.get('id')}" for told in self.told]


@pytest.fixture
def rig():
    rig = Rig()
    rig.chronicle.follow(rig.told.append)
    return rig


def test_events_are_numbered_in_the_order_that_they_were_published(rig):
    assert rig.run(TorrentAdded(info_hash(1), "a"), SettingsApplied(), TorrentRemoved(info_hash(1), "a")) == [
        "torrent-added ab-1", "settings-applied ab-2", "torrent-removed ab-3",
    ]


def test_what_was_published_before_anybody_followed_is_told_too():
    rig = Rig()
    rig.bus.publish(DamageFound("row", "here", "torn", "mended"))
    rig.chronicle.follow(rig.told.append)
    assert rig.run() == ["damage-found ab-1"]


def test_who_comes_when_events_are_under_way_is_refused(rig):
    rig.run()
    with pytest.raises(RuntimeError, match="under way"):
        Chronicle(rig.gateway).follow(rig.told.append)


def test_an_event_is_rendered_once_for_all_followers(rig):
    others: list[Told] = []
    rig.chronicle.follow(others.append)
    rig.run(SettingsApplied())
    assert others[0] is rig.told[0]


def test_a_torrent_is_told_of_as_its_snapshot_has_it(rig):
    rig.board.publish(info_hash(1), status_of(1, labels=("tv",)))
    rig.run(TorrentAdded(info_hash(1), "torrent 1"))
    assert json.loads(rig.told[0].json)["labels"] == ["tv"]


def test_what_comes_after_the_stop_is_not_told(rig):
    rig.bus.publish(SettingsApplied())
    rig.chronicle.stop(1.0)
    assert rig.run(SettingsApplied()) == ["settings-applied ab-1"]


def test_two_runs_have_different_names():
    rig = Rig()
    assert Chronicle(rig.gateway).run != Chronicle(rig.gateway).run
