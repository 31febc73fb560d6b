"""Programs that the commands of rTorrent run, and the files that they write: nobody waits for another."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.blobtorrent import PROJECT
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon, digits

PIECE = 64 * KIB
# It is called with the hash of a torrent, waits until it may go on, and then tells the daemon by itself.
SCRIPT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {project!r})
from tests.support.peers.rtorrent import scgi_call
name = sys.argv[1]
root = Path({root!r})
(root / "came").write_text(name)
while not (root / "go on").exists():
    time.sleep(0.01)
scgi_call(Path({socket!r}), "d.custom.set", name, "word", "told by a script")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def daemon(root: Path) -> Iterator[RpcDaemon]:
    words = f"{sys.executable},{root / 'script.py'}"
    running = RpcDaemon(root / "daemon", rc=(
        f'method.set_key = event.download.inserted_new, tell, "execute2={{{words},$d.hash=}}"',
        f'log.open_file = "all", {root / "all.log"}', 'log.add_output = "info", "all"',
        f"log.execute = {root / 'programs.log'}"))
    (root / "script.py").write_text(
        SCRIPT.format(project=str(PROJECT), root=str(root), socket=str(running.socket)))
    with running:
        yield running


@pytest.fixture
def sample(root: Path) -> Sample:
    return make_sample(root, "content.bin", 300_000, PIECE)


def test_scripts_of_events_call_the_daemon_that_waits_for_them(
    daemon: RpcDaemon, root: Path, sample: Sample
) -> None:
    assert daemon.failed_lines() == []
    loading = threading.Thread(target=daemon.ask, args=(
        "load.start", "", str(sample.torrent), f"d.directory.set={sample.folder}"))
    loading.start()
    wait_until((root / "came").exists, PATIENCE_S, "the script")
    began_s = time.monotonic()
    assert daemon.facts(sample, "name", "custom1") == ["content.bin", ""]
    assert daemon.ask("d.multicall2", "", "main", "d.hash=") == [[digits(sample)]]
    assert time.monotonic() - began_s < PATIENCE_S / 2
    (root / "go on").touch()
    loading.join(PATIENCE_S)
    assert not loading.is_alive()
    wait_until(lambda: daemon.ask("d.custom", digits(sample), "word") == "told by a script", PATIENCE_S, "its word")
    wait_until(lambda: str(root / "script.py") in (root / "programs.log").read_text(), PATIENCE_S, "the log")


def test_a_script_in_the_background_is_not_waited_for(daemon: RpcDaemon, root: Path, sample: Sample) -> None:
    began_s = time.monotonic()
    assert daemon.ask("execute.nothrow.bg", "", "sleep", str(PATIENCE_S)) == 0
    assert time.monotonic() - began_s < PATIENCE_S / 2


def test_what_is_printed_comes_into_the_log_that_was_opened(daemon: RpcDaemon, root: Path) -> None:
    daemon.ask("print", "", "hello ", "ü")
    wait_until(lambda: "hello ü" in (root / "all.log").read_text(), PATIENCE_S, "the line")
    daemon.ask("log.close", "", "all")
    daemon.ask("print", "", "no more")
    daemon.ask("log.open_file", "", "other", str(root / "other.log"))
    daemon.ask("log.add_output", "", "info", "other")
    daemon.ask("print", "", "to the other")
    wait_until(lambda: "to the other" in (root / "other.log").read_text(), PATIENCE_S, "the line")
    assert "no more" not in (root / "all.log").read_text() + (root / "other.log").read_text()


def test_schedules_run_until_they_are_removed(daemon: RpcDaemon, root: Path) -> None:
    count = root / "count"
    daemon.ask("schedule2", "", "tick", "0", "1", f"file.append={count},tick")
    wait_until(lambda: count.exists() and count.read_text().count("tick") >= 2, PATIENCE_S, "two of them")
    daemon.ask("schedule_remove2", "", "tick")
    seen = count.read_text()
    time.sleep(1.5)
    assert count.read_text() == seen
