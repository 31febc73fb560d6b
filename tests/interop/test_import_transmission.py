"""Sessions that real Transmission left, taken over: nothing of them changes, and what is unchanged is not hashed."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.protocol.transmissionresume import LAG_S
from tests.support.fingerprint import fingerprint
from tests.support.payload import KIB, Sample, make_sample, with_web_seeds
from tests.support.peers.blobtorrent import run
from tests.support.peers.program import wait_until
from tests.support.peers.seedbox import Seedbox
from tests.support.peers.transmission import TransmissionSession
from tests.support.seedserver import SeedServer
from tests.support.tools import require_tool

pytestmark = pytest.mark.interop

PIECE = 64 * KIB
TIMEOUT_S = 30.0
TRACKER = "http://127.0.0.1:9/announce"
HALF = 500_000                         # bytes of the unfinished ones that are right
HALF_PIECES = HALF // PIECE


@dataclass
class Left:
    """What Transmission left below `home`: its configuration folder, and the content of the torrents."""

    home: Path
    many: Sample                       # complete
    renamed: Sample                    # complete, its folder and a file of it have other names
    half: Sample                       # stopped
    part: Sample                       # runs, in the folder for unfinished ones, under a name with .part at the end

    @property
    def samples(self) -> tuple[Sample, ...]:
        return (self.many, self.renamed, self.half, self.part)

    @property
    def config(self) -> Path:
        return self.home / "config"


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    require_tool("transmission-daemon")
    home = tmp_path_factory.mktemp("transmission")
    several: list[tuple[bytes | str, int]] = [("a.bin", 300_000), ("sub/b.bin", 500_000), ("c", 10), ("empty", 0)]

    def sample(name: str, files: Any, seed: int) -> Sample:
        return make_sample(home, name, files, PIECE, seed=seed, trackers=[TRACKER])

    made = Left(home, sample("Füße 日本", several, 1), sample("renamed", several, 2), sample("half.bin", 1_000_000, 3),
                sample("part.bin", 1_000_000, 4))
    content, unfinished = home / "content", home / "unfinished"
    unfinished.mkdir()
    for name in ("half.bin", "part.bin"):
        (content / name).write_bytes((content / name).read_bytes()[:HALF].ljust(1_000_000, b"\0"))
    (content / "part.bin").rename(unfinished / "part.bin.part")
    long_ago = time.time() - 1000
    for path in home.rglob("*.b*"):
        os.utime(path, (long_ago, long_ago))
    settings = {"incomplete-dir": str(unfinished), "incomplete-dir-enabled": True, "rename-partial-files": True}
    with TransmissionSession(home, **settings) as transmission:
        _load(transmission, made)
    return made


def _load(transmission: TransmissionSession, made: Left) -> None:
    numbers = [transmission.add(sample.torrent) for sample in made.samples]
    many, renamed, half, part = numbers
    transmission.call("torrent-verify")
    shares = {many: 1.0, renamed: 1.0, half: HALF_PIECES * PIECE / 1e6, part: HALF_PIECES * PIECE / 1e6}

    def are_checked() -> bool:
        told = transmission.torrents("percentDone", "status")
        return all(abs(told[number]["percentDone"] - share) < 0.001 and told[number]["status"] in (4, 6)
                   for number, share in shares.items())

    wait_until(are_checked, TIMEOUT_S, "the check of the torrents")
    transmission.call("torrent-set", ids=[many], labels=["eins", "zwei"], seedRatioMode=1, seedRatioLimit=2.5,
                      bandwidthPriority=1, downloadLimit=100, downloadLimited=True, files_unwanted=[2],
                      priority_high=[1])
    transmission.call("torrent-rename-path", ids=[renamed], path="renamed", name="other name")
    transmission.call("torrent-rename-path", ids=[renamed], path="other name/sub/b.bin", name="ö.bin")
    transmission.call("torrent-stop", ids=[half])
    wait_until(lambda: transmission.torrents("status")[half]["status"] == 0, TIMEOUT_S, "the stop")


@pytest.fixture
def copy(left: Left, tmp_path: Path) -> Left:
    """A copy of everything, to be changed; times stay, and so do the old folders in the session."""
    shutil.copytree(left.home, tmp_path / "copy", ignore=shutil.ignore_patterns("*.sock"))
    return Left(tmp_path / "copy", *left.samples)


@pytest.fixture
def box(tmp_path: Path) -> Seedbox:
    return Seedbox(tmp_path / "box")


def _import(config: Path, *words: str | Path, status: int = 0) -> dict[str, Any]:
    """What it told of the torrents, by their hash."""
    done = run("import", "transmission", config, *words, "--json")
    assert done.returncode == status, done.stderr
    return {torrent["hash"]: torrent for torrent in json.loads(done.stdout)["torrents"]}


def _each(told: Mapping[str, Any], left: Left, field: str) -> list[Any]:
    return [told[sample.info_hash.hex()].get(field) for sample in left.samples]


def _good_pieces(box: Seedbox) -> list[int]:
    """Of each check that the daemon made."""
    return [int(found) for found in re.findall(r"torrent checked.* good=(\d+)", box.output())]


def test_everything_goes_on_where_transmission_left_it_and_nothing_is_hashed(left: Left, box: Seedbox) -> None:
    before = fingerprint(left.home)
    told = _import(left.config, "--state-dir", box.state)
    assert _each(told, left, "result") == ["imported"] * 4
    assert _each(told, left, "to_check_bytes") == [0] * 4
    assert told[left.part.info_hash.hex()]["notes"] == ["unfinished files that keep .part at the end of their names: 1"]
    assert fingerprint(left.home) == before
    with box:
        many = box.wait_state(left.many, "seeding")
        assert (many["labels"], many["priority"], many["down_limit_bytes_per_s"]) == (["eins", "zwei"], 1, 100_000)
        assert many["seeding"]["ratio"] == 2.5
        assert [file["priority"] for file in box.files(left.many)] == [1, 2, 0, 1]
        assert box.wait_state(left.renamed, "seeding")["done_bytes"] == 800_010
        assert [file["path"] for file in box.files(left.renamed)][:2] == [
            ["other name", "a.bin"], ["other name", "sub", "ö.bin"]]
        half = box.status(left.half)
        assert (half["state"], half["done_bytes"]) == ("stopped", HALF_PIECES * PIECE)
        part = box.wait_state(left.part, "downloading")
        assert part["done_bytes"] == HALF_PIECES * PIECE
        assert _good_pieces(box) == []


def test_what_transmission_downloaded_itself_is_not_hashed(tmp_path: Path, box: Seedbox) -> None:
    require_tool("transmission-daemon")
    sample = make_sample(tmp_path / "origin", "dl", [("a", 3_000_000), ("b", 2_000_000)], PIECE)
    home = tmp_path / "home"
    (home / "content").mkdir(parents=True)
    with SeedServer(sample.folder) as server, TransmissionSession(home) as transmission:
        number = transmission.add(with_web_seeds(sample.torrent, home, server.url))
        wait_until(lambda: transmission.torrents("percentDone")[number]["percentDone"] == 1, TIMEOUT_S, "the download")
    told = _import(home / "config", "--state-dir", box.state)[sample.info_hash.hex()]
    assert (told["done_bytes"], told["to_check_bytes"]) == (5_000_000, 0)
    with box:
        box.wait_state(sample, "seeding")
        assert _good_pieces(box) == []


def test_a_file_that_changed_since_is_checked_and_no_other(left: Left, copy: Left, box: Seedbox) -> None:
    changed = copy.home / "content" / "Füße 日本" / "a.bin"
    data = bytearray(changed.read_bytes())
    data[70_000] ^= 1
    changed.write_bytes(data)
    later = time.time() + 2 * LAG_S
    os.utime(changed, (later, later))
    told = _import(copy.config, "--state-dir", box.state, "--map", f"{left.home}={copy.home}")
    assert _each(told, left, "to_check_bytes") == [300_000, 0, 0, 0]
    with box:
        assert box.wait_state(left.many, "downloading")["done_bytes"] == 800_010 - PIECE
        assert _good_pieces(box) == [4]


def test_what_cannot_be_read_is_told_and_the_rest_is_taken(left: Left, copy: Left, box: Seedbox) -> None:
    def beside(sample: Sample, folder: str, ending: str) -> Path:
        return copy.config / folder / f"{sample.info_hash.hex()}.{ending}"

    beside(left.many, "torrents", "torrent").write_bytes(b"d4:info")
    beside(left.half, "resume", "resume").unlink()
    shutil.copy(beside(left.renamed, "torrents", "torrent"), beside(left.part, "torrents", "torrent"))
    (copy.config / "torrents" / f"{'0' * 40}.magnet").write_text("magnet:?xt=urn:btih:x")
    told = _import(copy.config, "--state-dir", box.state, "--map", f"{left.home}={copy.home}", status=1)
    errors = {digits: torrent["error"]["code"] for digits, torrent in told.items() if "error" in torrent}
    assert errors == {left.many.info_hash.hex(): "bencode.truncated", left.half.info_hash.hex(): "import.no-wishes",
                      left.part.info_hash.hex(): "import.other-torrent", "0" * 40: "import.magnet"}
    assert told[left.renamed.info_hash.hex()]["result"] == "imported"


def test_while_the_daemon_runs_it_goes_through_the_daemon(left: Left, box: Seedbox) -> None:
    with box:
        url = f"unix:{box.runtime / 'rest.sock'}"
        told = _import(left.config, "--url", url, status=1)
        assert _each(told, left, "result") == ["imported", "refused", "imported", "refused"]
        assert [error and error["code"] for error in _each(told, left, "error")] == [
            None, "import.renamed", None, "import.renamed"]
        many = box.wait_state(left.many, "seeding")
        assert (many["labels"], many["down_limit_bytes_per_s"], many["seeding"]["ratio"]) == (
            ["eins", "zwei"], 100_000, 2.5)
        assert box.status(left.half)["state"] == "stopped"
        assert _each(_import(left.config, "--url", url, status=1), left, "result") == [
            "present", "refused", "present", "refused"]


def test_while_transmission_runs_it_is_refused(copy: Left, box: Seedbox) -> None:
    with TransmissionSession(copy.home):
        told = run("import", "transmission", copy.config, "--state-dir", box.state)
        assert told.returncode == 1 and "import.transmission-runs" in told.stderr
        assert _import(copy.config, "--state-dir", box.state, "--dry-run")
    assert not box.state.exists()
