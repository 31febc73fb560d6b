"""The rpm packages of this tree, repositories of them, and machines that dnf has installed them on.

The machines are Debian systems. What they have of Python is told to rpm by a package that has no files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from blobtorrent import __version__
from tests.support.machine import PROJECT, Machine, machine
from tests.support.tools import require_tool

BUILD = "contrib/build-packages"
SPEC = PROJECT / "contrib/rpm/blobtorrent.spec"
BUILD_TOOLS = ("rpmbuild", "pybuild")          # the second comes with the modules that build wheels
BUILD_S = 300.0
INSTALL_S = 120.0
NEXT_VERSION = "9.0.0"                         # of a release that is to come
PACKAGES = "/srv/packages"                     # the repository, on a machine

SYSTEM_SPEC = """\
Name: python3
Version: {version}
Release: 1
Summary: What the system of the test has
License: MIT
BuildArch: noarch
{provides}
%description
No files.
%files
"""


class Rpms(NamedTuple):
    """What a build made, in one folder."""

    folder: Path

    @property
    def binary(self) -> Path:
        (path,) = self.folder.glob("blobtorrent-*.noarch.rpm")
        return path

    @property
    def source(self) -> Path:
        (path,) = self.folder.glob("blobtorrent-*.src.rpm")
        return path


def build_rpms(folder: Path, tree: Path = PROJECT, environ: Mapping[str, str] | None = None,
               options: Sequence[str | Path] = ()) -> Rpms:
    """The packages of a tree, with some variables of the environment other than ours, and options of rpmbuild."""
    for tool in BUILD_TOOLS:
        require_tool(tool)
    variables = {**os.environ, "PYTHON": sys.executable, **(environ or {})}
    built = subprocess.run([tree / BUILD, "rpm", folder, *options], env=variables, capture_output=True, text=True,
                           timeout=BUILD_S, check=False)
    assert built.returncode == 0, built.stderr
    return Rpms(folder)


def query(package: Path, *words: str) -> str:
    """What rpm tells of a package that is a file."""
    return subprocess.run([require_tool("rpm"), "--query", "--package", *words, package], capture_output=True,
                          text=True, check=True).stdout


def next_release(folder: Path, tree: Path) -> Rpms:
    """Packages of a higher version, with other settings as an example. `tree` is changed."""
    for name in ("blobtorrent/__init__.py", "contrib/rpm/blobtorrent.spec"):
        text = (tree / name).read_text()
        (tree / name).write_text(re.sub(rf"\b{re.escape(__version__)}\b", NEXT_VERSION, text))
    with (tree / "contrib/systemd/blobtorrent.toml").open("a") as example:
        example.write("# Of the next release.\n")
    return build_rpms(folder, tree)


def describe_system(folder: Path, version: str, provides: Iterable[str]) -> Path:
    """A package that says what there is: Python, and other things."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "system.spec"
    spec.write_text(SYSTEM_SPEC.format(
        version=version, provides="\n".join(f"Provides: {provided}" for provided in provides)))
    subprocess.run(
        [require_tool("rpmbuild"), "--define", f"_topdir {folder}/top", "--define", f"_rpmdir {folder}",
         "--define", "_rpmfilename system.rpm", "-bb", spec], capture_output=True, check=True)
    return folder / "system.rpm"


def system_of(running: Machine, folder: Path) -> Path:
    """The package that says what a machine has, asked of it."""
    version = running.run("python3", "-c", "import platform; print(platform.python_version())").strip()
    cryptography = running.run("python3", "-c", "import cryptography; print(cryptography.__version__)").strip()
    files = ("/bin/sh", "/usr/bin/python3", "/usr/bin/systemd-sysusers")
    running.run("test", *" -a ".join(f"-x {path}" for path in files).split())
    return describe_system(folder, version, [f"python3dist(cryptography) = {cryptography}", *files])


def offer(running: Machine, folder: Path, packages: Iterable[Path]) -> None:
    """Make these packages the repository of a machine, its only one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for package in packages:
        shutil.copy(package, folder)
    subprocess.run([require_tool("createrepo_c"), "--quiet", folder], check=True)
    shutil.copytree(folder, running.path(PACKAGES), dirs_exist_ok=True)
    # Debian has the database of packages in the home folder of who asks.
    write(running.path("/etc/rpm/macros"), "%_dbpath /var/lib/rpm\n")
    write(running.path("/etc/yum.repos.d/packages.repo"),
          f"[packages]\nname=packages\nbaseurl=file://{PACKAGES}\ngpgcheck=0\n")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def dnf(*words: str) -> list[str]:
    """A command of dnf that looks at the repository anew and asks nothing."""
    return ["dnf", "--assumeyes", "--refresh", "--releasever=1", *words]


def layer_with(folder: Path, rpms: Rpms) -> Path:
    """A layer for machines, made where no service runs, in which dnf has installed the package and what it needs."""
    with machine(folder, keep=True) as running:
        offer(running, folder / "repository", [rpms.binary, system_of(running, folder / "system")])
        running.run(*dnf("install", "blobtorrent"), timeout_s=INSTALL_S)
    return folder / "upper"
