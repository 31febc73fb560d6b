"""Programs that are run, files that are written, folders that are watched."""

from __future__ import annotations

import gzip
import logging
import os
from pathlib import Path

import pytest

from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.session.execute import FORMS
from blobtorrent.interface.rtorrent.session.watching import LOOK_S
from tests.support.peers.program import wait_until
from tests.support.rtorrentsession import SessionStage


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 3", 768), ("kill -9 $$", 9)])
def test_the_answer_is_how_the_program_ended(script: str, status: int) -> None:
    assert SessionStage().call("execute.nothrow", "sh", "-c", script) == status


def test_a_program_that_does_not_exist_was_not_run() -> None:
    stage = SessionStage()
    assert stage.call("execute.nothrow", "/nonexistent/bin") == 65280
    assert stage.call("execute.nothrow.bg", "/nonexistent/bin") == 0
    with pytest.raises(Fault, match="Bad return code"):
        stage.call("execute.throw", "/nonexistent/bin")


@pytest.mark.parametrize("name", ["execute.nothrow", "execute.throw", "execute.nothrow.bg", "execute.capture_nothrow"])
def test_where_0_16_is_claimed_it_is_a_fault_that_tells_why(name: str) -> None:
    with pytest.raises(Fault, match="posix_spawn failed: ENOENT"):
        SessionStage(version="0.16.20").call(name, "/nonexistent/bin")


def test_a_strict_form_faults_for_a_program_that_fails() -> None:
    stage = SessionStage()
    for name in ("execute2", "execute.throw", "execute.raw", "execute.capture"):
        with pytest.raises(Fault, match="Bad return code"):
            stage.call(name, "false")
    assert stage.call("execute.throw", "true") == 0


def test_what_it_writes_is_answered_as_it_is() -> None:
    stage = SessionStage()
    assert stage.call("execute.capture", "printf", r"a\nb\377") == "a\nb\udcff"
    assert stage.call("execute.capture_nothrow", "sh", "-c", "echo x; exit 2") == "x\n"


def test_arguments_are_passed_on_as_they_are() -> None:
    answer = SessionStage().call("execute.capture", "sh", "-c", 'printf "%s|" "$@"', "-", "", "a b", 7, "$HOME", "*")
    assert answer == "|a b|7|$HOME|*|"


def test_a_tilde_is_home_but_in_raw_forms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "tool").symlink_to("/bin/true")
    stage = SessionStage()
    assert stage.call("execute.nothrow", "~/tool") == 0
    assert stage.call("execute.raw_nothrow", "~/tool") == 65280


def test_one_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    stage = SessionStage()
    stage.call("execute.throw.bg", "sh", "-c", f"cd {tmp_path}; until test -e go; do sleep 0.02; done; : > done")
    (tmp_path / "go").touch()
    wait_until((tmp_path / "done").exists, 10.0, "its end", 0.02)


def test_nothing_to_run_is_a_fault() -> None:
    for form in FORMS:
        with pytest.raises(Fault, match="Wrong object type"):
            SessionStage().call(form.name)


@pytest.mark.parametrize("trust", [Trust.SAFE, Trust.NO_CODE])
@pytest.mark.parametrize("name", [
    *(form.name for form in FORMS), "log.open_file", "log.append_gz_file", "log.execute", "log.rpc", "file.append",
    "directory.watch.added",
])
def test_only_trusted_callers_run_programs_or_write_files(name: str, trust: Trust) -> None:
    with pytest.raises(Fault) as refused:
        SessionStage().call(name, "true", "x", trust=trust)
    assert refused.value.code == -507


def test_a_text_of_somebody_else_runs_nothing_either() -> None:
    stage = SessionStage()
    with pytest.raises(Fault) as refused:
        stage.interpreter.run_text(stage.interpreter.context(Trust.NO_CODE), "cat=$execute.capture=id")
    assert refused.value.code == -507


def test_records_go_to_the_outputs_of_their_level_and_those_above(tmp_path: Path) -> None:
    stage = SessionStage()
    stage.call("log.open_file", "all", f"{tmp_path}/all.log")
    stage.call("log.open_gz_file", "bad", f"{tmp_path}/bad.gz")
    stage.call("log.add_output", "info", "all")
    stage.call("log.add_output", "error", "bad")
    log = logging.getLogger("blobtorrent.a")
    log.setLevel(logging.INFO)
    log.error("broken")
    log.info("fine", extra={"fields": {"piece": 3}})
    log.info("rtorrent", extra={"fields": {"text": "printed"}})
    stage.call("log.print", "warn", "so ", "so")
    stage.commands.close()
    log.error("later")
    expected = "1700000000 E broken\n1700000000 I fine piece=3\n"
    expected += "1700000000 I printed\n1700000000 W so so\n"
    assert (tmp_path / "all.log").read_text() == expected
    with gzip.open(tmp_path / "bad.gz", "rt") as packed:
        assert packed.read() == "1700000000 E broken\n"


def test_programs_and_requests_are_noted_where_that_is_asked_for(tmp_path: Path) -> None:
    stage = SessionStage()
    for name, path in (("log.execute", "ex"), ("log.rpc", "rpc")):
        stage.call(name, f"{tmp_path}/{path}")
    stage.call("execute.nothrow", "true", "x")
    stage.commands.logs.note_request(b"a request")
    stage.call("log.xmlrpc", "")
    stage.commands.logs.note_request(b"another")
    stage.commands.close()
    assert (tmp_path / "ex").read_text() == "1700000000 true x -> 0\n"
    assert (tmp_path / "rpc").read_text() == "a request\n---\n"


def test_a_file_that_cannot_be_opened_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="Could not open log file"):
        SessionStage().call("log.open_file", "x", f"{tmp_path}/none/x")


def test_a_file_of_the_process_has_its_number(tmp_path: Path) -> None:
    stage = SessionStage()
    stage.call("log.open_file_pid", "x", f"{tmp_path}/x.log")
    stage.commands.close()
    assert os.listdir(tmp_path) == [f"x.log.{os.getpid()}"]


def test_a_command_is_called_for_each_new_file_once_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("")
    stage = SessionStage()
    stage.call("method.insert", "seen", "simple", "print=$argument.0=")
    stage.call("directory.watch.added", str(tmp_path), "seen")
    (tmp_path / "new").write_text("1")
    stage.move(LOOK_S)
    (tmp_path / "new").write_text("12")
    stage.move(LOOK_S)
    assert stage.logged == []
    stage.move(LOOK_S)
    stage.move(LOOK_S)
    assert stage.logged == [str(tmp_path / "new")]


def test_a_command_that_fails_for_a_file_is_logged(tmp_path: Path) -> None:
    stage = SessionStage()
    stage.call("directory.watch.added", str(tmp_path), "nosuch")
    (tmp_path / "new").write_text("")
    stage.move(LOOK_S)
    stage.move(LOOK_S)
    assert stage.logged == ["Command 'directory.watch.added' failed: Command \"nosuch\" does not exist."]
