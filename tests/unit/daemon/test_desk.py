"""What clients ask of the daemon as a whole: settings that are changed while it runs, leaving, the end."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blobtorrent.config.load import load_all
from blobtorrent.config.schema import Settings
from blobtorrent.core.session.commands import NO_ANSWER, DrainSession
from blobtorrent.daemon import desk
from blobtorrent.daemon.desk import DaemonDesk
from blobtorrent.daemon.origin import Origin, Said
from blobtorrent.daemon.reload import Reloader
from blobtorrent.interface.desk import ChangeResult
from blobtorrent.model.errors import BugError, ConfigError, Conflict, StorageError, Unavailable
from blobtorrent.model.status import SessionStatus

PATIENCE_S = 20.0


class PlayedGateway:
    def __init__(self) -> None:
        self.session = SessionStatus("running")
        self.error: Exception | None = None
        self.commands: list[Any] = []

    def ask(self, command: Any) -> None:
        if self.error is not None:
            raise self.error
        self.commands.append(command)


class Office:
    """A desk whose requests are carried out as soon as they are made."""

    def __init__(self, folder: Path, text: str = "", **origin: Any) -> None:
        self.file = folder / "a.toml"
        self.file.write_text(text)
        self.overrides = folder / "settings.toml"
        self.applied: list[Settings] = []
        self.error: Exception | None = None
        self.gateway = PlayedGateway()
        self.origin = Origin(self.file, origin.get("environ", {}), origin.get("assignments", ()), self.overrides,
                             Said())
        self.open()

    def open(self) -> None:
        """As at the start of the daemon."""
        self.reloader = Reloader(self.origin.read(), self.origin.read, [self.apply])
        self.desk = DaemonDesk(self.reloader, self.origin, self.gateway, self.wake)  # type: ignore[arg-type]

    def wake(self) -> None:
        self.desk.serve()

    def apply(self, settings: Settings) -> None:
        if self.error is not None:
            raise self.error
        self.applied.append(settings)


def test_a_change_holds_at_once_and_after_a_restart(tmp_path: Path) -> None:
    office = Office(tmp_path, "[network]\nmax_peers = 7\n")
    result = office.desk.change({"network": {"max_peers": 9}, "limits": {"down_bytes_per_s": "1 MiB/s"}})
    assert result == ChangeResult(("network.max_peers", "limits.down_bytes_per_s"), ())
    assert office.applied[-1].network.max_peers == office.desk.settings().network.max_peers == 9
    office.open()
    assert office.desk.settings().network.max_peers == 9
    assert office.desk.settings().limits.down_bytes_per_s == 1 << 20


def test_the_file_is_for_the_owner_alone_and_says_what_it_is(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.desk.change({"network": {"max_peers": 9}})
    assert stat.S_IMODE(office.overrides.stat().st_mode) == 0o600
    assert office.overrides.read_text().startswith("# Settings that were changed while blobtorrentd ran.")


def test_null_is_back_to_what_the_files_say(tmp_path: Path) -> None:
    office = Office(tmp_path, "[network]\nmax_peers = 7\nupload_slots = 3\n")
    office.desk.change({"network": {"max_peers": 9, "upload_slots": 4}})
    assert office.desk.change({"network": {"max_peers": None}}) == ChangeResult(("network.max_peers",), ())
    network = office.desk.settings().network
    assert (network.max_peers, network.upload_slots) == (7, 4)
    office.desk.change({"network": None})
    assert office.desk.settings().network.upload_slots == 3


def test_what_only_a_restart_changes_is_told_and_saved(tmp_path: Path) -> None:
    office = Office(tmp_path)
    assert office.desk.change({"storage": {"disk_threads": 5}}) == ChangeResult((), ("storage.disk_threads",))
    assert office.desk.settings().storage.disk_threads == 3
    office.open()
    assert office.desk.settings().storage.disk_threads == 5


def test_groups_and_watch_folders_come_and_go(tmp_path: Path) -> None:
    office = Office(tmp_path, "[groups.tv]\nweight = 2\n[[watch]]\npath = '/a'\n")
    office.desk.change({"groups": {"tv": {"up_bytes_per_s": 5}, "slow": {}}, "watch": [{"path": "/b", "label": None}]})
    settings = office.desk.settings()
    assert {name: (group.weight, group.up_bytes_per_s) for name, group in settings.groups.items()} == {
        "tv": (2, 5), "slow": (1, 0)}
    assert [watch.path for watch in settings.watch] == [Path("/b")]
    office.desk.change({"groups": {"slow": None}, "watch": []})
    assert (list(office.desk.settings().groups), office.desk.settings().watch) == (["tv"], ())
    office.desk.change({"watch": None, "groups": None})
    settings = office.desk.settings()
    assert [watch.path for watch in settings.watch] == [Path("/a")]
    assert settings.groups["tv"].up_bytes_per_s == 0


@pytest.mark.parametrize("patch, code, words", [
    ({"network": {"max_pears": 9}}, "config.unknown-key", "did you mean network.max_peers?"),
    ({"network": {"max_pears": None}}, "config.unknown-key", "did you mean network.max_peers?"),
    ({"netwerk": None}, "config.unknown-key", "netwerk"),
    ({"groups": {"tv": {"wait": None}}}, "config.unknown-key", "did you mean groups.tv.weight?"),
    ({"groups": {"t v": {}}}, "config.bad-value", "t v"),
    ({"network": {"max_peers": "many"}}, "config.bad-value", "network.max_peers must be a whole number"),
    ({"network": {"max_peers": {"a": 1}}}, "config.bad-value", "network.max_peers"),
    ({"network": [1]}, "config.bad-value", "network must be a table"),
    ({"watch": [{"label": "x"}]}, "config.missing-key", "watch needs path"),
    ({"watch": {"path": "/a"}}, "config.bad-value", "watch must be a list of tables"),
    ({"watch": [{"path": "/a", "label": "\ud800"}]}, "config.bad-value", ""),
    ({"network": {"max_peers": 9}, "limits": {"down_bytes_per_s": -1}}, "config.bad-value", "limits.down_bytes_per_s"),
])
def test_a_change_with_an_error_changes_nothing(
    tmp_path: Path, patch: dict[str, Any], code: str, words: str
) -> None:
    office = Office(tmp_path)
    office.desk.change({"network": {"upload_slots": 4}})
    before = office.overrides.read_bytes()
    with pytest.raises(ConfigError) as raised:
        office.desk.change(patch)
    assert raised.value.code == code
    assert words in raised.value.detail
    assert office.overrides.read_bytes() == before
    assert len(office.applied) == 1


@pytest.mark.parametrize("origin, place", [
    ({"environ": {"BLOBTORRENT_NETWORK__MAX_PEERS": "3"}}, "BLOBTORRENT_NETWORK__MAX_PEERS"),
    ({"assignments": ["network.max_peers=3"]}, "--set network.max_peers"),
])
def test_what_the_environment_or_the_command_line_says_is_not_changed_in_vain(
    tmp_path: Path, origin: dict[str, Any], place: str
) -> None:
    office = Office(tmp_path, **origin)
    with pytest.raises(Conflict) as raised:
        office.desk.change({"network": {"max_peers": 9}})
    assert raised.value.code == "config.overridden"
    assert place in raised.value.detail
    assert not office.overrides.exists()


def test_a_change_that_the_session_refuses_is_not_saved(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.error = Unavailable("session.stopping", "the session is stopping")
    with pytest.raises(Unavailable):
        office.desk.change({"network": {"max_peers": 9}})
    office.open()
    assert office.desk.settings().network.max_peers == 500


def test_a_change_that_cannot_be_saved_is_not_used(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.overrides.with_name(f".settings.toml.{os.getpid()}.tmp").mkdir()
    with pytest.raises(StorageError):
        office.desk.change({"network": {"max_peers": 9}})
    assert office.applied == []


def test_overrides_that_somebody_broke_are_named_with_their_line(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.overrides.write_text("[network]\nmax_pears = 3\n")
    with pytest.raises(ConfigError) as raised:
        office.desk.reload()
    assert f"{office.overrides}:2" in raised.value.detail


def test_sources_name_the_file_of_each_setting(tmp_path: Path) -> None:
    office = Office(tmp_path, "[network]\nmax_peers = 7\n")
    office.desk.change({"network": {"upload_slots": 4}})
    sources = office.desk.sources()
    assert sources["network.max_peers"] == f"{office.file}:2"
    assert sources["network.upload_slots"].startswith(f"{office.overrides}:")
    assert sources["limits.down_bytes_per_s"] == "default"


def test_a_reload_reads_the_files_again(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.file.write_text("[network]\nmax_peers = 7\n")
    assert office.desk.reload() == ChangeResult(("network.max_peers",), ())
    assert load_all([office.file]).settings == office.desk.settings()


def test_who_asks_before_the_start_is_over_is_served_then(tmp_path: Path) -> None:
    office = Office(tmp_path)
    served = threading.Event()
    office.desk = DaemonDesk(office.reloader, office.origin, office.gateway, served.set)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as client:
        change = client.submit(office.desk.change, {"network": {"max_peers": 9}})
        assert served.wait(PATIENCE_S) and not change.done()
        assert office.desk.settings().network.max_peers == 500
        office.desk.serve()
        assert change.result(PATIENCE_S).applied == ("network.max_peers",)


def test_nothing_is_changed_after_the_end_began(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.desk.close()
    with pytest.raises(Unavailable) as raised:
        office.desk.change({"network": {"max_peers": 9}})
    assert raised.value.code == "session.stopping"
    assert office.desk.settings().network.max_peers == 500


def test_who_waits_when_the_end_begins_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office(tmp_path)
    monkeypatch.setattr(office, "wake", lambda: None)
    office.desk = DaemonDesk(office.reloader, office.origin, office.gateway, lambda: office.desk.close())  # type: ignore
    with pytest.raises(Unavailable) as raised:
        office.desk.reload()
    assert raised.value.code == "session.stopping"


def test_a_mistake_of_ours_is_told_and_does_not_end_the_main_thread(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.error = RuntimeError("oops")
    with pytest.raises(BugError):
        office.desk.change({"network": {"max_peers": 9}})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the desk takes for the time: `now`."""
    played = SimpleNamespace(now=100.0)
    monkeypatch.setattr(desk, "time", SimpleNamespace(monotonic=lambda: played.now))
    return played


