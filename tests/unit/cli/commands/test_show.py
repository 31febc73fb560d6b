"""`blobtorrent show`: fields by name, text for people, errors in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.cli.main import main
from tests.support.oddtorrents import leaf, listed, multi, single, torrent, tree

V1 = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
MAGNET = f"magnet:?xt=urn:btih:{V1}&dn=a%20name&xl=5&tr=http://a/&ws=http://w/&x.pe=1.2.3.4:5"


def write(folder: Path, data: bytes) -> str:
    path = folder / "x.torrent"
    path.write_bytes(data)
    return str(path)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["show", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_json_has_every_field_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info = multi([listed(5, b"a"), listed(11, b".pad", b"11", attr=b"p"), listed(7, b"d", b"b")], private=1)
    path = write(tmp_path, torrent(info, url__list=b"http://w/", comment=b"c", created_by=b"me", creation_date=7))
    status, output, errors = shown(capsys, path, "--json")
    value: dict[str, Any] = json.loads(output)
    assert (status, errors) == (0, "")
    assert len(value.pop("info_hash_v1")) == 40
    assert value == {
        "name": "odd", "info_hash_v2": None, "size": 23, "payload": 12, "piece_length": 16384, "num_pieces": 1,
        "private": True,
        "files": [
            {"path": ["odd", "a"], "length": 5, "pad": False},
            {"path": ["odd", ".pad", "11"], "length": 11, "pad": True},
            {"path": ["odd", "d", "b"], "length": 7, "pad": False},
        ],
        "trackers": [["http://tracker.invalid/announce"]], "web_seeds": ["http://w/"], "comment": "c",
        "created_by": "me", "creation_date": 7, "source": None,
    }


def test_what_is_absent_is_null_or_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, torrent(tree({b"f": leaf(b"x")}), announce=None))
    value = json.loads(shown(capsys, path, "--json")[1])
    assert len(value["info_hash_v2"]) == 64
    assert [value[key] for key in ("info_hash_v1", "comment", "created_by", "creation_date", "source")] == [None] * 5
    assert (value["trackers"], value["web_seeds"]) == ([], [])


def test_people_get_lines_without_a_raw_control_character(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, torrent(multi([listed(5, "\u200fa\x1b[2J".encode())], name=b"n\nm"), comment=b"c\n\x9bd",
                                   creation_date=0))
    status, output, _ = shown(capsys, path)
    assert status == 0
    assert all(line.isprintable() for line in output.splitlines())
    assert "name:         n_m" in output
    assert "comment:      c\\x0a" in output
    assert "created:      1970-01-01 00:00:00 UTC" in output
    assert "  5 B  n_m/\\u200fa_[2J" in output


def test_people_see_no_padding_but_links(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = {b"attr": b"l", b"length": 0, b"path": [b"l"], b"symlink path": [b"a"]}
    path = write(tmp_path, torrent(multi([listed(5, b"a"), listed(11, b".pad", b"11", attr=b"p"), link])))
    output = shown(capsys, path)[1]
    assert ".pad" not in output
    assert "odd/l -> odd/a" in output


@pytest.mark.parametrize("date", [1 << 62, 1 << 40])
def test_a_date_beyond_all_calendars_is_shown_as_a_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], date: int,
) -> None:
    status, output, _ = shown(capsys, write(tmp_path, torrent(single(), creation_date=date)))
    assert status == 0
    assert f"{date} seconds after 1970" in output


def test_a_magnet_link_has_the_same_fields_with_null_for_what_it_cannot_tell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    value = json.loads(shown(capsys, MAGNET, "--json")[1])
    assert {key: value[key] for key in value if value[key] is not None} == {
        "name": "a name", "info_hash_v1": V1, "size": 5, "trackers": [["http://a/"]], "web_seeds": ["http://w/"],
        "peers": [{"host": "1.2.3.4", "port": 5}],
    }
    assert value["files"] is None and value["private"] is None


def test_a_magnet_link_is_shown_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    output = shown(capsys, MAGNET)[1]
    assert [line.split()[0] for line in output.splitlines()] == ["name:", "info", "size:", "tracker:", "web", "peer:"]


@pytest.mark.parametrize(("source", "code"), [
    ("/no/such/file", "source.no-file"),
    ("/", "source.unreadable"),
    ("magnet:?dn=x", "magnet.no-hash"),
])
def test_errors_are_one_line_and_an_object(capsys: pytest.CaptureFixture[str], source: str, code: str) -> None:
    status, output, errors = shown(capsys, source, "--json")
    assert status == 1
    assert json.loads(output)["error"]["code"] == code
    assert errors.count("\n") == 1
    assert shown(capsys, source)[1] == ""
