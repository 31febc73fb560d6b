"""execute.*: real rTorrent and we are asked the same, and answer the same."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import RpcDaemon
from tests.support.peers.rtorrent import RtorrentSession
from tests.support.tools import require_tool

pytestmark = pytest.mark.interop

PATIENCE_S = 30.0
FORMS = ("execute2", "execute.throw", "execute.nothrow", "execute.raw", "execute.raw_nothrow", "execute.capture",
         "execute.capture_nothrow", "execute.throw.bg", "execute.nothrow.bg", "execute.raw.bg",
         "execute.raw_nothrow.bg")
PROGRAMS = (
    ("true",), ("sh", "-c", "exit 3"), ("sh", "-c", "kill -9 $$"), ("/no/such/program",), ("",),
    ("sh", "-c", "printf 'two\\nlines\\n'"), ("sh", "-c", "printf out; printf err >&2; exit 1"),
    ("printf", "%s|", "a b", "$HOME", "~", "ü", ""), ("sh", "-c", "echo ~"), ("~/program",), ("sh", "-c", "cat"),
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RtorrentSession, RpcDaemon]]:
    require_tool("rtorrent")
    home = tmp_path_factory.mktemp("home")
    program = home / "program"
    program.write_text("#!/bin/sh\necho at home\n")
    program.chmod(0o755)
    (home / "daemon").mkdir()
    (home / "daemon" / "program").symlink_to(program)
    with RtorrentSession(home) as rtorrent:
        wait_until(lambda: rtorrent.knows(0), PATIENCE_S, "rTorrent")
        with RpcDaemon(home / "daemon") as daemon:
            yield rtorrent, daemon


def answer(program: RtorrentSession | RpcDaemon, command: str, *arguments: str) -> Any:
    """What it answers, or the text of its fault."""
    call = program.ask if isinstance(program, RpcDaemon) else program.call
    try:
        return call(command, "", *arguments)
    except xmlrpc.client.Fault as fault:
        return fault.faultCode, fault.faultString


@pytest.mark.parametrize("words", PROGRAMS, ids=" ".join)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_answers_for_every_program_as_rtorrent_does(
    both: tuple[RtorrentSession, RpcDaemon], form: str, words: tuple[str, ...]
) -> None:
    theirs, ours = (answer(program, form, *words) for program in both)
    if isinstance(theirs, str):        # each has a home of its own
        theirs, ours = (text.replace(str(home), "HOME") for text, home in (
            (theirs, both[0].home), (str(ours), both[1].home)))
    assert ours == theirs


def test_programs_are_run_in_the_folder_that_commands_have(
    both: tuple[RtorrentSession, RpcDaemon], tmp_path: Path
) -> None:
    for program in both:
        answer(program, "system.cwd.set", str(tmp_path))
        assert answer(program, "execute.capture", "pwd") == f"{tmp_path}\n"
