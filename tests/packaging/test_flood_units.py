"""The units in contrib/flood: service managers understand them, and they confine what they start."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.peers.flood import command
from tests.support.source import ROOT
from tests.support.tools import require_tool

FLOOD = ROOT / "contrib" / "flood"
MOST_EXPOSED = 25                      # tenths of what "systemd-analyze security" gives to an unconfined service: 9.6
PATIENCE_S = 60.0


def analyze(folder: Path, *words: str | Path) -> str:
    """What systemd-analyze says when it finds nothing wrong."""
    done = subprocess.run(
        [require_tool("systemd-analyze"), *words], env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
        capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def instance(folder: Path) -> Path:
    return Path(shutil.copy(FLOOD / "flood@.service", folder / "flood@root.service"))


def test_the_unit_for_a_daemon_of_the_system_is_understood_and_confines(tmp_path: Path) -> None:
    unit = instance(tmp_path)
    analyze(tmp_path, "verify", "--man=no", unit)
    analyze(tmp_path, "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", unit)


def test_the_unit_for_the_daemon_of_one_user_is_understood(tmp_path: Path) -> None:
    analyze(tmp_path, "verify", "--man=no", "--user", shutil.copy(FLOOD / "flood.service", tmp_path))


def test_a_unit_with_a_misspelt_line_is_told(tmp_path: Path) -> None:
    unit = instance(tmp_path)
    unit.write_text(unit.read_text().replace("PrivateTmp=", "PrivateTemp="))
    with pytest.raises(AssertionError, match="PrivateTemp"):
        analyze(tmp_path, "verify", "--man=no", unit)


@pytest.mark.interop
def test_flood_knows_the_options_that_the_units_give_it() -> None:
    told = subprocess.run([*command(), "--help"], capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout
    known = set(re.findall(r"--[a-z]+", told))
    for unit in FLOOD.glob("*.service"):
        assert set(re.findall(r"--[a-z]+", unit.read_text().partition("ExecStart=")[2].partition("\n")[0])) <= known


def test_flood_is_reached_from_this_machine_only() -> None:
    for unit in FLOOD.glob("*.service"):
        (start,) = re.findall("^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
        assert "--host 127.0.0.1 " in start
    assert "--auth none" not in (FLOOD / "flood@.service").read_text()


def test_every_file_is_explained() -> None:
    explained = (FLOOD / "README.md").read_text()
    files = {path.name for path in FLOOD.iterdir()} - {"README.md"}
    assert all(f"| `{name}` |" in explained for name in files) and files
