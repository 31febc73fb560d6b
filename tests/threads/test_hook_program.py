"""Programs of hooks as real processes: what they get, what becomes of their output, and of those that do not end."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from blobtorrent.interface.hooks import program
from blobtorrent.interface.hooks.outcome import FAILED, OK, TIMED_OUT, Outcome
from blobtorrent.interface.hooks.program import MAX_LINES, run_program
from tests.support.peers.program import wait_until

PATIENCE_S = 20.0
ENVIRON = {"PATH": "/usr/bin:/bin"}


def shell(script: str, *words: str) -> list[str]:
    return ["/bin/sh", "-c", script, "hook", *words]


def run(
    argv: Sequence[str], stdin: bytes = b"", *, timeout_s: float = PATIENCE_S, environ: dict[str, str] = ENVIRON,
    is_stopped=lambda: False,
) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    outcome = run_program(
        argv, environ, stdin, timeout_s=timeout_s, is_stopped=is_stopped, on_line=lines.append)
    return outcome, lines


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")


def test_a_program_gets_the_event_on_its_standard_input_and_in_its_environment():
    outcome, lines = run(shell('cat; echo "$X"'), b'{"id":1}\n', environ={**ENVIRON, "X": "a b"})
    assert (outcome, lines) == (Outcome(OK), ['{"id":1}', "a b"])


@pytest.mark.parametrize(
    "word", ["$(touch canary)", "`touch canary`", "; touch canary", "| touch canary", "\n touch canary"])
def test_no_word_of_a_command_or_variable_is_run(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome, lines = run(["/bin/echo", word], environ={**ENVIRON, "BLOBTORRENT_NAME": word})
    assert outcome.kind == OK and "touch canary" in lines[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("script", "detail"), [("exit 3", "exit status 3"), ("kill -9 $$", "killed by signal 9")])
def test_how_a_program_failed_is_said(script, detail):
    assert run(shell(script))[0] == Outcome(FAILED, detail)


def test_a_program_that_cannot_be_run_is_a_failure(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    assert run([str(plain)])[0] == Outcome(FAILED, "cannot be run: Permission denied")
    assert run([str(tmp_path / "missing")])[0] == Outcome(FAILED, "cannot be run: No such file or directory")
    assert run(["/bin/true", "x" * 3_000_000])[0].detail == "cannot be run: Argument list too long"


def test_its_output_is_told_line_by_line_and_harmless():
    outcome, lines = run(shell(r"printf 'one\n\033[2Jtwo\r\n\377three\n'; printf 'last token=abcdef' >&2"))
    assert outcome.kind == OK
    assert lines == ["one", r"\x1b[2Jtwo", "\N{REPLACEMENT CHARACTER}three", "last token=***"]


def test_of_a_flood_of_output_only_the_first_lines_are_told():
    outcome, lines = run(
        shell("i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done; head -c 300000 /dev/zero"))
    assert outcome.kind == OK and len(lines) == MAX_LINES + 1
    assert all(len(line) <= 512 for line in lines)


def test_a_program_that_reads_nothing_loses_nothing_but_what_it_does_not_want():
    assert run(["/bin/true"], b"x" * 1_000_000)[0] == Outcome(OK)
    assert run(shell("exec 0<&-; sleep 0.2"), b"x" * 1_000_000)[0] == Outcome(OK)
    assert run(shell("wc -c"), b"x" * 1_000_000) == (Outcome(OK), ["1000000"])


def test_a_program_that_is_late_is_killed_with_all_that_it_started(tmp_path):
    pids = tmp_path / "pids"
    script = f"trap '' TERM; (trap '' TERM; sleep 300) & echo $$ $! >{pids}; wait; sleep 300"
    outcome, _ = run(shell(script), timeout_s=2.0)         # so that it has begun, however slow the machine is
    assert outcome == Outcome(TIMED_OUT, "killed: it was not done in time")
    wait_until(lambda: not any(is_alive(int(pid)) for pid in pids.read_text().split()), PATIENCE_S, "their end")


def test_a_program_that_is_late_may_clean_up_after_itself(tmp_path):
    outcome, lines = run(shell("trap 'echo cleaned; exit' TERM; sleep 300 & wait"), timeout_s=2.0)
    assert (outcome.kind, lines) == (TIMED_OUT, ["cleaned"])


def test_a_program_is_killed_when_we_end():
    begun_s = time.monotonic()
    outcome, _ = run(["/bin/sleep", "300"], is_stopped=lambda: time.monotonic() > begun_s + 0.2)
    assert outcome == Outcome(TIMED_OUT, "killed: we end") and time.monotonic() - begun_s < PATIENCE_S


def test_what_a_program_leaves_running_is_not_waited_for():
    begun_s = time.monotonic()
    outcome, lines = run(shell("sleep 300 & echo $!"))
    assert outcome.kind == OK and time.monotonic() - begun_s < PATIENCE_S
    os.kill(int(lines[0]), signal.SIGKILL)


def test_what_a_program_leaves_writing_is_not_read_for_ever():
    outcome, lines = run(shell("(sleep 0.1; exec yes) & echo $!; sleep 0.3"))
    assert outcome.kind == OK
    os.kill(int(lines[0]), signal.SIGKILL)


def test_signals_are_as_a_new_program_expects_them_although_ours_are_blocked():
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
    try:
        _, lines = run(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status"))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    masks = {line.split(":")[0]: int(line.rpartition("\\x09")[2], 16) for line in lines}
    assert masks["SigBlk"] == 0
    assert not masks["SigIgn"] >> (signal.SIGPIPE - 1) & 1


def descriptors() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}


def test_no_descriptor_of_ours_gets_to_a_program_and_none_is_left_open():
    mine = os.open("/dev/null", os.O_RDONLY)
    before = descriptors()
    _, lines = run(["/bin/ls", "/proc/self/fd"])
    run(["/nonexistent"])
    assert descriptors() == before
    passed_on = {number for number in before if number > 2 and os.get_inheritable(number)}     # by whoever started us
    os.close(mine)
    theirs = {int(line) for line in lines} - passed_on
    assert mine not in theirs and len(theirs) <= 4         # three, and that which ls reads


def test_one_that_is_not_to_be_got_rid_of_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(program, "GRACE_S", 0.1)
    monkeypatch.setattr(program, "REAP_S", 0.1)
    monkeypatch.setattr(os, "killpg", lambda group, number: None)      # as for one that hangs in the system
    pids: list[str] = []
    outcome = run_program(
        shell("echo $$; exec sleep 300"), ENVIRON, b"", timeout_s=0.3, is_stopped=lambda: False, on_line=pids.append)
    assert outcome.kind == TIMED_OUT
    os.kill(int(pids[0]), signal.SIGKILL)
    os.waitpid(int(pids[0]), 0)


def test_a_script_is_run_as_its_file_says(tmp_path):
    script = tmp_path / "hook.py"
    script.write_text("#!/usr/bin/env python3\nimport json, sys\nprint(json.load(sys.stdin)['type'])\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    assert run([str(script)], b'{"type":"torrent-added"}\n') == (Outcome(OK), ["torrent-added"])
