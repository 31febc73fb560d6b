"""`blobtorrent create`: options into torrents, and files that it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blobtorrent.cli.main import main
from blobtorrent.protocol.metafile import parse_torrent


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    folder.mkdir()
    (folder / "a").write_bytes(b"a" * 40_000)
    (folder / "b").write_bytes(b"b")
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "x.torrent"


def create(*arguments: object) -> int:
    return main(["create", *map(str, arguments)])


def test_every_option_is_in_the_torrent(content: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert create(
        content, "-o", output, "--tracker", "http://a/x,udp://b:1", "--tracker", "https://c/", "--web-seed", "http://w/",
        "--piece-size", "16 KiB", "--private", "--source", "mark", "--comment", "words",
    ) == 0
    metainfo = parse_torrent(output.read_bytes())
    assert metainfo.tiers == (("http://a/x", "udp://b:1"), ("https://c/",))
    assert metainfo.web_seeds == ("http://w/",)
    assert (metainfo.geometry.piece_length, metainfo.geometry.num_pieces) == (16384, 3)
    assert (metainfo.is_private, metainfo.source, metainfo.comment) == (True, "mark", "words")
    assert metainfo.creation_date == 86400


@pytest.mark.parametrize(("format", "hashes"), [("v1", (40, 0)), ("v2", (0, 64)), ("hybrid", (40, 64))])
def test_formats_have_their_hashes(
    content: Path, output: Path, capsys: pytest.CaptureFixture[str], format: str, hashes: tuple[int, int],
) -> None:
    assert create(content, "-o", output, "--format", format, "--json") == 0
    value = json.loads(capsys.readouterr().out)
    assert tuple(len(value[key] or "") for key in ("info_hash_v1", "info_hash_v2")) == hashes
    metainfo = parse_torrent(output.read_bytes())
    assert value["info_hash_v1"] == (metainfo.info_hash.v1.hex() or None)
    assert (value["name"], value["size"], value["num_files"], value["file"]) == ("content", 40_001, 2, str(output))


def test_people_get_a_summary(content: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert create(content, "-o", output) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("content, 39.1 KiB in 2 files, 3 pieces of 16.0 KiB")
    assert lines[1].startswith("info hash: ")


def test_with_a_fixed_date_the_same_bytes_come_out(
    content: Path, output: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "5")
    create(content, "-o", output)
    first = output.read_bytes()
    create(content, "-o", output)
    assert output.read_bytes() == first


def test_an_older_torrent_inside_the_folder_is_replaced_and_never_part_of_the_new_one(content: Path) -> None:
    output = content / "x.torrent"
    assert create(content, "-o", output) == 0
    first = parse_torrent(output.read_bytes())
    assert create(content, "-o", output) == 0
    assert parse_torrent(output.read_bytes()).info_hash == first.info_hash


def test_a_file_that_is_no_torrent_is_left_alone(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert create(content / "a", "-o", content / "b") == 1
    assert (content / "b").read_bytes() == b"b"
    assert "create.output-exists" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "code"), [
    (("--tracker", "foo"), "create.bad-url"),
    (("--tracker", "http://a/,"), "create.bad-url"),
    (("--web-seed", "udp://a:1"), "create.bad-url"),
    (("--piece-size", "20000"), "create.bad-piece-size"),
    (("--piece-size", "48 KiB", "--format", "v2"), "create.bad-piece-size"),
    (("-o", "/no/such/folder/x.torrent"), "create.no-folder"),
    (("-o", "/"), "create.output-exists"),
])
def test_what_makes_no_torrent_is_told_and_nothing_is_written(
    content: Path, output: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: str,
) -> None:
    assert create(content, "-o", output, *arguments, "--json") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["code"] == code
    assert captured.err.count("\n") == 1
    assert not output.exists()


def test_a_date_that_is_none_is_told(content: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert create(content, "-o", output) == 1


def test_a_size_that_is_none_is_wrong_usage(content: Path, output: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        create(content, "-o", output, "--piece-size", "big")
    assert caught.value.code == 2
