"""`blobtorrent add`, `list`, `start`, `stop`, `remove` against a real REST server before a played session."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blobtorrent.cli.main import main
from blobtorrent.core.session.commands import AddTorrent, RemoveTorrent, StartTorrent, StopTorrent
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import Conflict
from blobtorrent.protocol.metafile import parse_torrent
from tests.support.rest import TOKEN, RestRig, info_hash, status_of, tiny_torrent

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[RestRig]:
    with RestRig(tmp_path / "rest.sock") as running:
        running.session.show(status_of(1), status_of(2, state="downloading", done_bytes=500, down_bytes_per_s=100))
        yield running


@pytest.fixture
def command(rig: RestRig, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line against the rig: exit status, stdout, stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        status = main([*words, "--url", rig.server.addresses[0]])
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def torrent(tmp_path: Path) -> str:
    path = tmp_path / "tiny.torrent"
    path.write_bytes(tiny_torrent())
    return str(path)


def test_list_prints_a_table(command):
    status, out, err = command("list")
    assert (status, err) == (0, "")
    titles, first, second = out.splitlines()
    assert titles.split() == ["HASH", "STATE", "DONE", "SIZE", "DOWN", "UP", "RATIO", "PEERS", "LEFT", "NAME"]
    assert first.split() == ["00000000", "stopped", "0.0%", "1000", "B", "0.00", "0", "torrent", "1"]
    assert second.split()[2:7] == ["50.0%", "1000", "B", "100", "B/s"]
    assert second.endswith("5s  torrent 2")


def test_list_prints_what_the_daemon_said_as_json(command):
    status, out, _ = command("list", "--json", "--state", "downloading")
    assert status == 0
    assert [torrent["hash"] for torrent in json.loads(out)["torrents"]] == [info_hash(2).hex]


def test_foreign_names_do_nothing_to_the_terminal(rig, command):
    rig.session.show(status_of(3, name="\x1b[31mred\n", state="error", error_code="a.b", error_detail="\x07bell"))
    _, out, _ = command("list")
    lines = out.splitlines()
    assert len(lines) == 4 and all(line.isprintable() for line in lines)
    assert "red" in lines[3] and "bell" in lines[3]


def test_add_sends_the_file_with_its_options(rig, command, torrent, tmp_path):
    words = ("--to", str(tmp_path), "--label", "a", "--label", "b", "--peer", "127.0.0.1:5", "--priority", "3",
             "--group", "g", "--sequential", "--stopped")
    status, out, err = command("add", torrent, *words)
    metainfo = parse_torrent(tiny_torrent())
    assert (status, out, err) == (0, f"added tiny ({metainfo.info_hash.hex})\n", "")
    assert rig.session.commands == [AddTorrent(
        metainfo, raw=tiny_torrent(), download_dir=tmp_path, labels=("a", "b"), peers=(Endpoint("127.0.0.1", 5),),
        priority=3, group="g", is_sequential=True, start=False,
    )]
    assert command("add", torrent)[1].startswith("was there already: tiny")


def test_a_large_file_is_read_by_the_daemon(rig, command, torrent, monkeypatch):
    monkeypatch.setattr("blobtorrent.cli.commands.add.MAX_SENT_BYTES", 10)
    assert command("add", torrent)[0] == 0
    assert rig.session.commands[0].raw == tiny_torrent()


def test_add_refuses_what_is_no_torrent(rig, command, tmp_path):
    path = tmp_path / "a.torrent"
    path.write_text("no")
    status, out, err = command("add", str(path), "--json")
    assert (status, err.count("\n")) == (1, 1)
    assert json.loads(out)["error"]["code"].startswith("bencode.")
    assert rig.session.commands == []


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (["start", "torrent 1"], StartTorrent(info_hash(1)), "started torrent 1\n"),
        (["stop", info_hash(1).hex], StopTorrent(info_hash(1)), "stopped torrent 1\n"),
        (["remove", "torrent 1"], RemoveTorrent(info_hash(1), False), "removed torrent 1\n"),
        (["remove", "torrent 1", "--with-data"], RemoveTorrent(info_hash(1), True), "removed torrent 1\n"),
    ],
)
def test_a_torrent_is_steered_by_name_or_hash(rig, command, words, kind, said):
    assert command(*words) == (0, said, "")
    assert rig.session.commands == [kind]


def test_a_refusal_is_one_line_with_the_code_of_the_daemon(rig, command):
    rig.session.refuse_with = Conflict("torrent.running", "it runs already")
    status, out, err = command("start", "torrent 1", "--json")
    assert (status, err) == (1, "blobtorrent: it runs already (torrent.running)\n")
    assert json.loads(out) == {"error": {"code": "torrent.running", "message": "it runs already"}}


def test_over_tcp_the_token_opens_the_door(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with RestRig() as rig:
        url = f"http://{rig.server.addresses[0]}"
        assert main(["list", "--url", url]) == 1
        assert "rest.no-token" in capsys.readouterr().err
        assert main(["list", "--url", url, "--token-file", str(token)]) == 0
