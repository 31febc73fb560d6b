"""Who we are, where we are, and how we end."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.faults import Fault
from tests.support.rtorrentsession import SessionStage


def test_versions_are_those_that_clients_expect() -> None:
    stage = SessionStage()
    names = ("client_version", "library_version", "api_version")
    assert [stage.call(f"system.{name}") for name in names] == ["0.9.8", "0.13.8", "10"]


def test_times_are_of_the_clock() -> None:
    stage = SessionStage()
    assert stage.call("system.time") == stage.call("system.time_seconds") == 1_700_000_000
    assert stage.call("system.time_usec") == 1_700_000_000_250_000


def test_a_session_is_named_by_host_and_process() -> None:
    name = SessionStage().call("session.name")
    assert isinstance(name, str) and re.fullmatch(rf"[^:]+:{os.getpid()}", name)


def test_the_session_folder_ends_with_a_slash_and_is_set_by_a_configuration() -> None:
    stage = SessionStage()
    assert stage.call("session.path") == "/srv/session/"
    for folder in ("/srv/another", "/srv/other//"):
        stage.call("session.path.set", folder)
    assert stage.call("session.path") == "/srv/other/"
    stage.commands.system.enable()
    with pytest.raises(Fault, match="while it is enabled"):
        stage.call("session.path.set", "/srv/third")


def test_a_configuration_finds_no_session_folder_and_the_usual_one_is_there_when_it_sets_none() -> None:
    stage = SessionStage()
    stage.commands.system.configure()
    assert stage.call("session.path") == ""
    stage.commands.system.enable()
    assert stage.call("session.path") == "/srv/session/"


def test_the_daemon_is_stopped() -> None:
    for name in ("system.shutdown.normal", "system.shutdown.quick"):
        stage = SessionStage()
        stage.call(name)
        assert stage.engine.was_stopped


def test_relative_paths_are_below_a_folder_that_is_not_that_of_the_process(tmp_path: Path) -> None:
    stage, folder = SessionStage(), os.getcwd()
    assert stage.call("system.cwd") == folder
    stage.call("system.cwd.set", str(tmp_path))
    assert stage.call("system.cwd") == str(tmp_path)
    assert stage.call("execute.capture", "pwd") == f"{tmp_path}\n"
    stage.call("file.append", "note", "text")
    assert (tmp_path / "note").read_text() == "text\n"
    assert os.getcwd() == folder
    with pytest.raises(Fault, match="Could not change current working directory"):
        stage.call("system.cwd.set", f"{tmp_path}/none")


def test_the_mask_is_that_of_the_process() -> None:
    stage, mask = SessionStage(), os.umask(0o022)
    try:
        stage.call("system.umask.set", "0027")
        assert os.umask(mask) == 0o027
        with pytest.raises(Fault, match="Invalid umask"):
            stage.call("system.umask.set", "9999")
    finally:
        os.umask(mask)


def test_a_variable_of_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_VARIABLE", "value")
    stage = SessionStage()
    assert (stage.call("system.env", "A_VARIABLE"), stage.call("system.env", "NO_VARIABLE")) == ("value", "")


def test_strangers_read_versions_and_limits_and_change_nothing_else() -> None:
    stage = SessionStage()
    assert stage.call("system.client_version", trust=Trust.SAFE) == "0.9.8"
    stage.call("throttle.global_up.max_rate.set", 1024, trust=Trust.SAFE)
    for name in ("directory.default.set", "session.path.set", "system.cwd.set", "system.shutdown.normal", "system.env"):
        with pytest.raises(Fault) as refused:
            stage.call(name, "/srv", trust=Trust.SAFE)
        assert refused.value.code == -507


def test_only_a_view_that_exists_is_shown() -> None:
    stage = SessionStage()
    stage.call("ui.current_view.set", "started")
    stage.call("ui.current_view.set", "nosuch")
    assert stage.call("ui.current_view") == "started"


def test_handlers_hear_which_view_is_to_be_shown_and_which_one_was() -> None:
    stage = SessionStage()
    stage.call("method.insert", "seen", "list")
    for event in ("event.view.hide", "event.view.show"):
        stage.call("method.set_key", event, "note", 'print="$argument.0=",$ui.current_view=')
    stage.call("ui.current_view.set", "started")
    stage.call("ui.current_view.set", "nosuch")
    assert stage.logged == ["startedmain", "mainstarted"]


def test_handlers_of_views_that_fail_are_logged_and_keep_no_view_from_being_shown() -> None:
    stage = SessionStage()
    stage.call("method.set_key", "event.view.hide", "again", "ui.current_view.set=main")
    stage.call("method.set_key", "event.view.show", "fail", "no.such.command=")
    stage.call("ui.current_view.set", "started")
    assert stage.call("ui.current_view") == "started"
    assert any("event.view.show" in line for line in stage.logged)


def test_encryption_options_are_checked_and_told_in_words_of_0_16() -> None:
    stage = SessionStage()
    stage.call("protocol.encryption.set", "allow_incoming", "handshake_require", "stream_prefer")
    assert stage.call("protocol.encryption") == "handshake_require,stream_prefer"
    with pytest.raises(Fault, match="Invalid option name"):
        stage.call("protocol.encryption.set", "bogus")


@pytest.mark.parametrize(("words", "mode"), [
    (("none",), "disabled"),
    (("allow_incoming",), "allowed"),
    (("allow_incoming", "enable_retry", "prefer_plaintext"), "allowed"),
    (("allow_incoming", "try_outgoing", "enable_retry"), "preferred"),
    (("try_outgoing", "prefer_plaintext"), "preferred"),
    (("require",), "required"),
    (("allow_incoming", "require", "require_RC4"), "required"),
    (("require_rc4",), "required"),
    (("handshake_deny", "stream_deny"), "disabled"),
    (("handshake_prefer", "stream_allow"), "preferred"),
    (("handshake_require",), "required"),
])
def test_encryption_is_set_by_the_strongest_word(words: tuple[str, ...], mode: str) -> None:
    stage = SessionStage()
    stage.engine.change({"encryption": {"mode": "required" if mode != "required" else "disabled"}})
    stage.call("protocol.encryption.set", *words)
    assert stage.engine.settings().encryption.mode == mode


def test_a_wish_for_plain_streams_alone_changes_nothing_nor_does_a_word_that_is_none() -> None:
    stage = SessionStage()
    stage.engine.change({"encryption": {"mode": "required"}})
    stage.call("protocol.encryption.set", "prefer_plaintext")
    with pytest.raises(Fault, match="Invalid option name"):
        stage.call("protocol.encryption.set", "none", "bogus")
    assert stage.engine.settings().encryption.mode == "required"


def test_encryption_that_was_set_elsewhere_is_told_in_words_of_0_16() -> None:
    stage = SessionStage()
    stage.call("protocol.encryption.set", "handshake_prefer", "stream_allow")
    assert stage.call("protocol.encryption") == "handshake_prefer,stream_allow"
    stage.engine.change({"encryption": {"mode": "disabled"}})
    assert stage.call("protocol.encryption") == "handshake_deny,stream_deny"
    assert stage.call("protocol.encryption.handshake") == stage.call("protocol.encryption.stream") == "deny"


def test_log_groups_have_numbers() -> None:
    stage = SessionStage()
    assert [stage.call("enum.log_group", word) for word in ("critical", "debug", "connection_critical")] == [0, 5, 6]
    with pytest.raises(Fault, match="Invalid option name"):
        stage.call("enum.log_group", "nosuch")


def test_names_that_configurations_define_themselves_are_free() -> None:
    stage = SessionStage()
    stage.call("method.insert", "startup_time", "value|const", stage.call("system.time"))
    assert stage.call("startup_time") == 1_700_000_000


def test_the_space_that_is_left_is_the_reserve_and_what_is_in_memory() -> None:
    stage = SessionStage()
    in_memory = stage.call("pieces.memory.current")
    assert in_memory
    for reserve in (0, 512 << 20):
        stage.engine.change({"storage": {"reserve": reserve}})
        assert stage.call("pieces.sync.safe_free_diskspace") == reserve + in_memory
