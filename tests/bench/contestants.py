"""Who runs against whom, and how each is started."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.support.peers.aria2 import Aria2Peer
from tests.support.peers.blobtorrent import PROJECT, BlobTorrentGet, run
from tests.support.peers.client import Client, Job, Wire
from tests.support.peers.libtorrent import LibtorrentPeer
from tests.support.peers.rtorrent import RtorrentPeer

OURS = "blobtorrent"
# As the others are started: all of them are told their peers, and look for no more.
NO_SEARCH = ("--set", "dht.enabled=false", "--set", "lsd.enabled=false", "--set", "pex.enabled=false")
_MODES = {Wire.PLAIN: "disabled", Wire.HANDSHAKE: "allowed", Wire.RC4: "required"}


@dataclass(frozen=True)
class Contestant:
    name: str
    client: Callable[[Job], Client]
    version: Callable[[], str | None]  # None when it is not installed


def _ours(job: Job) -> Client:
    return BlobTorrentGet(job, options=(*NO_SEARCH, "--set", f"encryption.mode='{_MODES[job.wire]}'"))


def _blobtorrent_version() -> str | None:
    told = run("--version")
    if told.returncode:
        return None
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True,
                            check=False)
    return f"{told.stdout.split()[-1]} {commit.stdout.strip()}".strip()


def _libtorrent_version() -> str | None:
    try:
        import libtorrent
    except ImportError:
        return None
    return str(libtorrent.__version__)


def _program_version(program: str, *words: str) -> str | None:
    """The last word of the first line with a digit in what it prints."""
    if shutil.which(program) is None:
        return None
    told = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    lines = [line for line in (told.stdout + told.stderr).splitlines() if any(letter.isdigit() for letter in line)]
    return lines[0].split()[-1].rstrip(".") if lines else "?"


CONTESTANTS = {one.name: one for one in (
    Contestant(OURS, _ours, _blobtorrent_version),
    Contestant("libtorrent", LibtorrentPeer, _libtorrent_version),
    Contestant("aria2", Aria2Peer, lambda: _program_version("aria2c", "--version")),
    Contestant("rtorrent", RtorrentPeer, lambda: _program_version("rtorrent", "-h")),
)}


def present(names: Sequence[str]) -> dict[str, tuple[Contestant, str]]:
    """Those of `names` that are installed here, with their versions."""
    found = {}
    for name in names:
        version = CONTESTANTS[name].version()
        if version is not None:
            found[name] = (CONTESTANTS[name], version)
    return found
