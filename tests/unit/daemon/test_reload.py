"""A reload: all or nothing."""

from __future__ import annotations

import pytest

from blobtorrent.config.load import Loaded, load_all
from blobtorrent.config.schema import Settings
from blobtorrent.core.session.commands import NO_ANSWER
from blobtorrent.daemon.reload import Reloader
from blobtorrent.interface.desk import ChangeResult
from blobtorrent.model.errors import BlobTorrentError, ConfigError, Unavailable


class Played:
    """Settings that come next, and what was applied."""

    def __init__(self, *assignments: str) -> None:
        self.next: Loaded | Exception = load_all()
        self.refuse_with: Exception | None = None
        self.applied: list[tuple[str, Settings]] = []
        self.reloader = Reloader(load_all(assignments=assignments), self.read, [self.apply_first, self.apply_second])

    def read(self) -> Loaded:
        if isinstance(self.next, Exception):
            raise self.next
        return self.next

    def apply_first(self, settings: Settings) -> None:
        if self.refuse_with is not None:
            raise self.refuse_with
        self.applied.append(("first", settings))

    def apply_second(self, settings: Settings) -> None:
        self.applied.append(("second", settings))


def test_everybody_is_told_the_settings_that_hold_from_now_on() -> None:
    played = Played()
    played.next = load_all(assignments=["network.max_peers=7", "storage.disk_threads=5"])
    assert played.reloader.reload() == ChangeResult(("network.max_peers",), ("storage.disk_threads",))
    assert [name for name, _ in played.applied] == ["first", "second"]
    in_force = played.applied[0][1]
    assert (in_force.network.max_peers, in_force.storage.disk_threads) == (7, 3)
    assert played.reloader.settings == in_force


@pytest.mark.parametrize("assignments", [[], ["storage.disk_threads=5"]])
def test_nobody_is_told_when_nothing_changes_before_a_restart(assignments: list[str]) -> None:
    played = Played()
    played.next = load_all(assignments=assignments)
    played.reloader.reload()
    assert played.applied == []


def test_settings_with_an_error_change_nothing() -> None:
    played = Played("network.max_peers=7")
    before = played.reloader.settings
    played.next = ConfigError("config.bad-value", "x.toml:1: no")
    with pytest.raises(BlobTorrentError):
        played.reloader.reload()
    assert played.applied == []
    assert played.reloader.settings is before


def test_settings_that_the_session_refuses_are_applied_by_nobody() -> None:
    played = Played()
    before = played.reloader.settings
    played.next = load_all(assignments=["network.max_peers=7"])
    played.refuse_with = Unavailable("session.stopping", "the session is stopping")
    with pytest.raises(BlobTorrentError):
        played.reloader.reload()
    assert played.applied == []
    assert played.reloader.settings is before


def test_settings_that_nobody_confirmed_hold_and_are_told_again(caplog: pytest.LogCaptureFixture) -> None:
    played = Played()
    played.next = load_all(assignments=["network.max_peers=7"])
    played.refuse_with = Unavailable(NO_ANSWER, "no answer within 10 s")
    played.reloader.reload()
    assert "has not confirmed them" in caplog.text
    assert [name for name, _ in played.applied] == ["second"]
    assert played.reloader.settings.network.max_peers == 7
    played.refuse_with = None
    for _ in range(2):
        played.reloader.reload()
    assert [name for name, _ in played.applied] == ["second", "first", "second"]


def test_other_files_are_read_again_by_every_reload_also_when_the_settings_are_refused() -> None:
    played, times = Played(), []
    played.reloader.read_files = lambda: times.append(len(times))
    played.reloader.reload()
    played.next = ConfigError("config.bad-value", "x.toml:1: no")
    with pytest.raises(ConfigError):
        played.reloader.reload()
    assert len(times) == 2
    played.reloader.use(load_all(assignments=["network.max_peers=7"]))
    assert len(times) == 2             # a change by request reads no files
