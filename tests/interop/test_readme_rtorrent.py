"""What the README tells people who come from rTorrent: they do it, step by step, and all is as it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.blobtorrent import environment
from tests.support.peers.program import Program, free_port, wait_until
from tests.support.peers.rtorrent import NO_TRACKER, scgi_call
from tests.support.source import ROOT
from tests.support.tools import require_tool

pytestmark = pytest.mark.interop

PATIENCE_S = 30.0
CONFIGURATION = """
directory.default.set = ~/download
session.path.set = ~/.session
network.scgi.open_local = (cat,(session.path),rpc.socket)
network.bind_address.set = 127.0.0.1
network.port_range.set = {port}-{port}
network.port_random.set = no
throttle.max_uploads.set = 20
dht.mode.set = disable
protocol.pex.set = no
trackers.use_udp.set = no
protocol.encryption.set = allow_incoming,try_outgoing,enable_retry
schedule2 = watch_directory, 5, 5, "load.start=~/watch/*.torrent"
method.set_key = event.download.finished, note, "d.custom.set=finished_by,rc"
system.daemon.set = true
"""


def steps() -> list[list[str]]:
    """The commands of each block."""
    blocks = re.findall(r"<!-- rtorrent.*?-->\n(.*?)<!-- end -->", (ROOT / "README.md").read_text(), re.DOTALL)
    return [[line.strip() for line in block.splitlines() if line.strip()] for block in blocks]


class User:
    """Somebody with a home folder, and a shell that finds our programs. `port` is what 7070 is here."""

    def __init__(self, home: Path, runtime: Path) -> None:
        self.home = home
        self.port = free_port()
        programs = home / "bin"
        programs.mkdir()
        for name, module in (("blobtorrent", "blobtorrent"), ("blobtorrentd", "blobtorrent.daemon.main")):
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
            (programs / name).chmod(0o755)
        self.environment = {
            **environment(), "PATH": f"{programs}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(runtime),
            "BLOBTORRENT_REST__LISTEN": f'["unix:rest.sock", "127.0.0.1:{self.port}"]',
            "BLOBTORRENT_LSD__ENABLED": "false", "BLOBTORRENT_STORAGE__MEMORY_BUDGET": "16 MiB"}
        self.rc = home / ".rtorrent.rc"
        self.rc.write_text(CONFIGURATION.format(port=free_port()))
        for folder in ("download", ".session", "watch"):
            (home / folder).mkdir()

    def daemon(self, command: str) -> Program:
        """One that stays in the foreground of a terminal of its own."""
        return Program(["bash", "-c", f"exec {command}"], home=self.home, environment=self.environment)

    def run(self, command: str) -> str:
        """What it prints, when it ends well."""
        done = subprocess.run(
            ["bash", "-c", command.replace(":7070", f":{self.port}")], cwd=self.home, text=True, capture_output=True,
            check=False, timeout=60, env={**os.environ, **self.environment, "HOME": str(self.home)})
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    @property
    def socket(self) -> Path:
        return self.home / ".session" / "rpc.socket"

    def has_started(self) -> bool:
        try:
            return bool(scgi_call(self.socket, "system.pid"))
        except OSError:
            return False


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    for tool in ("rtorrent", "curl"):
        require_tool(tool)
    runtime = Path(tempfile.mkdtemp(prefix="run-"))        # sockets have short names
    home = tmp_path / "home"
    home.mkdir()
    yield User(home, runtime)
    shutil.rmtree(runtime)


@pytest.fixture
def sample(user: User) -> Sample:
    made = make_sample(user.home, "debian.iso", 300 * KIB, 16 * KIB, trackers=[NO_TRACKER])
    shutil.copy(made.folder / "debian.iso", user.home / "download")
    return made


def told(user: User, sample: Sample, *getters: str) -> Mapping[str, object]:
    return {getter: scgi_call(user.socket, getter, sample.info_hash.hex().upper()) for getter in getters}


def test_the_way_from_rtorrent_is_as_it_says(user: User, sample: Sample) -> None:
    (look, start, listing), (token, ask) = steps()
    getters = ("d.name", "d.complete", "d.custom1", "d.priority", "d.size_bytes", "d.hashing")
    with user.daemon("rtorrent"):
        wait_until(user.has_started, PATIENCE_S, "rTorrent")
        scgi_call(user.socket, "load.start", "", str(sample.torrent), "d.custom1.set=linux", "d.priority.set=3")
        wait_until(lambda: scgi_call(user.socket, "d.multicall2", "", "seeding", "d.name=") == [["debian.iso"]],
                   PATIENCE_S, "the torrent")
        before = told(user, sample, *getters)
        assert "1 imported, 0 there already, 0 refused (nothing was done)" in user.run(look)
    with user.daemon(start) as daemon:
        wait_until(lambda: user.has_started() or daemon.poll() is not None, PATIENCE_S, "the daemon")
        wait_until(lambda: scgi_call(user.socket, "d.multicall2", "", "seeding", "d.name=") == [["debian.iso"]],
                   PATIENCE_S, "the torrent")
        assert told(user, sample, *getters) == before
        assert told(user, sample, "d.directory") == {"d.directory": str(user.home / "download")}
        assert "debian.iso" in user.run(listing) and "seeding" in user.run(listing)
        assert "fails" not in daemon.output() and "torrent checked" not in daemon.output()
        user.run(token)
        assert "<string>0.9.8</string>" in user.run(ask)
        assert scgi_call(Path(user.environment["XDG_RUNTIME_DIR"], "blobtorrent", "rpc.sock"), "system.pid")
    with user.daemon("rtorrent"):      # and back again
        wait_until(user.has_started, PATIENCE_S, "rTorrent")
        wait_until(lambda: scgi_call(user.socket, "d.multicall2", "", "seeding", "d.name=") == [["debian.iso"]],
                   PATIENCE_S, "the torrent")
