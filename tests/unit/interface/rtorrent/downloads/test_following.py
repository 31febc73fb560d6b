"""What handlers of events are told of the way from one phase of a download to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from blobtorrent.core.session.commands import ChangeTorrent
from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.downloads.download import Download, Phase
from blobtorrent.interface.rtorrent.downloads.following import way
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value
from blobtorrent.model.events import StateChanged, TorrentFinished
from tests.support.rtorrentdownloads import Heard, Stage
from tests.support.rtorrentengine import FIXTURES

RAW = (FIXTURES / "alpha.torrent").read_bytes().decode("utf-8", "surrogateescape")

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


EVENTS = ("inserted", "hash_queued", "inserted_new", "opened", "resumed", "hash_done", "paused", "hash_removed",
          "closed", "finished")


class Watched(Stage):
    """With a handler at each of these events; `seen` has what it sees: the event, d.complete and d.hashing."""

    def __init__(self) -> None:
        super().__init__(bus=Heard())
        self.side.events()
        self.side.begin()
        self.seen: list[str] = []
        self.registry.add(Command("test.see", Target.DOWNLOAD, self._see))
        for name in EVENTS:
            self.call("method.set_key", "", f"event.download.{name}", "zz_log", f"test.see={name}")

    def _see(self, context: Context, download: Download, args: Sequence[Value]) -> Value:
        self.seen.append(f"{args[0]} {context.call('d.complete')} {context.call('d.hashing')}")
        return None

    def happens(self, old: str, new: str, **changes: Any) -> None:
        """The engine goes from one state to another; nobody has been told before `poll`."""
        status = self.only().status
        self.engine.publish(status._replace(state=new, **changes))
        self.bus.publish(StateChanged(status.info_hash, old, new))


def test_handlers_of_one_that_is_loaded_to_run_find_it_started_and_its_check_queued() -> None:
    stage = Watched()
    stage.call("load.raw_start", "", RAW)
    stage.happens("stopped", "checking")
    stage.happens("checking", "downloading")
    stage.side.poll()
    assert stage.seen == ["inserted 0 0", "hash_queued 0 1", "inserted_new 0 1", "opened 0 1", "resumed 0 0",
                          "hash_done 0 0"]


@pytest.mark.parametrize("was_whole", [True, False])
def test_one_that_is_found_in_a_check_is_what_was_known_of_it_until_that_has_ended(was_whole: bool) -> None:
    """As those are that ran when the daemon was killed."""
    stage = Watched()
    info_hash = stage.engine.add("alpha", state="checking", is_started=True, was_whole=was_whole)
    digits = stage.only().hash
    assert stage.call("d.complete", digits) == int(was_whole)
    stage.happens("checking", "downloading", was_whole=False)
    stage.side.poll()
    assert stage.call("d.complete", digits) == 0
    size = stage.engine.status(info_hash).size_bytes
    stage.happens("downloading", "seeding", was_whole=True, done_bytes=size)
    stage.side.poll()
    assert stage.call("d.complete", digits) == 1


def test_one_that_is_loaded_to_stay_is_not_checked() -> None:
    stage = Watched()
    stage.call("load.raw", "", RAW)
    assert stage.seen == ["inserted 0 0", "inserted_new 0 0"]


def test_handlers_of_a_download_that_has_finished_see_it_done_after_the_check_of_rtorrent() -> None:
    stage = Watched()
    stage.call("load.raw_start", "", RAW)
    stage.happens("stopped", "downloading")
    stage.side.poll()
    stage.seen.clear()
    stage.happens("downloading", "seeding", done_bytes=300_000)
    stage.bus.publish(TorrentFinished(stage.only().info_hash, 1))
    stage.side.poll()
    assert stage.seen == ["paused 0 0", "hash_removed 0 0", "closed 0 0", "hash_queued 0 2", "opened 0 2",
                          "finished 1 0", "resumed 1 0"]
    assert [stage.call(f"d.{name}", stage.only().hash) for name in ("complete", "hashing")] == [1, 0]


def test_handlers_see_that_it_is_checked_again_though_that_is_over() -> None:
    stage = Watched()
    stage.call("load.raw_start", "", RAW)
    stage.happens("stopped", "downloading")
    stage.side.poll()
    stage.seen.clear()
    stage.call("d.check_hash", stage.only().hash)
    stage.happens("downloading", "checking")
    stage.happens("checking", "downloading")
    stage.side.poll()
    assert stage.seen == ["paused 0 0", "hash_removed 0 0", "closed 0 0", "hash_queued 0 3", "opened 0 3",
                          "resumed 0 0", "hash_done 0 0"]


def test_ends_of_files_whose_names_fit_are_preferred_of_downloads_that_come_while_that_is_wanted() -> None:
    stage = Stage()
    stage.side.events()
    stage.call("file.prioritize_toc.first.set", "", "*.mkv", "*7.dat")
    stage.call("file.prioritize_toc.last.set", "", "*.none")
    stage.side.begin()
    assert ends_after_coming(stage, "charlie") == []
    stage.prefers_ends = True
    assert ends_after_coming(stage, "bravo") == [(frozenset({7, 15, 23, 31, 39}), frozenset[int]())]


def ends_after_coming(stage: Stage, name: str) -> list[object]:
    """What the engine is told of the ends of files when this one is added."""
    info_hash = stage.engine.add(name)
    download = stage.side.downloads.of(info_hash)
    assert download is not None
    stage.side.follower.tell(download, "inserted")
    stage.side.settle()
    return [command.changes.preferred_ends for command in stage.engine.asked
            if isinstance(command, ChangeTorrent) and command.info_hash == info_hash
            and command.changes.preferred_ends is not None]
