"""What is released for pip: a source archive that has everything, and the wheel made of it, as pipx installs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

from blobtorrent import __version__
from tests.support.machine import PROJECT
from tests.support.payload import make_sample
from tests.support.tools import require_tool

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]

SYSTEM_PYTHON = "/usr/bin/python3"     # that of the distribution, which has the module build
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NO_SOURCE = shutil.ignore_patterns(
    ".git", ".ci", ".gitignore", ".venv*", "build", "dist", "__pycache__", "*.py[co]", "*.egg-info", ".*_cache",
    ".hypothesis", ".coverage")


class Release(NamedTuple):
    tree: Path                         # that it was made of
    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    tree, out = tmp_path_factory.mktemp("tree") / "blobtorrent", tmp_path_factory.mktemp("dist")
    shutil.copytree(PROJECT, tree, ignore=NO_SOURCE, symlinks=True)
    require_tool("pybuild")            # comes with what is called here
    built = subprocess.run([SYSTEM_PYTHON, "-m", "build", "--no-isolation", "--outdir", out, tree],
                           env={"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return Release(tree, sdist, wheel)


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
