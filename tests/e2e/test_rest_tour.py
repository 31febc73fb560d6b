"""The tour of the HTTP interface in the README: every command in it does something, and none is refused."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.support.payload import KIB, make_sample
from tests.support.peers.daemon import Daemon
from tests.support.source import ROOT
from tests.support.tools import require_tool

END_OF_CURL = 28                       # it ran out of --max-time, as only what has no end does


def tour() -> list[str]:
    block = re.search(r"<!-- tour: .*?-->\n(.*?)<!-- end -->", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    return [line.strip() for line in block[1].splitlines() if line.strip()]


def test_every_command_of_the_tour_works(tmp_path: Path) -> None:
    require_tool("curl")
    sample = make_sample(tmp_path / "sample", "debian.iso", 100 * KIB, 16 * KIB)
    (tmp_path / "debian.torrent").write_bytes(sample.torrent.read_bytes())
    socket_folder = tmp_path / "run"
    socket_folder.mkdir()
    with Daemon(tmp_path / "daemon") as daemon:
        (daemon.downloads / "debian.iso").write_bytes((sample.folder / "debian.iso").read_bytes())
        (socket_folder / "blobtorrent").symlink_to(daemon.runtime)
        setup, *commands = tour()
        assert len(commands) >= 8
        script = "\n".join([setup, *(f'{command}; echo "status $?"' for command in commands)])
        run = subprocess.run(
            ["bash", "-c", script.replace("--max-time 60", "--max-time 2")],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "XDG_RUNTIME_DIR": str(socket_folder)}, timeout=60)
    statuses = [int(status) for status in re.findall(r"status (\d+)$", run.stdout, re.MULTILINE)]
    expected = [END_OF_CURL if "--max-time" in command else 0 for command in commands]
    assert statuses == expected, run.stdout + run.stderr
    assert (tmp_path / "begin.bin").read_bytes() == (sample.folder / "debian.iso").read_bytes()[:1024]
