"""A server as README has it set up, on a machine that systemd has booted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import PROJECT, Machine, booted

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]

UNIT = "blobtorrentd.service"
TOKEN = "a-token-from-the-credential-store"
BEGIN, END = "<!-- server:", "<!-- end -->"


def commands_of_readme() -> list[str]:
    text = (PROJECT / "README.md").read_text().partition(BEGIN)[2].partition(END)[0]
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


@pytest.fixture(scope="module")
def server(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with booted(tmp_path_factory.mktemp("server"), layers=[installed]) as running:
        running.run("useradd", "--create-home", "alice")
        commands = commands_of_readme()
        assert len(commands) > 5
        for command in commands:
            running.run("sh", "-c", command)
        yield running


def test_who_was_made_a_member_has_torrents_downloaded_to_the_new_folder(server: Machine) -> None:
    server.run("runuser", "-u", "blobtorrent", "--", "sh", "-c", "seq 1000000 >/srv/torrents/numbers")
    server.run("runuser", "-u", "alice", "--", "blobtorrent", "create", "/srv/torrents/numbers", "-o",
               "/home/alice/numbers.torrent")
    server.run("runuser", "-u", "alice", "--", "blobtorrent", "add", "/home/alice/numbers.torrent", "--wait",
               "--timeout", "60")
    assert "100.0%" in server.run("runuser", "-u", "alice", "--", "blobtorrent", "list")
    assert server.run("stat", "--format=%U:%G %a", "/srv/torrents").strip() == "blobtorrent:blobtorrent 2750"


def test_nothing_else_can_be_written_to(server: Machine) -> None:
    server.run("install", "-d", "-m", "0777", "/srv/other")
    its_view = "nsenter", "--mount", "--target", server.property(UNIT, "MainPID")
    server.run(*its_view, "touch", "/srv/torrents/file", "/var/lib/blobtorrent/file", "/run/blobtorrent/file")
    for folder in ("/srv/other", "/var/lib", "/var/log", "/etc", "/usr"):
        refused = server.try_(*its_view, "touch", f"{folder}/file")
        assert "Read-only file system" in refused.stderr, folder
    assert "alice" not in server.run(*its_view, "ls", "/home")


def test_the_token_of_the_credential_store_is_the_one_that_opens(server: Machine) -> None:
    store = server.path("/etc/credstore")
    store.mkdir(mode=0o700, exist_ok=True)
    (store / "blobtorrent.admin-token").write_text(f"{TOKEN}\n")
    server.run("systemctl", "restart", UNIT)
    for token, status in ((TOKEN, 0), ("another-that-is-long-enough", 1)):
        server.path("/tmp/token").write_text(token)
        asked = server.try_("blobtorrent", "list", "--url", "http://127.0.0.1:7070", "--token-file", "/tmp/token")
        assert asked.returncode == status, asked.stderr
    (store / "blobtorrent.admin-token").unlink()


def test_what_a_killed_daemon_had_in_memory_is_there_for_the_next(server: Machine) -> None:
    server.run("systemctl", "restart", UNIT)
    server.wait_until("sh", "-c", "blobtorrent list --json | grep -q seeding")         # it has something in memory
    before = server.property(UNIT, "MainPID")
    server.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", UNIT)
    is_another = f"systemctl show -P MainPID {UNIT} | grep -vxE '0|{before}' && systemctl is-active {UNIT}"
    server.wait_until("sh", "-c", is_another)
    assert "a killed process left" in server.run("journalctl", "--no-pager", "--unit", UNIT, "--lines", "30")


def test_a_user_runs_a_daemon_of_his_own(server: Machine) -> None:
    number = server.run("id", "--user", "alice").strip()
    session = server.path("/run/systemd/system/user@.service.d/session.conf")      # what a login would have set
    session.parent.mkdir()
    session.write_text("[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n")
    server.run("systemctl", "daemon-reload")
    server.run("systemctl", "start", f"user@{number}.service")
    own = "runuser", "-u", "alice", "--", "env", f"XDG_RUNTIME_DIR=/run/user/{number}", "HOME=/home/alice"
    server.path("/home/alice/.config/blobtorrent").mkdir(parents=True)
    server.path("/home/alice/.config/blobtorrent/blobtorrent.toml").write_text(
        'network.listen = ["127.0.0.1:7003"]\nrest.listen = ["unix:rest.sock"]\ndht.enabled = false\n')
    server.run("chown", "-R", "alice:", "/home/alice/.config")
    server.run(*own, "systemctl", "--user", "start", "blobtorrentd")
    server.run(*own, "sh", "-c", "seq 1000 >/home/alice/mine")
    server.run(*own, "blobtorrent", "create", "/home/alice/mine", "-o", "/home/alice/mine.torrent")
    server.run(*own, "blobtorrent", "add", "/home/alice/mine.torrent", "--to", "/home/alice", "--wait", "--timeout",
               "60")
    pid = server.run(*own, "systemctl", "--user", "show", "--property", "MainPID", "--value", "blobtorrentd").strip()
    status = server.path(f"/proc/{pid}/status").read_text()
    assert f"Uid:\t{number}\t" in status and "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
    server.run(*own, "systemctl", "--user", "reload", "blobtorrentd")
    server.run(*own, "systemctl", "--user", "stop", "blobtorrentd.socket", "blobtorrentd")
