"""What of a folder gets into a torrent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blobtorrent.model.errors import Invalid
from blobtorrent.storage.source import scan


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_files_are_sorted_by_the_bytes_of_their_parts(tmp_path: Path) -> None:
    touch(tmp_path / "t", "b", "a/z", "a.x", "B", "ü", "a/b/c")
    source = scan(tmp_path / "t")
    assert (source.name, source.is_single) == ("t", False)
    assert ["/".join(map(os.fsdecode, file.parts)) for file in source.files] == ["B", "a/b/c", "a/z", "a.x", "b", "ü"]
    assert source.size == sum(len(name.encode()) for name in ("b", "a/z", "a.x", "B", "ü", "a/b/c"))


def test_a_file_alone_has_no_folder(tmp_path: Path) -> None:
    touch(tmp_path, "f")
    source = scan(tmp_path / "f")
    assert (source.name, source.is_single, source.files[0].parts) == ("f", True, (b"f",))


def test_a_path_of_dots_has_the_name_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "t", "a")
    monkeypatch.chdir(tmp_path / "t")
    assert scan(Path(".")).name == "t"


def test_the_torrent_itself_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path / "t", "a", "x.torrent")
    assert [file.parts for file in scan(tmp_path / "t", exclude=tmp_path / "t" / "x.torrent").files] == [(b"a",)]


def test_links_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "t/a", "elsewhere/deep")
    (tmp_path / "t" / "f").symlink_to(tmp_path / "elsewhere" / "deep")
    (tmp_path / "t" / "d").symlink_to(tmp_path / "elsewhere")
    assert [file.parts for file in scan(tmp_path / "t").files] == [(b"a",), (b"d", b"deep"), (b"f",)]


def test_a_link_to_a_folder_above_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "t/d/a")
    (tmp_path / "t" / "d" / "up").symlink_to(tmp_path / "t")
    with pytest.raises(Invalid) as caught:
        scan(tmp_path / "t")
    assert caught.value.code == "create.link-loop"


@pytest.mark.parametrize("name", [b"a\nb", b"a\\b", b"\xff", "\u202eb".encode()])
def test_names_that_readers_would_change_are_refused(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "t").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "t") + b"/" + name)).write_bytes(b"x")
    with pytest.raises(Invalid) as caught:
        scan(tmp_path / "t")
    assert caught.value.code == "create.bad-name"


def test_pipes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    os.mkfifo(tmp_path / "t" / "pipe")
    with pytest.raises(Invalid) as caught:
        scan(tmp_path / "t")
    assert caught.value.code == "create.not-a-file"


def test_nothing_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        scan(tmp_path / "t")
    assert caught.value.code == "create.no-source"
