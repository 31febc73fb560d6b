"""The Debian packages of this tree, and machines that have them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from blobtorrent import __version__
from tests.support.machine import PROJECT, Machine, machine
from tests.support.tools import require_tool

BUILD = "contrib/build-packages"
BUILD_TOOLS = ("dpkg-buildpackage", "dh", "dh_apparmor")
BUILD_S = 300.0
INSTALL_S = 120.0
NEXT_VERSION = "9.0.0"                 # of a release that is to come


class Debs(NamedTuple):
    """What a build made, in one folder."""

    folder: Path

    @property
    def blobtorrent(self) -> Path:
        return self._package("blobtorrent")

    @property
    def bencode(self) -> Path:
        return self._package("python3-bencode.py")

    def _package(self, name: str) -> Path:
        (path,) = self.folder.glob(f"{name}_*_all.deb")
        return path


def try_build(folder: Path, tree: Path, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Build the packages of a tree, with some variables of the environment other than ours, and see how it ends."""
    for tool in BUILD_TOOLS:
        require_tool(tool)
    variables = {**os.environ, "PYTHON": sys.executable, **(environ or {})}
    return subprocess.run([tree / BUILD, "deb", folder], env=variables, capture_output=True, text=True,
                          timeout=BUILD_S, check=False)


def build_debs(folder: Path, tree: Path = PROJECT, environ: Mapping[str, str] | None = None) -> Debs:
    """The packages of a tree, which can be built."""
    built = try_build(folder, tree, environ)
    assert built.returncode == 0, built.stderr
    return Debs(folder)


def next_release(package: Path, folder: Path) -> Path:
    """The same package with a higher version, which its program tells too."""
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    _replace(tree / "DEBIAN/control", rf"^Version: {re.escape(__version__)}-", f"Version: {NEXT_VERSION}-")
    _replace(tree / "usr/lib/python3/dist-packages/blobtorrent/__init__.py", re.escape(__version__), NEXT_VERSION)
    path = folder / f"blobtorrent_{NEXT_VERSION}-1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, path], check=True,
                   stdout=subprocess.DEVNULL)
    return path


def _replace(path: Path, pattern: str, text: str) -> None:
    new, count = re.subn(pattern, text, path.read_text(), flags=re.MULTILINE)
    assert count == 1, f"{path.name} has {pattern} {count} times"
    path.write_text(new)


def install(running: Machine, *packages: Path) -> str:
    """Install packages with apt, which finds what they need on the machine, or not at all. What apt says."""
    names = []
    for package in packages:
        shutil.copy(package, running.path("/tmp"))
        names.append(f"/tmp/{package.name}")
    return running.run("apt-get", "install", "--yes", *names, timeout_s=INSTALL_S)


def layer_with(folder: Path, debs: Debs) -> Path:
    """A layer for machines, made where no service runs, in which the packages are installed."""
    with machine(folder, keep=True) as running:
        install(running, debs.bencode, debs.blobtorrent)
    return folder / "upper"
