"""Folders of programs made with libtorrent: which torrents are in them, and what is beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.model.errors import Conflict, FileMissing, FormatError
from blobtorrent.storage import libtorrentsession
from blobtorrent.storage.libtorrentsession import BackupFolder, DelugeState, read_categories

NAME = "a" * 40


def test_torrents_are_named_by_their_resume_data(tmp_path: Path) -> None:
    for name in (f"{NAME}.fastresume", f"{'b' * 40}.torrent", "queue", f"{'C' * 40}.fastresume", "x.fastresume"):
        (tmp_path / name).touch()
    with BackupFolder(tmp_path) as session:
        assert session.names() == [NAME]


def test_one_without_its_torrent_has_only_resume_data(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.fastresume").write_bytes(b"resume")
    with BackupFolder(tmp_path) as session:
        kept = session.read(NAME)
        assert (kept.torrent, kept.resume, kept.beside) == (b"", b"resume", {})
        assert kept.saved_at == (tmp_path / f"{NAME}.fastresume").stat().st_mtime
        (tmp_path / f"{NAME}.torrent").write_bytes(b"torrent")
        assert session.read(NAME).torrent == b"torrent"
        with pytest.raises(FileMissing):
            session.read("b" * 40)


def test_deluge_has_the_resume_data_of_all_in_one_file(tmp_path: Path) -> None:
    (tmp_path / "torrents.fastresume").write_bytes(b"all")
    (tmp_path / f"{NAME}.torrent").write_bytes(b"torrent")
    with DelugeState(tmp_path, lambda raw: {NAME: raw, "../x": b""}) as session:
        assert session.names() == [NAME]
        kept = session.read(NAME)
    assert (kept.torrent, kept.resume, kept.path) == (b"torrent", b"all", tmp_path / f"{NAME}.torrent")


def test_a_collection_that_is_damaged_or_gone_is_told(tmp_path: Path) -> None:
    def refuse(_raw: bytes) -> dict[str, bytes]:
        raise FormatError("bencode.bad-mark", "junk")

    with pytest.raises(FileMissing):
        DelugeState(tmp_path, refuse)
    (tmp_path / "torrents.fastresume").touch()
    with pytest.raises(FormatError):
        DelugeState(tmp_path, refuse)


@pytest.mark.parametrize(("session", "settings"), [
    (".local/share/qBittorrent/BT_backup", ".config/qBittorrent"),
    ("p/qBittorrent/data/BT_backup", "p/qBittorrent/config"), ("data/torrents.db", "data")])
def test_categories_are_kept_with_the_settings(tmp_path: Path, session: str, settings: str) -> None:
    (tmp_path / session).parent.mkdir(parents=True)
    assert read_categories(tmp_path / session) == b""
    (tmp_path / settings).mkdir(parents=True, exist_ok=True)
    (tmp_path / settings / "categories.json").write_bytes(b"{}")
    assert read_categories(tmp_path / session) == b"{}"


def test_while_the_program_runs_on_it_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with BackupFolder(tmp_path) as session:
        monkeypatch.setattr(libtorrentsession, "using_process", lambda *_: None)
        session.refuse_while_used()
        monkeypatch.setattr(libtorrentsession, "using_process", lambda *_: 7)
        with pytest.raises(Conflict, match="process 7") as caught:
            session.refuse_while_used()
    assert caught.value.code == "import.qbittorrent-runs"
