"""A download whose only file is kept in parts, as the interface tells of it."""

from __future__ import annotations

from blobtorrent.core.session.commands import MoveTorrent
from blobtorrent.model.splitting import Split
from tests.support.rtorrentdownloads import Stage
from tests.support.rtorrentengine import FIXTURES, FOLDER

RAW = (FIXTURES / "alpha.torrent").read_bytes().decode("utf-8", "surrogateescape")
SPLIT = Split(16384, ".part", is_lone=True)


def split_stage() -> tuple[Stage, str]:
    stage = Stage()
    stage.call("load.raw", "", RAW)
    download = stage.only()
    stage.engine.publish(download.status._replace(split=SPLIT, own_path=f"{FOLDER}/alpha.bin.part000"))
    stage.side.downloads.refresh()
    download.shape = None              # what the fake engine did not know when it was added
    return stage, download.hash


def test_it_is_one_file_without_a_folder_however_many_parts_it_has() -> None:
    stage, digits = split_stage()
    size = stage.call("d.size_bytes", digits)
    assert isinstance(size, int)
    metainfo = stage.side.downloads.metainfo(stage.only())
    assert [entry.path[0] for entry in metainfo.files[:2]] == ["alpha.bin.part000", "alpha.bin.part001"]
    assert len(metainfo.files) == -(-size // SPLIT.size_bytes) and metainfo.payload_bytes == size
    assert (stage.call("d.name", digits), stage.call("d.directory", digits)) == ("alpha.bin", FOLDER)
    assert stage.only().own_name == "alpha.bin" and stage.only().own_path == f"{FOLDER}/alpha.bin.part000"


def test_another_folder_does_not_rename_its_first_part() -> None:
    stage, digits = split_stage()
    stage.call("d.directory.set", digits, FOLDER)
    assert [command for command in stage.engine.asked if isinstance(command, MoveTorrent)] == []
    stage.call("d.directory.set", digits, "/elsewhere")
    (move,) = [command for command in stage.engine.asked if isinstance(command, MoveTorrent)]
    assert (str(move.download_dir), move.name) == ("/elsewhere", None)
