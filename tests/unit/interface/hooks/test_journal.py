"""What hooks are still to be told, in a file: what comes back after a kill, and what the file costs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from blobtorrent.config.doors import HookSettings
from blobtorrent.interface.eventjson import Told, tell
from blobtorrent.interface.hooks import journal as journals
from blobtorrent.interface.hooks.journal import EXPIRE_S, FILE_NAME, MAX_KEPT_BYTES, RETRY_S, SLACK_BYTES, Journal, Kept
from blobtorrent.interface.hooks.memory import key_of
from blobtorrent.model.errors import DiskFull
from blobtorrent.model.events import SettingsApplied, TorrentFinished
from blobtorrent.model.ids import InfoHash
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.storage.state.statedir import StateDir
from tests.support.rest import info_hash, status_of

WALL_S = 1_700_000_000.0


class Keeper:
    """A state directory, and one process after another that keeps its journal there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        StateDir(folder).close()
        self.clock = FakeClock(wall_s=WALL_S)
        self.journal = Journal(folder, self.clock)
        assert self.journal.load() == []

    @property
    def path(self) -> Path:
        return self.folder / FILE_NAME

    def kill(self) -> list[Kept]:
        """What the next process finds."""
        self.journal.close()
        self.journal = Journal(self.folder, self.clock)
        return self.journal.load()

    def numbers(self) -> list[tuple[str, str]]:
        return [(kept.hook, kept.told.fields["id"]) for kept in self.kill()]


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    keeper = Keeper(tmp_path / "state")
    yield keeper
    keeper.journal.close()


def told(number: int, *, digests: InfoHash | None = None, name: str = "n", wall: float = WALL_S) -> Told:
    digests = digests or info_hash(number)
    status = status_of(number, info_hash=digests, name=name, labels=("tv",))
    return tell(TorrentFinished(digests, 7), status, number=number, event_id=f"ab-{number}", wall=wall)


@pytest.mark.parametrize("digests", [InfoHash(b"1" * 20), InfoHash(v2=b"2" * 32), InfoHash(b"1" * 20, b"2" * 32)])
def test_an_event_comes_back_as_it_was(keeper: Keeper, digests: InfoHash) -> None:
    event = told(1, digests=digests, name="Füße\n\x1b \udcff")
    keeper.journal.keep("h", event)
    (kept,) = keeper.kill()
    assert (kept.hook, kept.told.type, kept.told.info_hash, kept.told.labels, kept.told.json) == (
        "h", event.type, event.info_hash, event.labels, event.json)
    assert {**kept.told.fields, "labels": ("tv",)} == event.fields


def test_an_event_of_the_session_has_no_torrent(keeper: Keeper) -> None:
    event = tell(SettingsApplied(), None, number=1, event_id="ab-1", wall=WALL_S)
    keeper.journal.keep("h", event)
    assert [(kept.told.info_hash, kept.told.json) for kept in keeper.kill()] == [(None, event.json)]


def test_what_was_told_does_not_come_back_and_the_rest_keeps_its_order(keeper: Keeper) -> None:
    for number in (1, 2, 3):
        keeper.journal.keep("h", told(number))
    keeper.journal.keep("other", told(2))
    keeper.journal.forget("h", told(2))
    keeper.journal.forget("h", told(9))
    assert keeper.numbers() == [("h", "ab-1"), ("h", "ab-3"), ("other", "ab-2")]
    keeper.journal.keep("h", told(4))
    assert keeper.numbers() == [("h", "ab-1"), ("h", "ab-3"), ("other", "ab-2"), ("h", "ab-4")]


def test_a_file_of_which_nothing_is_left_is_empty(keeper: Keeper) -> None:
    for number in (1, 2):
        keeper.journal.keep("h", told(number))
    assert keeper.path.stat().st_size and keeper.path.stat().st_mode & 0o777 == 0o600
    for number in (1, 2):
        keeper.journal.forget("h", told(number))
    assert keeper.path.stat().st_size == 0


def test_history_is_dropped_while_something_waits_for_ever(keeper: Keeper) -> None:
    keeper.journal.keep("h", told(1))
    for number in range(2, 1000):
        keeper.journal.keep("h", told(number))
        keeper.journal.forget("h", told(number))
        assert keeper.path.stat().st_size < SLACK_BYTES + 4096
    assert keeper.numbers() == [("h", "ab-1")]


