"""The units for systemd: what it says to them, what they take from the daemon, and that the two go together."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from blobtorrent.config.load import load
from blobtorrent.daemon.main import build_parser
from blobtorrent.daemon.serve import REST_SOCKETS
from blobtorrent.daemon.token import CREDENTIAL
from tests.support.tools import require_tool

SYSTEMD = Path(__file__).resolve().parents[2] / "contrib" / "systemd"
SYSTEM_UNITS = sorted((SYSTEMD / "system").iterdir())
SERVICES = [unit for unit in SYSTEM_UNITS if unit.suffix == ".service"]
ALL_SERVICES = [*SERVICES, SYSTEMD / "user" / "blobtorrentd.service"]
ALL_SOCKETS = [unit for unit in [*SYSTEM_UNITS, *(SYSTEMD / "user").iterdir()] if unit.suffix == ".socket"]
DROP_INS = sorted((SYSTEMD / "drop-ins").iterdir())
MAX_EXPOSURE = 13                      # tenths of what `systemd-analyze security` gives
NOTIFY_RELOAD_SINCE = 253              # the version of systemd
NOT_INSTALLED = "Command /usr/bin/blobtorrentd is not executable"


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def entries(unit: Path) -> list[tuple[str, str]]:
    """The assignments of a unit, in their order."""
    lines = (line.strip() for line in unit.read_text().splitlines())
    return [(key, value) for key, equals, value in (line.partition("=") for line in lines)
            if equals and not key.startswith("#")]


def values(unit: Path, key: str) -> list[str]:
    return [value for name, value in entries(unit) if name == key]


def complaints(scratch: Path, *units: Path, is_user: bool = False) -> list[str]:
    """What systemd finds in units besides that nothing of it is installed here."""
    ran = subprocess.run(
        [require_tool("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no",
         *(["--user"] if is_user else []), *units],
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "XDG_RUNTIME_DIR": str(scratch)},
    )
    return [line for line in ran.stderr.splitlines() if NOT_INSTALLED not in line]


@pytest.mark.parametrize("folder", ["system", "user"])
def test_systemd_finds_nothing_wrong_with_the_units(folder: str, tmp_path: Path) -> None:
    assert complaints(tmp_path, *sorted((SYSTEMD / folder).iterdir()), is_user=folder == "user") == []


@pytest.mark.parametrize("unit", SERVICES, ids=name_of)
def test_the_sandbox_leaves_little_to_attack(unit: Path) -> None:
    judged = subprocess.run(
        [require_tool("systemd-analyze"), "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", unit],
        capture_output=True, text=True, check=False, timeout=60,
    )
    assert judged.returncode == 0, judged.stdout
    assert "Overall exposure level" in judged.stdout


@pytest.mark.parametrize("drop_in", DROP_INS, ids=lambda path: path.name)
def test_an_example_of_a_drop_in_is_taken(drop_in: Path, tmp_path: Path) -> None:
    for unit in SYSTEM_UNITS:
        shutil.copy(unit, tmp_path)
    folder = tmp_path / "blobtorrentd.service.d"
    folder.mkdir()
    shutil.copy(drop_in, folder)
    found = complaints(tmp_path, tmp_path / "blobtorrentd.service")
    if drop_in.name == "notify-reload.conf" and version_of_systemd() < NOTIFY_RELOAD_SINCE:
        assert len(found) == 1 and "notify-reload" in found[0]
    else:
        assert found == []
    (folder / drop_in.name).write_text(drop_in.read_text() + "\n[Service]\nNoSuchKey=1\n")
    found = complaints(tmp_path, tmp_path / "blobtorrentd.service")
    assert any("NoSuchKey" in line for line in found), "it was not looked at"


@pytest.mark.parametrize("unit", ALL_SERVICES, ids=name_of)
def test_the_daemon_takes_the_words_and_settings_of_its_unit(unit: Path) -> None:
    (command,) = values(unit, "ExecStart")
    program, *words = shlex.split(command)
    assert program == "/usr/bin/blobtorrentd"
    build_parser().parse_args(words)
    environ = dict(word.split("=", 1) for value in values(unit, "Environment") for word in shlex.split(value))
    settings = load(environ=environ)
    if unit in SERVICES:
        assert settings.rest.socket_group == values(unit, "Group")[0], "else members of the group need a token"
        assert [value.split(":")[0] for value in values(unit, "LoadCredential")] == [CREDENTIAL]


@pytest.mark.parametrize("unit", ALL_SERVICES, ids=name_of)
def test_bad_settings_and_wrong_words_are_not_tried_again(unit: Path) -> None:
    assert values(unit, "RestartPreventExitStatus") == ["2 78"]


@pytest.mark.parametrize("unit", ALL_SOCKETS, ids=name_of)
def test_a_socket_is_where_the_daemon_would_have_made_it(unit: Path) -> None:
    """Else it would open one more beside it."""
    (place,), (name,) = values(unit, "ListenStream"), values(unit, "FileDescriptorName")
    assert name in (REST_SOCKETS, "rpc")
    assert Path(place).name == f"{name}.sock"
    if unit.parent.name == "system":
        service = unit.with_name(re.sub(r"(-rpc)?(@?)\.socket$", r"\2.service", unit.name))
        (command,) = values(service, "ExecStart")
        assert build_parser().parse_args(shlex.split(command)[1:]).runtime_dir == Path(place).parent
        assert values(unit, "SocketGroup") == values(service, "Group")


@pytest.mark.parametrize("kind", [".service", ".socket", "-rpc.socket"])
def test_an_instance_differs_from_the_one_daemon_in_its_places_only(kind: str) -> None:
    single = (SYSTEMD / "system" / f"blobtorrentd{kind}").read_text()
    instance = (SYSTEMD / "system" / f"blobtorrentd{kind.replace('.', '@.')}").read_text()
    for of_instance, of_single in (
        (", instance %i", ""),
        (" HOME=/var/lib/blobtorrent-instances/%i", ""),
        (":blobtorrent-%i.admin-token", ""),
        ("/etc/blobtorrent/instances/%i.toml", "/etc/blobtorrent/blobtorrent.toml"),
        ("blobtorrent-instances/%i", "blobtorrent"),
        ("@%i.", "."),
    ):
        instance = instance.replace(of_instance, of_single)
    assert instance == single


def test_the_account_and_the_folders_are_made(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    sysusers, tmpfiles = require_tool("systemd-sysusers"), require_tool("systemd-tmpfiles")
    subprocess.run([sysusers, f"--root={root}", SYSTEMD / "sysusers.d" / "blobtorrent.conf"], check=True, timeout=60)
    accounts = [line.split(":") for line in (root / "etc" / "passwd").read_text().splitlines()]
    ((_, _, uid, gid, _, home, shell),) = [account for account in accounts if account[0] == "blobtorrent"]
    assert (home, shell) == ("/var/lib/blobtorrent", "/usr/sbin/nologin")
    if os.geteuid() != 0:
        pytest.skip("only root can give folders away")
    subprocess.run(
        [tmpfiles, "--create", f"--root={root}", SYSTEMD / "tmpfiles.d" / "blobtorrent.conf"], check=True, timeout=60)
    made = {str(path.relative_to(root)): path.stat() for path in root.rglob("*") if "blobtorrent" in path.name}
    assert {name: (oct(its.st_mode & 0o7777), str(its.st_uid), str(its.st_gid)) for name, its in made.items()} == {
        "run/blobtorrent": ("0o750", uid, gid),
        "run/blobtorrent-instances": ("0o755", "0", "0"),
        "var/lib/blobtorrent": ("0o750", uid, gid),
    }


def version_of_systemd() -> int:
    shown = subprocess.run([require_tool("systemd-analyze"), "--version"], capture_output=True, text=True, check=True)
    return int(shown.stdout.split()[1])
