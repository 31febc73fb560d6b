"""The commands as people type them, with a real daemon at the other end."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.cli.commands.tls import CERTIFICATE_FILE, KEY_FILE
from blobtorrent.protocol.metafile import parse_torrent
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import PROJECT, BlobTorrentGet, command_line, environment, run
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.tools import require_tool

TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    files = [("show/e01.bin", 2 * MIB + 1), ("show/e02.bin", MIB), ("show/notes.nfo", 100)]
    return make_sample(tmp_path_factory.mktemp("sample"), "season", files, 64 * KIB)


@pytest.fixture
def daemon(tmp_path: Path, sample: Sample) -> Iterator[Daemon]:
    """It has the content of the sample, and was told nothing yet."""
    with Daemon(tmp_path / "daemon") as running:
        shutil.copytree(sample.folder / "season", running.downloads / "season")
        yield running


def where(daemon: Daemon) -> tuple[str, str]:
    return "--url", f"unix:{daemon.runtime / 'rest.sock'}"


def said(daemon: Daemon, *words: str) -> str:
    """What a command that succeeds prints."""
    done = run(*words, *where(daemon))
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def told(daemon: Daemon, *words: str) -> Any:
    return json.loads(said(daemon, *words, "--json"))


def add(daemon: Daemon, sample: Sample, *words: str) -> None:
    said(daemon, "add", str(sample.torrent), "--wait", "--timeout", str(TIMEOUT_S), *words)


def test_a_torrent_is_steered_through_its_whole_life(daemon: Daemon, sample: Sample, tmp_path: Path) -> None:
    add(daemon, sample, "--label", "tv", "--ratio", "9", "--down", "5 MiB/s")
    assert said(daemon, "pause", "season") == "paused season\n"
    (listed,) = told(daemon, "list", "--held-by", "pause")["torrents"]
    assert (listed["name"], listed["down_limit_bytes_per_s"], listed["seeding"]["ratio"]) == ("season", 5 * MIB, 9)
    said(daemon, "start", "season")
    assert said(daemon, "label", "season", "--add", "hd", "--remove", "tv") == "season: hd\n"
    assert "default" in said(daemon, "limits", "season", "--default-goals")
    said(daemon, "rename", "season", "season/show/e01.bin", "season/show/pilot.bin")
    said(daemon, "files", "season", "--skip", "*.nfo", "--high", "0")
    files = told(daemon, "files", "season")["files"]
    assert [(file["path"][-1], file["priority"]) for file in files] == [
        ("pilot.bin", 2), ("e02.bin", 1), ("notes.nfo", 0)]
    assert "season: seeding, 100.0%" in said(daemon, "recheck", "season", "--wait")
    target = tmp_path / "elsewhere"
    assert "season: seeding" in said(daemon, "move", "season", str(target), "--wait")
    assert (target / "season/show/pilot.bin").stat().st_size == 2 * MIB + 1
    said(daemon, "announce", "season")
    assert said(daemon, "show", "season").count("seeding") >= 1
    said(daemon, "remove", "season", "--with-data")
    wait_until(lambda: not (target / "season").exists(), TIMEOUT_S, "the files to go")


def test_many_torrents_are_steered_from_stdin(daemon: Daemon, tmp_path: Path) -> None:
    samples = [make_sample(tmp_path / f"s{number}", f"file{number}", 1000 + number) for number in range(5)]
    said(daemon, "add", *(str(sample.torrent) for sample in samples), "--stopped")
    hashes = said(daemon, "list", "--hashes", "--sort", "name")
    assert hashes.split() == [sample.info_hash.hex() for sample in samples]
    done = subprocess.run(
        command_line("start", "-", "0" * 40, *where(daemon)), input=hashes, text=True, capture_output=True,
        env={**os.environ, **environment()}, check=False)
    assert (done.returncode, done.stdout.count("started file")) == (1, 5)
    assert done.stderr.startswith("blobtorrent: 1 of 6 torrents refused: 00000000: no torrent")
    assert said(daemon, "remove", *hashes.split()).count("removed") == 5


def test_a_download_is_waited_for(tmp_path: Path, sample: Sample) -> None:
    seed = BlobTorrentGet(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash))
    with seed, Daemon(tmp_path / "daemon") as daemon:
        out = said(daemon, "add", str(sample.torrent), "--peer", seed.endpoint, "--wait", "--timeout", "60")
        assert out.endswith("season: seeding, 100.0% of 3.0 MiB\n")
        assert sample.differences(daemon.downloads) == []
        assert told(daemon, "stats")["this_run"]["torrents_finished"] == 1


def test_waiting_for_what_does_not_come_has_a_status_of_its_own(tmp_path: Path, sample: Sample) -> None:
    with Daemon(tmp_path / "daemon") as daemon:
        done = run("add", sample.torrent, "--wait", "--timeout", "0.5", *where(daemon))
        assert (done.returncode, done.stderr.count("\n")) == (3, 1)
        explanation = told(daemon, "why", "season")
        assert explanation["causes"] and all(cause["advice"] for cause in explanation["causes"])
        assert said(daemon, "why", "season").startswith(explanation["summary"])


def test_trackers_are_asked_for_and_shown(daemon: Daemon, sample: Sample) -> None:
    add(daemon, sample)
    shown = told(daemon, "trackers", "season", "--set", "http://127.0.0.1:1/announce")["trackers"]
    assert [tracker["url"] for tracker in shown] == ["http://127.0.0.1:1/announce"]
    wait_until(lambda: "backoff" in said(daemon, "trackers", "season"), TIMEOUT_S, "the tracker to fail")
    assert told(daemon, "trackers", "season", "--reset") == {"trackers": []}


def test_settings_of_the_running_daemon_are_changed_and_reset(daemon: Daemon, tmp_path: Path) -> None:
    assert said(daemon, "settings", "limits.up_bytes_per_s=3 MiB/s") == "changed limits.up_bytes_per_s\n"
    assert "3 MiB/s" in said(daemon, "limits")
    said(daemon, "limits", "--of-group", "tv", "--down", "1M")
    assert told(daemon, "settings", "groups") == {
        "groups.tv.down_bytes_per_s": MIB, "groups.tv.up_bytes_per_s": 0, "groups.tv.weight": 1}
    said(daemon, "watch", "--add", str(tmp_path), "--label", "dropped")
    assert str(tmp_path) in said(daemon, "watch")
    said(daemon, "watch", "--remove", str(tmp_path))
    assert said(daemon, "settings", "--reset", "limits.up_bytes_per_s") == "changed limits.up_bytes_per_s\n"
    bad = run("settings", "limits.up_bytes_per_s=fast", *where(daemon))
    assert (bad.returncode, bad.stderr.count("\n")) == (1, 1)


def test_a_daemon_is_made_like_another(daemon: Daemon, sample: Sample, tmp_path: Path) -> None:
    add(daemon, sample, "--label", "fleet", "--up", "1 MiB/s", "--ratio", "2")
    said(daemon, "files", "season", "--skip", "*.nfo")
    said(daemon, "trackers", "season", "--add", "http://127.0.0.1:1/announce")
    said(daemon, "export", str(tmp_path / "export"))
    wanted = str(tmp_path / "export/torrents.toml")
    assert said(daemon, "apply", wanted) == "0 added, 0 changed, 0 removed, 1 unchanged\n"
    with Daemon(tmp_path / "other") as other:
        other_sample = make_sample(tmp_path / "more", "more.bin", 1000)
        said(other, "add", str(other_sample.torrent), "--stopped")
        dry = told(other, "apply", wanted, "--prune", "--dry-run")
        assert [len(dry[name]) for name in ("added", "changed", "removed")] == [1, 0, 1]
        assert said(other, "apply", wanted, "--prune").splitlines()[-1] == "1 added, 0 changed, 1 removed, 0 unchanged"
        (made,) = told(other, "list")["torrents"]
        (origin,) = told(daemon, "list")["torrents"]
        same = ("hash", "labels", "up_limit_bytes_per_s", "seeding", "download_dir", "started")
        assert [made[name] for name in same] == [origin[name] for name in same]
        assert said(other, "apply", wanted, "--prune") == "0 added, 0 changed, 0 removed, 1 unchanged\n"
        assert [tracker["url"] for tracker in told(other, "trackers", "season")["trackers"]] == [
            "http://127.0.0.1:1/announce"]
        said(other, "limits", "season", "--up", "0")
        assert said(other, "apply", wanted).startswith("~ season: up_limit_bytes_per_s\n")


def _heed_interrupts() -> None:
    """As from a terminal: what a script starts in the background ignores them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_events_go_on_over_a_restart_of_the_daemon(tmp_path: Path, sample: Sample) -> None:
    folder = tmp_path / "daemon"
    out = tmp_path / "events"
    with Daemon(folder) as first:
        with out.open("wb") as file:
            follower = subprocess.Popen(
                command_line("events", "--json", *where(first)), stdout=file, env={**os.environ, **environment()},
                preexec_fn=_heed_interrupts)
        try:
            # It is told nothing of what was before it came: so long as it has said nothing, something more happens.
            def provoke() -> bool:
                said(first, "add", str(sample.torrent), "--stopped")
                said(first, "remove", "season")
                heard = out.read_bytes()  # perhaps of the removal only: it may have come between the two
                return b"torrent-added" in heard and b"torrent-removed" in heard

            wait_until(provoke, TIMEOUT_S, "the first events")
            first.send_signal(signal.SIGTERM)
            first.wait(TIMEOUT_S)
            with Daemon(folder) as second:
                said(second, "add", str(sample.torrent), "--stopped")
                wait_until(lambda: b'"gap"' in out.read_bytes(), TIMEOUT_S, "the gap")
                said(second, "remove", "season")
                wait_until(lambda: out.read_bytes().rpartition(b'"gap"')[2].count(b"torrent-removed") == 1, TIMEOUT_S,
                           "the events of the second daemon")
        finally:
            follower.send_signal(signal.SIGINT)
            assert follower.wait(TIMEOUT_S) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert {"torrent-added", "torrent-removed", "gap"} <= {line.get("type") for line in lines}