def test_no_more_is_kept_than_the_file_may_hold(keeper: Keeper, caplog: pytest.LogCaptureFixture) -> None:
    name = "x" * 60_000
    for number in range(200):
        keeper.journal.keep("h", told(number, name=name))
    assert keeper.path.stat().st_size <= 2 * MAX_KEPT_BYTES
    assert len(caplog.records) == 1
    kept = keeper.numbers()
    assert 100 < len(kept) < 200 and kept == [("h", f"ab-{number}") for number in range(len(kept))]
    for number in range(200):
        keeper.journal.forget("h", told(number))
    keeper.journal.keep("h", told(300))
    assert keeper.numbers() == [("h", "ab-300")]


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_line_that_was_torn_costs_no_other_one(keeper: Keeper, cut: int) -> None:
    for number in (1, 2):
        keeper.journal.keep("h", told(number))
    keeper.path.write_bytes(keeper.path.read_bytes()[:-cut])
    assert keeper.numbers() == [("h", "ab-1")]
    keeper.journal.keep("h", told(3))                      # not behind the torn one
    assert keeper.numbers() == [("h", "ab-1"), ("h", "ab-3")]


@pytest.mark.parametrize("change", [(b"torrent-finished", b"torrent-finishex"), (b"+ ", b"- "), (b"h ", b"i ")])
def test_what_somebody_else_wrote_is_not_believed(keeper: Keeper, change: tuple[bytes, bytes]) -> None:
    keeper.journal.keep("h", told(1))
    keeper.path.write_bytes(keeper.path.read_bytes().replace(*change, 1))
    assert keeper.kill() == []


@pytest.mark.parametrize("raw", [b"\n", b"+\n", b"\xff" * 1000, b"\0" * 10_000, b"+ \xff \xff \xff\n", b"\n" * 9])
def test_nonsense_is_nothing(keeper: Keeper, raw: bytes) -> None:
    keeper.path.write_bytes(raw)
    assert keeper.kill() == []


def test_what_happened_too_long_ago_is_forgotten(keeper: Keeper) -> None:
    keeper.journal.keep("h", told(1, wall=WALL_S))
    keeper.journal.keep("h", told(2, wall=WALL_S + 10))
    keeper.clock.advance(EXPIRE_S + 5)
    assert keeper.numbers() == [("h", "ab-2")]
    keeper.clock.advance(10)
    assert keeper.numbers() == [] and keeper.path.stat().st_size == 0


def test_a_full_disk_costs_what_was_not_written_until_there_is_room(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise DiskFull("storage.disk-full", "no space")

    keeper.journal.keep("h", told(1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda _file, _line: 3)
        patch.setattr(journals, "write_atomically", refuse)
        keeper.journal.keep("h", told(2))
        keeper.clock.advance(RETRY_S)
        keeper.journal.keep("h", told(3))
    keeper.journal.keep("h", told(4))                      # too early to try again
    keeper.clock.advance(RETRY_S)
    keeper.journal.forget("h", told(1))
    assert keeper.numbers() == [("h", "ab-2"), ("h", "ab-3"), ("h", "ab-4")]


def test_a_link_in_its_place_is_not_followed(keeper: Keeper, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    keeper.path.symlink_to(precious)
    assert keeper.kill() == []
    keeper.clock.advance(RETRY_S)
    keeper.journal.keep("h", told(1))
    assert precious.read_text() == "mine" and keeper.numbers() == [("h", "ab-1")]


def test_a_directory_without_a_key_keeps_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, FakeClock())
    assert journal.load() == []
    journal.keep("h", told(1))
    assert list(tmp_path.iterdir()) == []


def test_a_hook_is_known_again_by_whom_it_tells_of_what() -> None:
    hook = HookSettings(url="http://h/", labels=("tv",))
    key = key_of(hook, ())
    assert key == key_of(HookSettings(url="http://h/", labels=("tv",), retries=9, timeout_s=3.0), ())
    others = [HookSettings(url="http://h/"), HookSettings(program=("http://h/",), labels=("tv",)),
              HookSettings(url="http://h/", labels=("tv",), events=("torrent-added",))]
    assert len({key, *(key_of(other, ()) for other in others)}) == 4
    assert key_of(hook, {key}) not in {key} and key_of(hook, {key}) == key_of(hook, {key})


@pytest.mark.parametrize("body", [
    b" " + b"[" * 100_000, b" {}", b" 5", b" not JSON", b'zz {"id": "a", "time": 1, "type": "x"}', b'. {"id": "a"}',
    b' {"id": 5, "time": 1, "type": "x"}', ' {"id": "ä", "time": 1, "type": "x"}'.encode(),
    b' {"id": "a", "time": "x", "type": "x"}',
    b' {"id": "a", "time": 1, "type": "x", "labels": 5}'])
def test_a_line_that_is_ours_and_tells_of_no_event_ends_what_is_read(keeper: Keeper, body: bytes) -> None:
    keeper.journal.keep("h", told(1))
    keeper.journal.close()
    with keeper.path.open("ab") as file:
        file.write(keeper.journal._line(b"+", "h", body))
    assert keeper.numbers() == [("h", "ab-1")]
