"""Which process uses a session folder, as its command line, environment and home tell."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from blobtorrent.storage import foreignuse
from blobtorrent.storage.foreignuse import Habits, lock_holder, using_process

HABITS = Habits(("prog",), ("-g", "--dir"), "PROG_HOME")


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "proc"
    folder.mkdir()
    (folder / "version").touch()
    monkeypatch.setattr(foreignuse, "PROCESSES", folder)
    return folder


def start(processes: Path, *words: str, name: str = "prog-daemon", environment: dict[str, str] | None = None) -> None:
    process = processes / "12"
    process.mkdir()
    (process / "comm").write_text(name + "\n")
    (process / "cmdline").write_text("\0".join(words) + "\0")
    (process / "environ").write_text("".join(f"{name}={value}\0" for name, value in (environment or {}).items()))
    os.symlink(processes.parent, process / "cwd")


@pytest.mark.parametrize(("words", "environment", "used"), [
    (["-g", "cfg"], {}, True), (["--dir=cfg"], {}, True), (["--dir=other"], {"HOME": "."}, False),
    (["-g"], {"HOME": "other"}, False), ([], {"PROG_HOME": "cfg", "HOME": "other"}, True),
    ([], {"PROG_HOME": "other", "HOME": "."}, False), ([], {"HOME": "."}, True), ([], {}, False)])
def test_the_folder_is_what_was_said_or_lies_in_the_home(
    processes: Path, tmp_path: Path, words: list[str], environment: dict[str, str], used: bool
) -> None:
    (tmp_path / "cfg").mkdir()
    start(processes, "prog-daemon", *words, environment=environment)
    assert using_process(HABITS, tmp_path / "cfg") == (12 if used else None)


def test_other_programs_and_those_that_ended_do_not_count(processes: Path, tmp_path: Path) -> None:
    start(processes, "other", "-g", str(tmp_path), name="other")
    (processes / "13").mkdir()
    assert using_process(HABITS, tmp_path) is None


def test_a_process_that_we_may_not_look_at_does_not_count(processes: Path, tmp_path: Path) -> None:
    start(processes, "prog", "-g", str(tmp_path))
    (processes / "12" / "cmdline").unlink()
    assert using_process(HABITS, tmp_path) is None


def test_a_program_that_is_wrapped_is_known(processes: Path, tmp_path: Path) -> None:
    start(processes, "prog", "-g", str(tmp_path), name=".prog-wrapped")
    assert using_process(HABITS, tmp_path) == 12


@pytest.mark.parametrize(("words", "used"), [(["-g", "."], False), (["-g"], True), ([], True)])
def test_of_a_process_of_somebody_else_the_command_line_and_the_home_count(
    processes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], used: bool
) -> None:
    def refuse(path: Path) -> bytes:
        if path.name == "environ":
            raise PermissionError
        return given(path)

    given = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(pwd, "getpwuid", lambda _number: pwd.struct_passwd(
        ("somebody", "x", 1, 1, "", str(tmp_path), "")))
    start(processes, "prog", *words)
    assert using_process(HABITS, tmp_path / "cfg") == (12 if used else None)


def test_a_container_has_the_folder_under_another_path(processes: Path, tmp_path: Path) -> None:
    (tmp_path / "volume" / "session").mkdir(parents=True)
    start(processes, "prog", "-g", "/config")
    root = processes / "12" / "root"
    root.mkdir()
    os.symlink(tmp_path / "volume", root / "config")       # in place of a mount
    assert using_process(HABITS, tmp_path / "volume" / "session") == 12
    assert using_process(HABITS, tmp_path) is None


def test_a_lock_tells_who_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "lockfile"
    assert lock_holder(file) is None
    file.touch()
    assert lock_holder(file) is None
    code = "import fcntl, sys; file = open(sys.argv[1], 'r+'); fcntl.lockf(file, fcntl.LOCK_EX); print(); input()"
    with subprocess.Popen([sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        assert lock_holder(file) == holder.pid
        holder.communicate(b"\n")
    assert lock_holder(file) is None
