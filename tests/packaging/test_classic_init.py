"""Files for systems without systemd, for the logs there, and for AppArmor: well formed, and what the daemon takes."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from blobtorrent.config.load import load
from blobtorrent.daemon.main import build_parser
from blobtorrent.daemon.pidfile import PID_FILE
from tests.support.tools import require_tool

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"
INIT = CONTRIB / "init" / "blobtorrentd"
OPENRC = CONTRIB / "openrc" / "blobtorrentd"
RUNIT = CONTRIB / "runit" / "blobtorrentd"
SCRIPTS = [INIT, OPENRC, RUNIT / "run", RUNIT / "finish", RUNIT / "log" / "run"]
SOURCED_ELSEWHERE = "SC1090,SC1091"    # what scripts read that is on other systems


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(CONTRIB)))
def test_a_script_is_good_shell(script: Path) -> None:
    checked = subprocess.run(
        [require_tool("shellcheck"), f"--exclude={SOURCED_ELSEWHERE}", script], capture_output=True, text=True,
        check=False, timeout=60)
    assert (checked.returncode, checked.stdout) == (0, "")
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("script", [INIT, OPENRC, RUNIT / "run"], ids=lambda path: path.parents[0].name)
def test_the_daemon_takes_the_words_and_settings_of_a_script(script: Path) -> None:
    text = script.read_text()
    variables = dict(re.findall(r"^([A-Z]+)=(\S*)$", text, re.MULTILINE))

    def expanded(value: str) -> str:
        while "$" in value:
            value = re.sub(r"\$(\w+)", lambda name: variables[name[1]], value)
        return value

    (command,) = re.findall(r"--config \S+ --state-dir \S+ --runtime-dir \"?[$/\w]+\"?", text)
    args = build_parser().parse_args([expanded(word) for word in shlex.split(command)])
    assert args.config == Path("/etc/blobtorrent/blobtorrent.toml")
    assert (args.state_dir, args.runtime_dir) == (Path("/var/lib/blobtorrent"), Path("/run/blobtorrent"))
    exported = re.findall(r"export (BLOBTORRENT_\w+)=\"\$\{\1:-([^}]+)\}\"", text)
    settings = load(environ={name: expanded(value) for name, value in exported})
    assert settings.rest.socket_group == "blobtorrent"
    if script is INIT:
        assert expanded(variables["PIDFILE"]) == f"{args.runtime_dir}/{PID_FILE}"


def test_logs_are_rotated_where_the_init_script_has_them(tmp_path: Path) -> None:
    """With accounts that are on this machine, and a folder of ours."""
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o755)
    (logs / "blobtorrentd.log").write_text("a line\n")
    account = f"{pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name}"
    text = (CONTRIB / "logrotate" / "blobtorrentd").read_text()
    assert f"{dict(re.findall('^([A-Z]+)=(.+)$', INIT.read_text(), re.MULTILINE))['LOGS']}/*.log {{" in text
    rules = tmp_path / "rules"
    rules.write_text(text.replace("/var/log/blobtorrent", str(logs)).replace("blobtorrent adm", account))
    rules.chmod(0o644)
    ran = subprocess.run(
        [require_tool("logrotate"), "--force", f"--state={tmp_path / 'status'}", rules], capture_output=True, text=True,
        check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (logs / "blobtorrentd.log.1").read_text() == "a line\n"
    assert (logs / "blobtorrentd.log").read_text() == ""


def test_apparmor_reads_the_profile() -> None:
    profile = CONTRIB / "apparmor" / "usr.bin.blobtorrentd"
    no_kernel = "--skip-kernel-load", "--skip-cache", "--skip-read-cache"
    for words in (["--names"], []):
        read = subprocess.run([require_tool("apparmor_parser"), *no_kernel, *words, profile], capture_output=True,
                              text=True, check=False, timeout=60)
        assert read.returncode == 0, read.stderr
        assert not words or read.stdout.split() == ["blobtorrentd"]
    for place in ("/var/lib/blobtorrent", "/run/blobtorrent", "/etc/blobtorrent", "/dev/shm/blobtorrent-"):
        assert place in profile.read_text()
