"""`contrib/quickstart` in a checkout whose environment is installed already."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.payload import make_sample

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with an environment whose `blobtorrent` is the one under test."""
    home = tmp_path / "checkout"
    (home / "contrib").mkdir(parents=True)
    shutil.copy(PROJECT / "contrib/quickstart", home / "contrib/quickstart")
    shutil.copy2(PROJECT / "setup.cfg", home / "setup.cfg")
    program = home / ".venv/bin/blobtorrent"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nPYTHONPATH='{PROJECT}' exec '{sys.executable}' -m blobtorrent \"$@\"\n")
    program.chmod(0o755)
    (home / ".venv/.installed").touch()
    return home


def quickstart(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", checkout / "contrib/quickstart", *words], cwd=checkout, env={**os.environ, "TMPDIR": str(checkout)},
        capture_output=True, text=True, timeout=100, check=False)


def test_it_downloads_a_sample_between_two_engines_and_leaves_the_verified_file(checkout: Path) -> None:
    done = quickstart(checkout)
    assert done.returncode == 0, done.stderr
    found = re.search(r"^the verified file: (.+)$", done.stdout, re.MULTILINE)
    assert found is not None
    result = Path(found[1])
    assert result.stat().st_size == 64 << 20
    assert not (result.parents[1] / "seed").exists()


def test_torrents_given_are_downloaded_to_the_current_folder(checkout: Path) -> None:
    sample = make_sample(checkout, "sample.bin", 100_000)
    shutil.copy(sample.folder / "sample.bin", checkout)
    done = quickstart(checkout, str(sample.torrent))
    assert done.returncode == 0, done.stderr
    assert f"finished: {checkout}/sample.bin" in done.stdout
