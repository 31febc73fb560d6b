"""Torrents of rTorrent on their way into a state directory: sessions are made by hand here."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from blobtorrent.core.session.rows import read_peers, read_record, read_stamps
from blobtorrent.daemon import importing
from blobtorrent.daemon.importing import Reader, key_of, known_torrents, map_folder, open_state
from blobtorrent.daemon.programs import open_program
from blobtorrent.model.errors import BlobTorrentError, Conflict, DiskFull
from blobtorrent.storage.state.examine import examine
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import KINDS, PEERS, PROGRESS, STAMPS, TORRENT
from tests.support.handmade import MTIME, HandMade


@pytest.fixture
def left(tmp_path: Path) -> HandMade:
    return HandMade(tmp_path)


def test_what_is_written_is_what_the_next_daemon_reads(left: HandMade, tmp_path: Path) -> None:
    peer = {"inet": b"\x0a\0\0\x01\x1a\xe1", "failed": 0, "last": 5}
    name = left.put("one", wanted={"custom1": "l", "custom": {"k": "ü"}}, progress={"peers": [peer]})
    with open_state(tmp_path / "state") as writer:
        for source in left.sources():
            writer.add(source)
        writer.flush()
    with closing(StateDir(tmp_path / "state")) as state_dir:
        assert state_dir.was_clean and not state_dir.damages
        bodies = {row.kind: row.body for row in state_dir.state.load(KINDS).rows}
        record = read_record(bodies[TORRENT], bodies[PROGRESS])
    assert (record.info_hash.v1.hex().upper(), record.have.is_full, record.done_bytes) == (name, True, 1000)
    assert (record.wishes.labels, record.wishes.custom) == (("l",), {"custom1": "l", "custom.k": "ü"})
    assert read_stamps(bodies[STAMPS])[0].mtime_ns == MTIME * 1_000_000_000
    assert [str(known.endpoint) for known in read_peers(bodies[PEERS])] == ["10.0.0.1:6881"]
    findings = examine(tmp_path / "state")
    assert (findings.num_torrents, findings.damages) == (1, [])


def test_torrents_that_are_there_are_known_without_a_change(left: HandMade, tmp_path: Path) -> None:
    assert known_torrents(tmp_path / "none") == set()
    name = left.put("one")
    state = tmp_path / "state"
    with open_state(state) as writer:
        writer.add(left.sources()[0])
        writer.flush()
    before = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    assert known_torrents(state) == {key_of(name)}
    assert {path: path.read_bytes() for path in before} == before
    with open_state(state) as writer:
        assert writer.known == {key_of(name)}


def test_what_is_committed_is_safe_when_it_ends_early(
    left: HandMade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "AT_ONCE", 2)
    for number in range(3):
        left.put(f"file-{number}")
    with pytest.raises(KeyboardInterrupt), open_state(tmp_path / "state") as writer:
        for source in left.sources():
            writer.add(source)
        raise KeyboardInterrupt
    assert len(known_torrents(tmp_path / "state")) == 2
    with closing(StateDir(tmp_path / "state")) as state_dir:
        assert state_dir.was_clean


def test_a_session_that_was_killed_stays_one(tmp_path: Path) -> None:
    with closing(StateDir(tmp_path / "state")):
        pass                           # nobody marks it clean
    with open_state(tmp_path / "state"):
        pass
    with closing(StateDir(tmp_path / "state")) as state_dir:
        assert not state_dir.was_clean


def test_a_directory_in_use_is_refused_with_the_way_round(tmp_path: Path) -> None:
    with closing(StateDir(tmp_path / "state")), pytest.raises(Conflict, match="--url"), open_state(tmp_path / "state"):
        pass


def test_the_directory_of_another_user_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(Conflict), open_state(tmp_path):
        pass
    with pytest.raises(Conflict):
        known_torrents(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_it(left: HandMade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left.put("one")

    def fail(*_: object) -> None:
        raise DiskFull("storage.disk-full", "no space")

    with pytest.raises(DiskFull), open_state(tmp_path / "state") as writer:
        monkeypatch.setattr(writer._state, "commit", fail)
        writer.add(left.sources()[0])
        writer.flush()


@pytest.mark.parametrize(("ending", "raw", "code"), [
    ("", b"junk", "bencode.bad-mark"),
    ("", b"d4:infod13:meta_downloadi1ee10:magnet-uri3:m:?e", "magnet.not-a-link"),
    ("", b"d4:infod13:meta_downloadi1ee10:magnet-uri60:magnet:?xt=urn:btih:" + b"ab" * 20 + b"e",
     "import.other-torrent"),
    (".rtorrent", None, "import.no-wishes"),
    (".rtorrent", b"d9:directory2:./e", "import.relative-folder"),
    (".rtorrent", b"de", "rtorrent.no-directory"),
])
def test_one_that_cannot_be_had_says_why(left: HandMade, ending: str, raw: bytes | None, code: str) -> None:
    path = left.session / f"{left.put('one')}.torrent{ending}"
    path.unlink()
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(BlobTorrentError) as caught:
        left.sources()
    assert caught.value.code == code


@pytest.mark.parametrize(("moved", "where"), [
    ({}, "/home/me/dl"), ({"~": "/n"}, "/n/dl"), ({"/home": "/n"}, "/n/me/dl"), ({".": "/n"}, "/home/me/dl")])
def test_a_tilde_is_home_unless_it_is_said_to_be_elsewhere(
    left: HandMade, monkeypatch: pytest.MonkeyPatch, moved: dict[str, str], where: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    name = left.put("one", wanted={"directory": "~/dl"})
    with closing(open_program("rtorrent", left.session)) as session:
        assert str(Reader(session, moved).read(name).imported.record.place.root) == where


@pytest.mark.parametrize("raw", [None, b"", b"junk", b"d8:bitfieldi7ee"])
def test_without_progress_that_can_be_read_it_is_checked(left: HandMade, raw: bytes | None) -> None:
    path = left.session / f"{left.put('one')}.torrent.libtorrent_resume"
    path.unlink()
    if raw is not None:
        path.write_bytes(raw)
    source, = left.sources()
    assert not source.imported.record.is_checked
    assert source.imported.to_check_bytes == 1000
    assert "checked" in source.imported.notes[0]


@pytest.mark.parametrize(("folder", "moved", "where"), [
    ("/a/b", {}, "/a/b"), ("/a/b", {"/a": "/n"}, "/n/b"), ("/a/b", {"/a/b/": "/n"}, "/n"), ("/ab", {"/a": "/n"}, "/ab"),
    ("/a/b/c", {"/a": "/n", "/a/b": "/m"}, "/m/c"), ("/a/../b", {"/b": "/n"}, "/n"), ("./", {".": "/n"}, "/n"),
    ("dl/x", {".": "/n"}, "/n/dl/x"), ("dl/x", {"dl": "/m", ".": "/n"}, "/m/x"), ("/a", {".": "/n"}, "/a"),
    ("/a", {"/": "/n"}, "/n/a"), ("./x", {}, "x")])
def test_folders_that_have_another_path_here_are_found(folder: str, moved: dict[str, str], where: str) -> None:
    assert map_folder(folder, moved) == where
