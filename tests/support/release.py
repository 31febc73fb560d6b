"""What is released for pip, made of a copy of this tree."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.machine import PROJECT
from tests.support.tools import require_tool

SYSTEM_PYTHON = "/usr/bin/python3"     # that of the distribution, which has the module build
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NO_SOURCE = shutil.ignore_patterns(
    ".git", ".ci", ".gitignore", ".venv*", "build", "dist", "__pycache__", "*.py[co]", "*.egg-info", ".*_cache",
    ".hypothesis", ".coverage")


class Release(NamedTuple):
    tree: Path                         # that it was made of
    sdist: Path
    wheel: Path                        # made of the sdist

    def unpack(self, folder: Path) -> Path:
        """The tree that users of the source archive have."""
        subprocess.run(["tar", "--extract", "--file", self.sdist, "--directory", folder], check=True)
        return folder / self.sdist.name.removesuffix(".tar.gz")


def make_release(folder: Path) -> Release:
    tree, out = folder / "tree", folder / "dist"
    shutil.copytree(PROJECT, tree, ignore=NO_SOURCE, symlinks=True)
    require_tool("pybuild")            # comes with what is called here
    built = subprocess.run([SYSTEM_PYTHON, "-m", "build", "--no-isolation", "--outdir", out, tree],
                           env={"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return Release(tree, sdist, wheel)
