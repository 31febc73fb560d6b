"""Which process uses a session folder, as its command line, environment and home tell."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blobtorrent.storage import foreignuse
from blobtorrent.storage.foreignuse import Habits, using_process

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
    (processes / "12" / "environ").unlink()
    assert using_process(HABITS, tmp_path) is None
