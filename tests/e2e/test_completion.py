"""The shells themselves complete words of `blobtorrent`, with the torrents of a daemon that runs."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.payload import make_sample
from tests.support.peers.blobtorrent import environment
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.tools import require_tool

TIMEOUT_S = 60.0
PLACES = {"bash": "blobtorrent.bash", "zsh": "_blobtorrent", "fish": "blobtorrent.fish"}     # as they are installed
TELL = "\x14"                          # Ctrl-T, a key that has zsh complete the line and tell what became of it

# A function of its own gives the line after completion away; PS1 is empty so that nothing else is written.
ZSH_SETUP = """\
PS1=; fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -d $PWD/zcompdump
tell() { zle complete-word; print -r -- "$BUFFER" >told.part; mv told.part told; exit }
zle -N tell; bindkey '^T' tell; : >prepared
"""


class Desk(NamedTuple):
    """A folder with the scripts and the command, and the environment of who works there."""

    folder: Path
    environ: dict[str, str]


class Typed(NamedTuple):
    """The beginning of a command about the torrent of a daemon, and the info-hash that completes it."""

    line: str
    begin: str


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    (folder / "bin").mkdir()
    program = folder / "bin" / "blobtorrent"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m blobtorrent "$@"\n')
    program.chmod(0o755)
    environ = {**environment(), "HOME": str(folder), "PATH": f"{program.parent}:/usr/bin:/bin", "TERM": "xterm"}
    for shell, name in PLACES.items():
        script = subprocess.run([program, "completion", shell], env=environ, capture_output=True, check=True)
        (folder / name).write_bytes(script.stdout)
    return Desk(folder, environ)


@pytest.fixture
def typed(tmp_path: Path) -> Iterator[Typed]:
    sample = make_sample(tmp_path, "sample.bin", 1 << 16)
    with Daemon(tmp_path / "daemon") as daemon:
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "start": False})
        begin = sample.info_hash.hex()[:8]
        yield Typed(f"blobtorrent why --url unix:{daemon.runtime / 'rest.sock'} {begin[:3]}", begin)


def test_bash_asks_the_daemon_for_torrents(desk: Desk, typed: Typed) -> None:
    script = (f"source {PLACES['bash']}; COMP_WORDS=({typed.line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
              "$(complete -p blobtorrent | sed 's/.*-F \\([^ ]*\\).*/\\1/'); echo \"${COMPREPLY[*]}\"")
    done = subprocess.run([require_tool("bash"), "--norc", "-c", script], cwd=desk.folder, env=desk.environ, text=True,
                          capture_output=True, timeout=TIMEOUT_S, check=True)
    assert (done.stdout, done.stderr) == (f"{typed.begin}\n", "")


def test_fish_asks_the_daemon_for_torrents_and_shows_their_names(desk: Desk, typed: Typed) -> None:
    script = f"source {PLACES['fish']}; complete -C '{typed.line}'"
    done = subprocess.run([require_tool("fish"), "--no-config", "-c", script], cwd=desk.folder, env=desk.environ,
                          text=True, capture_output=True, timeout=TIMEOUT_S, check=True)
    assert (done.stdout, done.stderr) == (f"{typed.begin}\tsample.bin\n", "")


def test_zsh_asks_the_daemon_for_torrents(desk: Desk, typed: Typed, tmp_path: Path) -> None:
    assert zsh_line(desk, tmp_path, typed.line) == f"{typed.line[:-3]}{typed.begin} \n"


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("blobtorrent ver", "blobtorrent verify "),
        ("blobtorrent list --sta", "blobtorrent list --state "),
        ("blobtorrent list --state down", "blobtorrent list --state downloading "),
        ("blobtorrent verify wan", "blobtorrent verify wanted.torrent "),
    ],
)
def test_zsh_completes_the_line_at_a_terminal(desk: Desk, tmp_path: Path, line: str, completed: str) -> None:
    (tmp_path / "wanted.torrent").touch()
    assert zsh_line(desk, tmp_path, line) == f"{completed}\n"


def zsh_line(desk: Desk, folder: Path, typed: str) -> str:
    """What is on the line of an interactive zsh that runs in `folder`, after what was typed and a completion."""
    (folder / PLACES["zsh"]).write_bytes((desk.folder / PLACES["zsh"]).read_bytes())
    terminal, end = pty.openpty()
    shell = subprocess.Popen([require_tool("zsh"), "-f", "-i"], cwd=folder, env=desk.environ, stdin=end, stdout=end,
                             stderr=end, start_new_session=True)
    os.close(end)
    reader = threading.Thread(target=_read_all, args=(terminal,))      # or the shell waits for it
    reader.start()
    try:
        os.write(terminal, ZSH_SETUP.encode())
        wait_until((folder / "prepared").exists, TIMEOUT_S, "zsh")
        os.write(terminal, f"{typed}{TELL}".encode())
        wait_until((folder / "told").exists, TIMEOUT_S, "the completion")
        return (folder / "told").read_text()
    finally:
        shell.kill()
        shell.wait()
        reader.join()
        os.close(terminal)


def _read_all(terminal: int) -> None:
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:                    # the other end is closed
        return
