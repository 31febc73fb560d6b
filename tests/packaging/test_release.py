"""What is released for pip: a source archive that has everything, and the wheel made of it, as pipx installs it."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from blobtorrent import __version__
from tests.support.payload import make_sample
from tests.support.release import SYSTEM_PATH, Release
from tests.support.tools import require_tool

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]


def test_the_source_archive_has_every_file_of_the_tree(release: Release) -> None:
    with tarfile.open(release.sdist) as archive:
        packed = {member.name.partition("/")[2] for member in archive if not member.isdir()}
    tree = {str(path.relative_to(release.tree)) for path in release.tree.rglob("*")
            if not path.is_dir() and not path.parts[-2].endswith(".egg-info")}
    assert tree - packed == set()
    assert any(name.startswith("contrib/debian/") for name in packed)


def test_pipx_installs_commands_that_work(release: Release, tmp_path: Path) -> None:
    home = tmp_path / "pipx"
    environ = {**os.environ, "PATH": SYSTEM_PATH, "PIPX_HOME": str(home), "PIPX_BIN_DIR": str(home / "bin")}
    installed = subprocess.run([require_tool("pipx"), "install", release.wheel], env=environ, capture_output=True,
                               text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    sample = make_sample(tmp_path, "sample.bin", 100_000)
    for words, wanted in (
        (["blobtorrent", "--version"], __version__),
        (["blobtorrentd", "--version"], __version__),
        (["blobtorrent", "show", str(sample.torrent)], "sample.bin"),
        (["blobtorrent", "verify", str(sample.torrent), str(sample.folder)], ""),
    ):
        done = subprocess.run([home / "bin" / words[0], *words[1:]], env=environ, capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0 and wanted in done.stdout, done.stderr