def test_the_daemon_makes_torrents_and_gives_them_back(daemon: Daemon, sample: Sample, tmp_path: Path) -> None:
    output = tmp_path / "made.torrent"
    said(daemon, "create", str(daemon.downloads / "season"), "-o", str(output), "--remote", "--piece-size", "64 KiB")
    made, original = parse_torrent(output.read_bytes()), parse_torrent(sample.torrent.read_bytes())
    assert made.piece_hashes_v1 == original.piece_hashes_v1
    failed = run("create", "/nonexistent", "-o", output, "--remote", *where(daemon))
    assert failed.returncode == 1
    assert failed.stderr == "blobtorrent: /nonexistent: no such file or folder (create.no-source)\n"


def test_draining_ends_the_daemon_in_order(daemon: Daemon, sample: Sample) -> None:
    add(daemon, sample)
    assert said(daemon, "drain", "--wait", "--timeout", str(TIMEOUT_S)) == (
        f"the daemon has ended\n{sample.num_pieces} pieces are nowhere else\n")
    assert daemon.wait(TIMEOUT_S) == 0


def test_a_magnet_link_and_edits_need_no_daemon(sample: Sample, tmp_path: Path) -> None:
    edited = subprocess.run(
        command_line("edit", "-", "--tracker", "http://127.0.0.1:1/announce", "--comment", "ü"),
        input=sample.torrent.read_bytes(), capture_output=True, env={**os.environ, **environment()}, check=True).stdout
    link = subprocess.run(
        command_line("magnet", "-"), input=edited, capture_output=True, env={**os.environ, **environment()}, check=True)
    assert link.stdout.decode() == (
        f"magnet:?xt=urn:btih:{sample.info_hash.hex()}&dn=season&xl={sample.size_bytes}"
        "&tr=http%3A%2F%2F127.0.0.1%3A1%2Fannounce\n")


