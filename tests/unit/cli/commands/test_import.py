"""`blobtorrent import` as a person sees it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import bencodepy
import pytest

from blobtorrent.cli.main import main
from tests.support.peers.program import wait_until

CONTENT = b"x" * 1000


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """One torrent, whose name would clear the screen, and one that is damaged."""
    folder, name = tmp_path / "session", "evil\x9b2J"
    folder.mkdir()
    info = {"length": 1000, "name": name, "piece length": 16384, "pieces": hashlib.sha1(CONTENT).digest()}
    digits = hashlib.sha1(bencodepy.encode(info)).hexdigest().upper()
    (tmp_path / "evil_2J").write_bytes(CONTENT)
    os.utime(tmp_path / "evil_2J", (5, 5))
    for ending, value in (
        ("", {"info": info}), (".rtorrent", {"directory": "/old"}),
        (".libtorrent_resume", {"bitfield": 1, "files": [{"mtime": 5}]}),
    ):
        (folder / f"{digits}.torrent{ending}").write_bytes(bencodepy.encode(value))
    (folder / f"{'F' * 40}.torrent").write_bytes(b"\x1b[2J")
    return folder


def words(session: Path, *more: str) -> list[str]:
    return ["import", "rtorrent", str(session), "--state-dir", str(session.parent / "state"),
            "--map", f"/old={session.parent}", *more]


def test_it_tells_what_became_of_each_torrent(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(session)) == 1
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0].split() == ["NAME", "RESULT", "DONE", "TO", "CHECK", "NOTE"]
    assert lines[-1] == "1 imported, 0 there already, 1 refused"
    assert any(line.split() == ["evil_2J", "imported", "100.0%"] for line in lines)
    assert "\x1b" not in told.out and "\x9b" not in told.out
    assert told.err.count("\n") == 1 and "import.refused" in told.err


def test_json_has_the_error_of_each(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(session, "--json", "--dry-run", "--start")) == 1
    told = json.loads(capsys.readouterr().out)
    taken, refused = sorted(told["torrents"], key=lambda torrent: str(torrent["result"]))
    assert (taken["result"], taken["start"]) == ("imported", True)
    assert (taken["done_bytes"], taken["to_check_bytes"]) == (1000, 0)
    assert (refused["hash"], refused["error"]["code"]) == ("f" * 40, "bencode.bad-mark")
    assert told["dry_run"] and told["error"]["code"] == "import.refused"
    assert not (session.parent / "state").exists()


def test_an_empty_session_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "session").mkdir()
    assert main(words(tmp_path / "session")) == 0
    assert capsys.readouterr().out == "0 imported, 0 there already, 0 refused\n"


@pytest.mark.parametrize("mapping", ["x", "=/new", "/old=new"])
def test_a_mapping_must_name_two_folders(session: Path, mapping: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["import", "rtorrent", str(session), "--map", mapping])
    assert caught.value.code == 2


def test_two_places_to_import_to_are_refused(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(session, "--url", "unix:/nowhere")) == 1
    assert "import.two-targets" in capsys.readouterr().err


def test_no_session_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(tmp_path / "none")) == 1
    assert "import.no-folder" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_a_session_in_use_is_taken_only_by_force(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = session.parent / "rtorrent"
    program.symlink_to(shutil.which("sleep") or "")
    process = subprocess.Popen([program, "100"])
    try:
        # The name is there a moment later than the process.
        wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "rtorrent\n", 10.0, "its name")
        (session / "rtorrent.lock").write_text(f"{socket.gethostname()}:+{process.pid}\n")
        assert main(words(session)) == 1
        assert "import.rtorrent-runs" in capsys.readouterr().err
        assert not (session.parent / "state").exists()
        main(words(session, "--force"))
        assert "1 imported" in capsys.readouterr().out
    finally:
        process.kill()
        process.wait()
