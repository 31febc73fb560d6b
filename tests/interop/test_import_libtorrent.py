"""Torrents that real libtorrent left, kept as qBittorrent and Deluge keep them: taken over without being hashed."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bencodepy
import pytest

from tests.support.fingerprint import fingerprint
from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.blobtorrent import run
from tests.support.peers.program import wait_until
from tests.support.peers.seedbox import Seedbox
from tests.support.tools import require_module

pytestmark = pytest.mark.interop

PIECE = 64 * KIB
TIMEOUT_S = 30.0
TRACKER = "http://127.0.0.1:9/announce"
ADDED_TRACKER = "http://127.0.0.1:9/added"
HALF = 500_000                         # bytes of the unfinished one that are right
HALF_PIECES = HALF // PIECE
SCHEMA = """CREATE TABLE torrents (
    id INTEGER PRIMARY KEY, torrent_id BLOB NOT NULL UNIQUE, queue_position INTEGER NOT NULL DEFAULT -1, name TEXT,
    category TEXT, tags TEXT, target_save_path TEXT, download_path TEXT, content_layout TEXT NOT NULL,
    ratio_limit INTEGER NOT NULL, seeding_time_limit INTEGER NOT NULL, inactive_seeding_time_limit INTEGER NOT NULL,
    stopped INTEGER NOT NULL, libtorrent_resume_data BLOB NOT NULL, metadata BLOB)"""


@dataclass
class Left:
    """What libtorrent left of torrents with content below `home`, by their names: the resume data of each."""

    home: Path
    many: Sample                       # complete, with padding; a tracker was added
    renamed: Sample                    # complete, files of it have other names
    half: Sample                       # stopped
    resumes: dict[str, dict[bytes, Any]]

    @property
    def samples(self) -> tuple[Sample, ...]:
        return (self.many, self.renamed, self.half)

    def torrent(self, sample: Sample) -> bytes:
        """As qBittorrent keeps it: its trackers are in the resume data."""
        return bytes(bencodepy.encode({"info": bencodepy.decode(sample.torrent.read_bytes())[b"info"]}))

    def write_folder(self) -> Path:
        folder = self.home / "BT_backup"
        folder.mkdir()
        for sample in self.samples:
            digits = sample.info_hash.hex()
            (folder / f"{digits}.torrent").write_bytes(self.torrent(sample))
            said = {"qBt-category": "films", "qBt-tags": ["b", "c"], "qBt-ratioLimit": 2500, "qBt-seedingTimeLimit": -1,
                    "qBt-inactiveSeedingTimeLimit": -2, "qBt-savePath": str(self.home / "content")}
            members = {**self.resumes[digits], **{name.encode(): value for name, value in said.items()}}
            (folder / f"{digits}.fastresume").write_bytes(bencodepy.encode(members))
        return folder

    def write_database(self) -> Path:
        path = self.home / "torrents.db"
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(SCHEMA)
            for sample in self.samples:
                digits = sample.info_hash.hex()
                database.execute(
                    "INSERT INTO torrents VALUES (NULL, ?, 0, '', 'films', 'b,c', ?, '', 'Original', 2500, -1, -2, ?,"
                    " ?, ?)", (digits, str(self.home / "content"), sample is self.half,
                            bencodepy.encode(self.resumes[digits]), self.torrent(sample)))
            database.commit()
        return path

    def write_deluge(self) -> Path:
        folder = self.home / "deluge" / "state"
        folder.mkdir(parents=True)
        for sample in self.samples:
            shutil.copy(sample.torrent, folder / f"{sample.info_hash.hex()}.torrent")
        (folder / "torrents.fastresume").write_bytes(bencodepy.encode(
            {digits: bencodepy.encode(resume) for digits, resume in self.resumes.items()}))
        return folder.parent


@pytest.fixture
def left(tmp_path: Path) -> Left:
    require_module("libtorrent")
    several: list[tuple[bytes | str, int]] = [("a.bin", 300_000), ("sub/b.bin", 500_000), ("c", 10), ("empty", 0)]
    home = tmp_path / "home"

    def sample(name: str, files: Any, seed: int, *, pad: bool = False) -> Sample:
        return make_sample(home, name, files, PIECE, seed=seed, pad=pad, trackers=[TRACKER])

    made = Left(home, sample("Füße 日本", several, 1, pad=True), sample("renamed", several, 2),
                sample("half.bin", 1_000_000, 3), {})
    half = home / "content" / "half.bin"
    half.write_bytes(half.read_bytes()[:HALF].ljust(1_000_000, b"\0"))
    _load(made)
    return made


def _load(made: Left) -> None:
    import libtorrent as lt

    session = _session()
    handles = {}
    for sample in made.samples:
        params = lt.load_torrent_file(str(sample.torrent))
        params.save_path = str(made.home / "content")
        handles[sample.info_hash.hex()] = session.add_torrent(params)
    shares = {sample.info_hash.hex(): HALF_PIECES if sample is made.half else sample.num_pieces
              for sample in made.samples}
    wait_until(lambda: all(handle.status().num_pieces == shares[digits] and handle.status().state in (3, 5)
                           for digits, handle in handles.items()), TIMEOUT_S, "libtorrent to check")
    half = handles[made.half.info_hash.hex()]
    half.unset_flags(lt.torrent_flags.auto_managed)
    half.pause()
    half.set_download_limit(1000)
    handles[made.many.info_hash.hex()].add_tracker({"url": ADDED_TRACKER, "tier": 1})
    handles[made.many.info_hash.hex()].file_priority(0, 7)
    renamed = handles[made.renamed.info_hash.hex()]
    renamed.rename_file(0, "renamed/ö.bin")
    renamed.rename_file(1, "elsewhere/b.bin")
    wait_until(lambda: (made.home / "content" / "elsewhere" / "b.bin").exists() and half.status().flags & 0x10,
               TIMEOUT_S, "the renames and the pause")
    made.resumes.update(_saved(session, list(handles.values())))


def _session() -> Any:
    import libtorrent as lt

    return lt.session({
        "listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False, "enable_upnp": False,
        "enable_natpmp": False, "alert_mask": lt.alert.category_t.all_categories})


def _saved(session: Any, handles: list[Any]) -> dict[str, dict[bytes, Any]]:
    """The resume data of torrents, by the info-hashes that qBittorrent calls them by."""
    import libtorrent as lt

    for handle in handles:
        handle.save_resume_data()
    resumes = {}
    deadline = time.monotonic() + TIMEOUT_S
    while len(resumes) < len(handles) and time.monotonic() < deadline:
        session.wait_for_alert(100)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.save_resume_data_alert):
                digits = str(alert.handle.info_hashes().get_best())
                resumes[digits] = bencodepy.decode(lt.write_resume_data_buf(alert.params))
    return resumes


@pytest.fixture
def box(tmp_path: Path) -> Seedbox:
    return Seedbox(tmp_path / "box")


def _import(program: str, path: Path, *words: str | Path, status: int = 0) -> dict[str, Any]:
    """What it told of the torrents, by their hash."""
    done = run("import", program, path, *words, "--json")
    assert done.returncode == status, done.stderr
    return {torrent["hash"]: torrent for torrent in json.loads(done.stdout)["torrents"]}


def _goes_on(box: Seedbox, left: Left) -> None:
    with box:
        many = box.wait_state(left.many, "seeding")
        assert many["done_bytes"] == 800_010
        assert [file["priority"] for file in box.files(left.many) if file["size_bytes"]][0] == 2
        answer = box.call("GET", f"/v1/torrents/{left.many.info_hash.hex()}/trackers")
        assert [tracker["url"] for tracker in answer["trackers"]] == [TRACKER, ADDED_TRACKER]
        box.wait_state(left.renamed, "seeding")
        assert [file["path"] for file in box.files(left.renamed)][:2] == [["renamed", "ö.bin"], ["elsewhere", "b.bin"]]
        half = box.status(left.half)
        assert (half["state"], half["done_bytes"], half["down_limit_bytes_per_s"]) == (
            "stopped", HALF_PIECES * PIECE, 1000)
        assert re.findall(r"torrent checked", box.output()) == []


@pytest.mark.parametrize("kind", ["folder", "database"])
def test_everything_goes_on_where_qbittorrent_left_it(left: Left, box: Seedbox, kind: str) -> None:
    path = left.write_folder() if kind == "folder" else left.write_database()
    before = fingerprint(left.home)
    told = _import("qbittorrent", left.home, "--state-dir", box.state)
    assert [told[sample.info_hash.hex()]["result"] for sample in left.samples] == ["imported"] * 3
    assert [torrent["to_check_bytes"] for torrent in told.values()] == [0] * 3
    assert fingerprint(left.home) == before
    _goes_on(box, left)
    with box.again():
        status = box.status(left.many)
        assert (status["labels"], status["seeding"]["ratio"]) == (["films", "b", "c"], 2.5)
    again = _import("qbittorrent", path, "--state-dir", box.state)
    assert {torrent["result"] for torrent in again.values()} == {"present"}


def test_an_unfinished_one_moves_to_the_folder_of_its_category_when_it_is_complete(left: Left, box: Seedbox) -> None:
    folder = left.write_folder()
    for path in folder.glob("*.fastresume"):
        members = bencodepy.decode(path.read_bytes())
        del members[b"qBt-savePath"]   # qBittorrent is to choose the folder
        path.write_bytes(bencodepy.encode(members))
    (left.home / "categories.json").write_text(json.dumps({"films": {"save_path": str(left.home / "films")}}))
    assert len(_import("qbittorrent", folder, "--state-dir", box.state)) == 3
    with box:
        assert box.wait_state(left.many, "seeding")["download_dir"] == str(left.home / "content")
        assert box.status(left.half)["download_dir"] == str(left.home / "films")


def test_everything_goes_on_where_deluge_left_it(left: Left, box: Seedbox) -> None:
    config = left.write_deluge()
    before = fingerprint(left.home)
    told = _import("deluge", config, "--state-dir", box.state)
    assert [told[sample.info_hash.hex()]["to_check_bytes"] for sample in left.samples] == [0] * 3
    assert fingerprint(left.home) == before
    _goes_on(box, left)


@pytest.mark.parametrize("is_hybrid", [True, False])
def test_torrents_of_the_second_version_go_on(left: Left, box: Seedbox, is_hybrid: bool) -> None:
    import libtorrent as lt

    content = left.home / "content"
    made = lt.create_torrent(lt.list_files(str(content / "renamed")), PIECE,
                             0 if is_hybrid else lt.create_torrent.v2_only)
    lt.set_piece_hashes(made, str(content))
    torrent = left.home / "second.torrent"
    torrent.write_bytes(lt.bencode(made.generate()))
    params = lt.load_torrent_file(str(torrent))
    params.save_path = str(content)
    session = _session()
    handle = session.add_torrent(params)
    wait_until(lambda: handle.status().state in (3, 5), TIMEOUT_S, "libtorrent to check")
    (name, resume), = _saved(session, [handle]).items()
    folder = left.home / "BT_backup"
    folder.mkdir()
    (folder / f"{name}.fastresume").write_bytes(bencodepy.encode(resume))
    info = bencodepy.decode(torrent.read_bytes())[b"info"]
    (folder / f"{name}.torrent").write_bytes(bencodepy.encode({"info": info}))
    (digits, told), = _import("qbittorrent", folder, "--state-dir", box.state).items()
    assert (told["result"], told["to_check_bytes"], told["done_bytes"]) == ("imported", 0, told["size_bytes"])
    assert digits.startswith(name) is not is_hybrid
    with box:
        box.call("POST", f"/v1/torrents/{digits}/recheck")
        wait_until(lambda: re.search(r"torrent checked.* bad=0 missing=0", box.output()), TIMEOUT_S, "the check")


def test_a_database_that_was_not_closed_is_read_with_its_log_and_not_changed(left: Left, box: Seedbox) -> None:
    path = left.write_database()
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE torrents SET category = 'later'")
        database.commit()
        killed = left.home / "killed"
        killed.mkdir()
        for ending in ("", "-wal", "-shm"):
            shutil.copy2(f"{path}{ending}", killed / f"torrents.db{ending}")
    before = fingerprint(killed)
    told = _import("qbittorrent", killed / "torrents.db", "--state-dir", box.state)
    assert {torrent["result"] for torrent in told.values()} == {"imported"}
    assert fingerprint(killed) == before
    with box:
        assert box.status(left.many)["labels"] == ["later", "b", "c"]


def test_a_file_that_changed_after_the_last_save_is_checked_and_no_other(left: Left, box: Seedbox) -> None:
    folder = left.write_folder()
    changed = left.home / "content" / "Füße 日本" / "a.bin"
    data = bytearray(changed.read_bytes())
    data[70_000] ^= 1
    changed.write_bytes(data)
    os.utime(changed, (time.time() + 5, time.time() + 5))
    told = _import("qbittorrent", folder, "--state-dir", box.state)
    assert [told[sample.info_hash.hex()]["to_check_bytes"] for sample in left.samples] == [300_000, 0, 0]
    with box:
        assert box.wait_state(left.many, "downloading")["done_bytes"] == 800_010 - PIECE


def test_what_cannot_be_read_is_told_and_the_rest_is_taken(left: Left, box: Seedbox) -> None:
    folder = left.write_folder()
    many, renamed, half = (sample.info_hash.hex() for sample in left.samples)
    (folder / f"{many}.torrent").unlink()
    shutil.copy(folder / f"{renamed}.torrent", folder / f"{half}.torrent")
    told = _import("qbittorrent", folder, "--state-dir", box.state, status=1)
    errors = {digits: torrent["error"]["code"] for digits, torrent in told.items() if "error" in torrent}
    assert errors == {many: "import.magnet", half: "import.other-torrent"}
    assert told[renamed]["result"] == "imported"


def test_while_the_daemon_runs_it_goes_through_the_daemon(left: Left, box: Seedbox) -> None:
    folder = left.write_folder()
    with box:
        told = _import("qbittorrent", folder, "--url", f"unix:{box.runtime / 'rest.sock'}", status=1)
        assert [told[sample.info_hash.hex()]["result"] for sample in left.samples] == [
            "imported", "refused", "imported"]
        assert box.wait_state(left.many, "seeding")["seeding"]["ratio"] == 2.5