def test_a_change_that_its_client_wants_no_more_is_not_made(tmp_path: Path) -> None:
    office = Office(tmp_path)
    before = office.desk.listing()

    def check() -> None:
        raise Conflict("rest.changed", "somebody was faster")

    with pytest.raises(Conflict):
        office.desk.change({"network": {"max_peers": 9}}, check)
    assert office.desk.listing() == before


def test_draining_is_over_when_the_session_says_so_and_clients_had_time_to_read_it(
    tmp_path: Path, clock: SimpleNamespace
) -> None:
    office = Office(tmp_path)
    assert not office.desk.is_draining
    office.desk.drain(5.0)
    assert office.gateway.commands == [DrainSession(5.0)]
    assert (office.desk.is_draining, office.desk.is_drained) == (True, False)
    office.gateway.session = SessionStatus("draining", unique_pieces=0)
    office.desk.serve()
    assert not office.desk.is_drained
    clock.now += desk.LAST_WORDS_S
    assert office.desk.is_drained


def test_a_session_that_cannot_be_drained_now_says_so_and_nothing_ends(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.gateway.error = Unavailable("session.starting", "no")
    with pytest.raises(Unavailable):
        office.desk.drain(5.0)
    assert not office.desk.is_draining


def test_a_session_that_is_too_busy_to_say_that_it_drains_is_waited_for(
    tmp_path: Path, clock: SimpleNamespace
) -> None:
    office = Office(tmp_path)
    office.gateway.error = Unavailable(NO_ANSWER, "no answer within 10 s")
    with pytest.raises(Unavailable):
        office.desk.drain(5.0)
    office.gateway.session = SessionStatus("draining", unique_pieces=0)
    office.desk.serve()
    assert not office.desk.is_drained
    clock.now += desk.LAST_WORDS_S
    assert office.desk.is_drained


def test_stop_is_noticed_at_any_time(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.desk.close()
    office.desk.stop()
    assert office.desk.must_stop
