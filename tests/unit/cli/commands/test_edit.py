"""`blobtorrent edit` and `magnet`: options into torrents and links."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from blobtorrent.cli.main import main
from blobtorrent.model.magnet import parse_magnet
from blobtorrent.protocol.metafile import parse_torrent
from tests.support.oddtorrents import single, torrent

DATA = torrent(single(), comment=b"old", url__list=b"http://w/")
HASH = parse_torrent(DATA).info_hash.hex


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "x.torrent"
    file.write_bytes(DATA)
    return file


def give_stdin(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(DATA)))


def test_a_torrent_is_changed_in_place(path, capsys):
    words = ["--tracker", "http://a/,http://b/", "--tracker", "udp://c:1", "--comment", "new"]
    assert main(["edit", str(path), *words]) == 0
    edited = parse_torrent(path.read_bytes())
    assert edited.tiers == (("http://a/", "http://b/"), ("udp://c:1",))
    assert (edited.comment, edited.info_hash.hex) == ("new", HASH)
    assert capsys.readouterr().out == f"{path}: changed, info hash {HASH}\n"


def test_the_result_can_go_elsewhere(path, tmp_path, capsys):
    output = tmp_path / "y.torrent"
    assert main(["edit", str(path), "-o", str(output), "--private", "--source", "mark", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    edited = parse_torrent(output.read_bytes())
    assert (edited.is_private, edited.source) == (True, "mark")
    assert told == {"file": str(output), "hash": edited.info_hash.hex, "hash_before": HASH, "changed": True}
    assert path.read_bytes() == DATA


def test_trackers_and_seeds_are_taken_away(path, capsys):
    assert main(["edit", str(path), "--no-trackers", "--no-web-seeds", "--comment", ""]) == 0
    edited = parse_torrent(path.read_bytes())
    assert (edited.tiers, edited.web_seeds, edited.comment) == ((), (), None)


def test_stdin_goes_to_stdout(monkeypatch, capsysbinary):
    give_stdin(monkeypatch)
    assert main(["edit", "-", "--web-seed", "http://v/"]) == 0
    assert parse_torrent(capsysbinary.readouterr().out).web_seeds == ("http://v/",)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--tracker", "http://a/", "--no-trackers"], "edit.contradiction"),
        (["--web-seed", "http://a/", "--no-web-seeds"], "edit.contradiction"),
        (["--tracker", "ftp://a/"], "create.bad-url"),
        (["-o", "-", "--json"], "edit.two-outputs"),
        (["-o", "/nonexistent/folder/x.torrent"], "create.no-folder"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(path, capsys, words, code):
    assert main(["edit", str(path), *words]) == 1
    assert f"({code})" in capsys.readouterr().err
    assert path.read_bytes() == DATA


def test_no_other_file_is_written_over(path, tmp_path, capsys):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    assert main(["edit", str(path), "-o", str(precious), "--comment", "x"]) == 1
    assert precious.read_text() == "precious"


def test_a_magnet_link_says_what_the_torrent_says(path, capsys):
    assert main(["magnet", str(path), "--peer", "[::1]:5", "--peer", "host:6"]) == 0
    link = parse_magnet(capsys.readouterr().out.strip())
    assert (link.info_hash.hex, link.name, link.size) == (HASH, "odd", 425)
    assert link.tiers == (("http://tracker.invalid/announce",),)
    assert (link.web_seeds, link.peers) == (("http://w/",), (("::1", 5), ("host", 6)))


def test_magnet_links_are_told_as_json(path, capsys):
    assert main(["magnet", str(path), str(path), "--no-trackers", "--json"]) == 0
    magnets = json.loads(capsys.readouterr().out)["magnets"]
    assert [magnet["hash"] for magnet in magnets] == [HASH, HASH]
    assert parse_magnet(magnets[0]["magnet"]).tiers == ()


@pytest.mark.parametrize("peer", ["host", "host:0", "host:99999", "host:x", "a b:1", "a&b:1", ":1"])
def test_a_peer_of_a_link_is_a_host_and_a_port(path, capsys, peer):
    assert main(["magnet", str(path), "--peer", peer]) == 1
    assert "(address.bad-endpoint)" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "magnet"])
def test_other_commands_read_stdin_too(monkeypatch, capsys, command):
    give_stdin(monkeypatch)
    assert main([command, "-"]) == 0
    assert HASH in capsys.readouterr().out
