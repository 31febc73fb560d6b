"""What handlers of events are told of the way from one phase of a download to another."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.commands import ChangeTorrent
from blobtorrent.interface.rtorrent.downloads.download import Phase
from blobtorrent.interface.rtorrent.downloads.following import way
from tests.support.rtorrentdownloads import Stage

SHUT = Phase()
OPEN = Phase(is_open=True)
CHECKING = Phase(is_open=True, is_checking=True)
ACTIVE = Phase(is_open=True, is_active=True)


@pytest.mark.parametrize(("before", "after", "names"), [
    (SHUT, CHECKING, ["hash_queued", "opened"]),
    (CHECKING, ACTIVE, ["resumed", "hash_done"]),
    (SHUT, ACTIVE, ["hash_queued", "opened", "resumed", "hash_done"]),
    (OPEN, ACTIVE, ["resumed"]),
    (ACTIVE, OPEN, ["paused"]),
    (ACTIVE, SHUT, ["paused", "hash_removed", "closed"]),
    (OPEN, SHUT, ["hash_removed", "closed"]),
    (SHUT, OPEN, ["opened"]),
    (CHECKING, OPEN, ["hash_done"]),
    (ACTIVE, CHECKING, ["paused", "hash_removed", "closed", "hash_queued", "opened"]),
    (ACTIVE, ACTIVE, []),
])
def test_the_events_come_in_the_order_of_rtorrent(before: Phase, after: Phase, names: list[str]) -> None:
    assert way(before, after) == names


def test_what_handlers_change_at_the_start_is_not_waited_for_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    for name in ("alpha", "charlie"):
        stage.engine.add(name, state="seeding", is_started=True)
    stage.side.events()
    asked: list[object] = []
    ask = stage.engine.ask

    def note(command: object, timeout_s: float = 1.0) -> object:
        asked.append(command)
        return ask(command, timeout_s)

    monkeypatch.setattr(stage.engine, "ask", note)
    stage.side.begin()
    assert all(download.number("timestamp.started") for download in stage.side.downloads.all())
    assert [command for command in asked if isinstance(command, ChangeTorrent)] == []
    digits = stage.side.downloads.all()[0].hash
    stage.call("d.custom1.set", digits, "tag")
    assert len([command for command in asked if isinstance(command, ChangeTorrent)]) == 1