def on_terminal(columns: int, *words: str, **environ: str) -> str:
    """What a command prints on a terminal of this width."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        command_line(*words), stdout=other, stderr=other, stdin=subprocess.DEVNULL,
        env={**os.environ, **environment(), "TERM": "xterm", **environ})
    os.close(other)
    output = b""
    try:
        while chunk := os.read(main, 1 << 16):
            output += chunk
    except OSError:                    # EIO: nobody has the other end any more
        pass
    finally:
        os.close(main)
    assert process.wait(TIMEOUT_S) == 0
    return output.decode().replace("\r\n", "\n")


def test_a_table_fits_the_terminal_and_has_colours_there(daemon: Daemon, sample: Sample) -> None:
    add(daemon, sample)
    wide = on_terminal(120, "list", *where(daemon), NO_COLOR="")
    assert "\x1b[32mseeding\x1b[0m" in wide and "RATIO" in wide
    narrow = on_terminal(40, "list", *where(daemon), NO_COLOR="1")
    assert "\x1b" not in narrow and "RATIO" not in narrow
    assert all(len(line) <= 40 for line in narrow.splitlines()) and "season" in narrow


def test_long_work_draws_a_bar_on_the_terminal_only(tmp_path: Path) -> None:
    sample = make_sample(tmp_path, "big.bin", 32 * MIB, 64 * KIB)
    drawn = on_terminal(100, "verify", str(sample.torrent), str(sample.folder))
    assert re.search(r"\d+\.\d%", drawn) and drawn.endswith("big.bin: 512 pieces good, 0 bad, 0 missing\n")
    assert run("verify", sample.torrent, sample.folder).stderr == ""


def test_bash_completes_the_torrents_of_a_running_daemon(daemon: Daemon, sample: Sample, tmp_path: Path) -> None:
    add(daemon, sample)
    (tmp_path / "script").write_text(run("completion", "bash").stdout)
    program = tmp_path / "blobtorrent"
    program.write_text(f'#!/bin/sh\nexec {" ".join(command_line())} "$@"\n')
    program.chmod(0o755)
    words = ("blobtorrent", "start", *where(daemon), sample.info_hash.hex()[:3])
    offered = subprocess.run(
        [require_tool("bash"), "--norc", "-c", 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _blobtorrent; '
         'printf "%s\\n" "${COMPREPLY[@]}"', str(tmp_path / "script"), *words],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True,
        check=True)
    assert offered.stdout.split() == [sample.info_hash.hex()[:8]]


def test_over_https_the_certificate_is_checked(tmp_path: Path) -> None:
    made = run("tls", "self-signed", "--host", "127.0.0.1", "-o", tmp_path)
    assert made.returncode == 0, made.stderr
    certificate, key = tmp_path / CERTIFICATE_FILE, tmp_path / KEY_FILE
    words = ("--set", "rest.listen=['https:127.0.0.1:0', 'unix:rest.sock']", "--set",
             f"rest.tls_certificate='{certificate}'", "--set", f"rest.tls_key='{key}'")
    with Daemon(tmp_path / "daemon", *words) as daemon:
        found = re.search(r"REST listens address=\S*?(127\.0\.0\.1:\d+)", daemon.output())
        assert found is not None
        url, token = f"https://{found[1]}", daemon.state / "admin.token"
        good = run("list", "--url", url, "--token-file", token, "--ca-file", certificate)
        assert (good.returncode, good.stderr) == (0, "")
        bad = run("list", "--url", url, "--token-file", token)
        assert bad.returncode == 1 and "certificate" in bad.stderr
