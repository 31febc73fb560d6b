"""Sessions that real rTorrent left, taken over: nothing of them changes, and what is unchanged is not hashed again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.fingerprint import fingerprint
from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.blobtorrent import run
from tests.support.peers.program import wait_until
from tests.support.peers.rtorrent import NO_TRACKER, RtorrentSession, scgi_call
from tests.support.peers.seedbox import Seedbox
from tests.support.tools import require_tool

pytestmark = pytest.mark.interop

PIECE = 64 * KIB
TIMEOUT_S = 30.0
ADDED_AT = 1_600_000_000
ADDED_TRACKER = "http://127.0.0.1:9/added"
HALF = 500_000                         # bytes of the incomplete ones that are right


@dataclass
class Left:
    """What rTorrent left below `home`: its session folder, and the content of the torrents."""

    home: Path
    session: Path
    many: Sample                       # complete, several files and padding
    single: Sample
    renamed: Sample                    # complete, in a folder of another name
    half: Sample                       # stopped
    running: Sample                    # incomplete, and started

    @property
    def samples(self) -> Sequence[Sample]:
        return (self.many, self.single, self.renamed, self.half, self.running)

    @property
    def content(self) -> Path:
        return self.home / "content"


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    require_tool("rtorrent")
    home = tmp_path_factory.mktemp("rtorrent")
    several: list[tuple[bytes | str, int]] = [("a.bin", 300_000), ("sub/b.bin", 500_000), ("c", 10), ("empty", 0)]

    def sample(name: str, files: Any, seed: int, *, pad: bool = False) -> Sample:
        return make_sample(home, name, files, PIECE, seed=seed, pad=pad, trackers=[NO_TRACKER])

    made = Left(
        home, home / "session", sample("Füße 日本", several, 1, pad=True), sample("single.bin", 1_000_000, 2),
        sample("renamed", several, 3), sample("half.bin", 1_000_000, 4), sample("running.bin", 1_000_000, 5))
    for entry in made.many.files:
        if entry.pad:                  # to rTorrent they are files like others
            path = made.content / os.fsdecode(entry.path)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(bytes(entry.length))
    (made.content / "renamed").rename(made.content / "other name")
    for incomplete in (made.half, made.running):
        path = made.content / os.fsdecode(incomplete.name)
        path.write_bytes(path.read_bytes()[:HALF].ljust(1_000_000, b"\0"))
    with RtorrentSession(home) as rtorrent:
        wait_until(lambda: rtorrent.knows(0), TIMEOUT_S, "rTorrent")
        _load(rtorrent, made)
    return made


def _load(rtorrent: RtorrentSession, made: Left) -> None:
    folder = f'd.directory.set="{made.content}"'
    rtorrent.call("load.start", "", str(made.many.torrent), folder, 'd.custom1.set="tag%20one,b%2Cc"',
                  f"d.custom.set=addtime,{ADDED_AT}", "d.priority.set=3")
    rtorrent.call("load.start", "", str(made.single.torrent), folder)
    rtorrent.call("load.start", "", str(made.renamed.torrent), f'd.directory_base.set="{made.content / "other name"}"')
    rtorrent.call("load.normal", "", str(made.half.torrent), folder)
    rtorrent.call("load.start", "", str(made.running.torrent), folder)
    wait_until(lambda: rtorrent.knows(5), TIMEOUT_S, "the torrents")
    rtorrent.call("d.check_hash", _upper(made.half))
    for sample in made.samples:
        chunks = HALF // PIECE if sample in (made.half, made.running) else sample.num_pieces
        wait_until(partial(_is_checked, rtorrent, _upper(sample), chunks), TIMEOUT_S, f"the check of {sample.name!r}")
    rtorrent.call("f.priority.set", f"{_upper(made.renamed)}:f1", "2")
    rtorrent.call("d.update_priorities", _upper(made.renamed))
    rtorrent.call("d.tracker.insert", _upper(made.single), "2", ADDED_TRACKER)
    rtorrent.call("t.is_enabled.set", f"{_upper(made.single)}:t0", "0")


def _is_checked(rtorrent: RtorrentSession, name: str, chunks: int) -> bool:
    return not rtorrent.call("d.hashing", name) and bool(rtorrent.call("d.completed_chunks", name) == chunks)


@pytest.fixture
def copy(left: Left, tmp_path: Path) -> Left:
    """A copy of everything, to be changed; times stay, and so do the old folders in the session."""
    subprocess.run(["cp", "-a", "--", left.home, tmp_path / "copy"], check=True)
    return Left(tmp_path / "copy", tmp_path / "copy" / "session", *left.samples)


@pytest.fixture
def box(tmp_path: Path) -> Seedbox:
    return Seedbox(tmp_path / "box")


def _upper(sample: Sample) -> str:
    return sample.info_hash.hex().upper()


def _import(session: Path, *words: str | Path, status: int = 0) -> dict[str, Any]:
    """What it told, with the torrents by their hash."""
    done = run("import", "rtorrent", session, *words, "--json")
    assert done.returncode == status, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return {**told, "torrents": {torrent["hash"]: torrent for torrent in told["torrents"]}}


def _checks(box: Seedbox) -> Iterator[tuple[int, int, int]]:
    """Good, bad and missing pieces of each check that the daemon made."""
    for found in re.finditer(r"torrent checked.* good=(\d+) bad=(\d+) missing=(\d+)", box.output()):
        yield int(found[1]), int(found[2]), int(found[3])


def _trackers(box: Seedbox, sample: Sample) -> list[str]:
    answer = box.call("GET", f"/v1/torrents/{sample.info_hash.hex()}/trackers")
    return [tracker["url"] for tracker in answer["trackers"]]


def test_everything_goes_on_where_rtorrent_left_it_and_nothing_is_hashed(left: Left, box: Seedbox) -> None:
    before = fingerprint(left.session), fingerprint(left.content)
    told = _import(left.session, "--state-dir", box.state)
    assert {torrent["result"] for torrent in told["torrents"].values()} == {"imported"}
    assert {torrent["to_check_bytes"] for torrent in told["torrents"].values()} == {0}
    assert (fingerprint(left.session), fingerprint(left.content)) == before
    with box:
        for sample in (left.many, left.single, left.renamed):
            assert box.wait_state(sample, "seeding")["done_bytes"] == sum(
                entry.length for entry in sample.files if not entry.pad)
        assert box.wait_state(left.running, "downloading")["done_bytes"] == HALF // PIECE * PIECE
        half = box.status(left.half)
        assert (half["state"], half["done_bytes"]) == ("stopped", HALF // PIECE * PIECE)
        many = box.status(left.many)
        assert many["labels"] == ["tag one", "b,c"]
        assert (many["priority"], many["added_at"]) == (1, ADDED_AT)
        assert many["finished_at"] > ADDED_AT
        assert [file["path"][0] for file in box.files(left.renamed)] == ["other name"] * 4
        assert [file["priority"] for file in box.files(left.renamed)] == [1, 2, 1, 1]
        assert _trackers(box, left.single) == [ADDED_TRACKER]
        assert list(_checks(box)) == []


def test_a_second_import_changes_nothing(left: Left, box: Seedbox) -> None:
    _import(left.session, "--state-dir", box.state, "--stopped")
    told = _import(left.session, "--state-dir", box.state)
    assert [torrent["result"] for torrent in told["torrents"].values()] == ["present"] * 5
    assert json.loads(run("doctor", box.state, "--json").stdout)["damages"] == []
    with box:
        assert {torrent["state"] for torrent in box.call("GET", "/v1/torrents")["torrents"]} == {"stopped"}


def test_a_dry_run_makes_no_state_directory(left: Left, box: Seedbox) -> None:
    told = _import(left.session, "--state-dir", box.state, "--dry-run")
    assert told["dry_run"] and len(told["torrents"]) == 5
    assert not box.state.exists()


def test_only_the_pieces_of_a_file_that_changed_are_hashed(left: Left, copy: Left, box: Seedbox) -> None:
    changed = copy.content / "Füße 日本" / "a.bin"
    data = bytearray(changed.read_bytes())
    data[70_000] ^= 1
    changed.write_bytes(data)
    told = _import(copy.session, "--state-dir", box.state, "--map", f"{left.content}={copy.content}")
    assert told["torrents"][left.many.info_hash.hex()]["to_check_bytes"] == 300_000
    assert told["torrents"][left.single.info_hash.hex()]["to_check_bytes"] == 0
    with box:
        status = box.wait_state(left.many, "downloading")
        assert status["done_bytes"] == 800_010 - PIECE
        assert list(_checks(box)) == [(4, 1, 0)]


def test_a_torrent_whose_disk_is_away_is_not_downloaded_again(left: Left, copy: Left, box: Seedbox) -> None:
    (copy.content / "single.bin").unlink()
    told = _import(copy.session, "--state-dir", box.state, "--map", f"{left.content}={copy.content}")
    assert told["torrents"][left.single.info_hash.hex()]["notes"] == [
        "none of its files is there: they are checked when they are"]
    with box:
        assert box.wait_state(left.single, "error")["error"]["code"] == "storage.files-gone"
        box.remove(left.single)
        told = _import(copy.session, "--url", f"unix:{box.runtime / 'rest.sock'}", "--map",
                       f"{left.content}={copy.content}", status=1)
        assert told["torrents"][left.single.info_hash.hex()]["error"]["code"] == "import.files-gone"


def test_what_cannot_be_read_is_told_and_the_rest_is_taken(left: Left, copy: Left, box: Seedbox) -> None:
    def beside(sample: Sample, ending: str) -> Path:
        return copy.session / f"{_upper(sample)}.torrent{ending}"

    beside(left.many, "").write_bytes(b"d4:info")
    beside(left.half, ".rtorrent").unlink()
    beside(left.single, ".libtorrent_resume").write_bytes(b"torn")
    shutil.copy(beside(left.renamed, ""), beside(left.running, ""))
    told = _import(copy.session, "--state-dir", box.state, "--map", f"{left.content}={copy.content}", status=1)
    assert told["error"]["code"] == "import.refused"
    errors = {digits: torrent["error"]["code"] for digits, torrent in told["torrents"].items() if "error" in torrent}
    assert errors == {left.many.info_hash.hex(): "bencode.truncated", left.half.info_hash.hex(): "import.no-wishes",
                      left.running.info_hash.hex(): "import.other-torrent"}
    with box:
        box.wait_state(left.renamed, "seeding")
        box.wait_state(left.single, "seeding")
        assert list(_checks(box)) == [(left.single.num_pieces, 0, 0)]


def test_while_the_daemon_runs_it_goes_through_the_daemon(left: Left, box: Seedbox) -> None:
    with box:
        told = run("import", "rtorrent", left.session, "--state-dir", box.state)
        assert told.returncode == 1 and "--url" in told.stderr and "import.daemon-runs" in told.stderr
        url = f"unix:{box.runtime / 'rest.sock'}"
        assert _import(left.session, "--url", url, "--dry-run", status=1)["dry_run"]
        assert box.call("GET", "/v1/torrents")["torrents"] == []
        answer = _import(left.session, "--url", url, status=1)
        assert answer["torrents"][left.renamed.info_hash.hex()]["error"]["code"] == "import.renamed"
        assert box.wait_state(left.many, "seeding")["labels"] == ["tag one", "b,c"]
        ask = partial(scgi_call, box.runtime / "rpc.sock")
        assert ask("d.custom1", _upper(left.many)) == "tag%20one,b%2Cc"
        assert ask("d.custom", _upper(left.many), "addtime") == str(ADDED_AT)
        box.wait_state(left.single, "seeding")
        assert _trackers(box, left.single) == [ADDED_TRACKER]
        assert box.wait_state(left.running, "downloading")["done_bytes"] == HALF // PIECE * PIECE
        assert box.status(left.half)["state"] == "stopped"
        assert [good for good, _, _ in _checks(box)] == [HALF // PIECE]
        again = _import(left.session, "--url", url, status=1)
        assert sorted(torrent["result"] for torrent in again["torrents"].values()) == ["present"] * 4 + ["refused"]


def test_while_rtorrent_runs_it_is_refused(copy: Left, box: Seedbox) -> None:
    with RtorrentSession(copy.home) as rtorrent:
        wait_until(lambda: rtorrent.knows(5), TIMEOUT_S, "rTorrent")
        told = run("import", "rtorrent", copy.session, "--state-dir", box.state)
        assert told.returncode == 1 and "import.rtorrent-runs" in told.stderr
        assert _import(copy.session, "--state-dir", box.state, "--dry-run")["torrents"]
    assert not box.state.exists()


def test_what_a_killed_rtorrent_was_writing_is_checked(copy: Left, left: Left, box: Seedbox) -> None:
    mapping = f"{left.content}={copy.content}"
    with RtorrentSession(copy.home) as rtorrent:
        wait_until(lambda: rtorrent.knows(5), TIMEOUT_S, "rTorrent")
        rtorrent.call("d.stop", _upper(left.running))
        rtorrent.call("d.directory.set", _upper(left.running), str(copy.content))
        rtorrent.call("d.start", _upper(left.running))
        wait_until(partial(_is_checked, rtorrent, _upper(left.running), HALF // PIECE), TIMEOUT_S, "its check")
        rtorrent.call("session.save")
        rtorrent.send_signal(signal.SIGKILL)
        rtorrent.wait(TIMEOUT_S)
    told = _import(copy.session, "--state-dir", box.state, "--map", mapping)["torrents"]
    assert (copy.session / "rtorrent.lock").exists()
    assert told[left.running.info_hash.hex()]["to_check_bytes"] == 1_000_000
    assert told[left.single.info_hash.hex()]["to_check_bytes"] == 0
    with box:
        assert box.wait_state(left.running, "downloading")["done_bytes"] == HALF // PIECE * PIECE
        assert [good for good, _, _ in _checks(box)] == [HALF // PIECE]
