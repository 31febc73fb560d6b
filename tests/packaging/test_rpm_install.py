"""The rpm package as dnf installs it, on a machine that systemd has booted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blobtorrent import __version__
from tests.support.machine import PROJECT, Machine, booted, machine
from tests.support.rpms import Rpms, describe_system, dnf, offer
from tests.support.serving import HOME, UNIT, exchange_between_instances

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]

PRIVATE = "/usr/share/blobtorrent"
FILES = ("/bin/sh", "/usr/bin/python3", "/usr/bin/systemd-sysusers")


@pytest.fixture(scope="module")
def computer(rpm_installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with booted(tmp_path_factory.mktemp("machine"), layers=[rpm_installed]) as running:
        yield running


@pytest.mark.parametrize(("version", "provides", "lacks"), [
    ("3.11.2", FILES, "python3dist(cryptography)"),
    ("3.9.2", ("python3dist(cryptography)", *FILES), "python3 >= 3.10"),
    ("3.11.2", ("python3dist(cryptography)", *FILES[:2]), "/usr/bin/systemd-sysusers"),
])
def test_dnf_refuses_a_system_that_lacks_what_it_needs(
    rpms: Rpms, tmp_path: Path, version: str, provides: tuple[str, ...], lacks: str
) -> None:
    with machine(tmp_path / "machine") as bare:
        offer(bare, tmp_path / "repository", [rpms.binary, describe_system(tmp_path / "system", version, provides)])
        refused = bare.try_(*dnf("install", "blobtorrent"))
        assert refused.returncode == 1
        told = [line for line in refused.stderr.splitlines() if "nothing provides" in line]
        assert told and all(lacks in line for line in told), refused.stderr


def test_a_python_before_3_11_is_enough_with_tomli(rpms: Rpms, tmp_path: Path) -> None:
    provides = ("python3dist(cryptography)", *FILES)
    with machine(tmp_path / "machine") as bare:
        offer(bare, tmp_path / "without", [rpms.binary, describe_system(tmp_path / "system", "3.10.2", provides)])
        refused = bare.try_(*dnf("install", "blobtorrent"))
        assert refused.returncode == 1 and "python3dist(tomli)" in refused.stderr
        better = describe_system(tmp_path / "better", "3.10.2", (*provides, "python3dist(tomli)"))
        offer(bare, tmp_path / "with", [rpms.binary, better])
        bare.run(*dnf("install", "blobtorrent"))


def test_everything_is_as_the_package_has_it(computer: Machine) -> None:
    assert computer.run("rpm", "--verify", "blobtorrent") == ""
    assert computer.run("rpm", "--query", "blobtorrent") == f"blobtorrent-{__version__}-1.noarch\n"


def test_its_scripts_made_the_account_and_the_folders(computer: Machine) -> None:
    _, _, uid, gid, _, home, shell = computer.run("getent", "passwd", "blobtorrent").strip().split(":")
    assert (home, shell) == (HOME, "/usr/sbin/nologin")
    assert computer.run("stat", "--format=%u:%g %a", HOME, "/run/blobtorrent").split("\n")[:2] == [
        f"{uid}:{gid} 750"] * 2


def test_every_module_was_compiled_for_the_python_there_is(computer: Machine) -> None:
    tag = computer.run("python3", "-c", "import sys; print(sys.implementation.cache_tag)").strip()
    for kind in ("blobtorrent", "bencodepy"):
        sources = computer.run("find", f"{PRIVATE}/{kind}", "-name", "*.py").splitlines()
        compiled = computer.run("find", f"{PRIVATE}/{kind}", "-name", f"*.{tag}.pyc").splitlines()
        assert len(compiled) == len(sources) > 0
    assert len(computer.run("find", f"{PRIVATE}/blobtorrent", "-name", "*.py").splitlines()) == len(
        list((PROJECT / "blobtorrent").rglob("*.py")))


def test_its_programs_import_nothing_from_where_they_are_run(computer: Machine) -> None:
    elsewhere = computer.path("/tmp/elsewhere")
    (elsewhere / "blobtorrent").mkdir(parents=True)
    for name in ("blobtorrent/__init__.py", "json.py", "bencode.py"):
        (elsewhere / name).write_text("raise SystemExit('imported')\n")
    for program in ("blobtorrent", "blobtorrentd"):
        said = computer.run("sh", "-c", f"cd /tmp/elsewhere && PYTHONPATH=. {program} --version")
        assert __version__ in said


def test_the_service_runs_as_its_account_and_answers(computer: Machine) -> None:
    computer.run("systemctl", "enable", "--now", UNIT)
    assert computer.property(UNIT, "ActiveState") == "active"
    status = computer.path(f"/proc/{computer.property(UNIT, 'MainPID')}/status").read_text()
    account = computer.run("id", "--user", "blobtorrent").strip()
    assert f"Uid:\t{account}\t" in status and "NoNewPrivs:\t1" in status
    assert "HASH" in computer.run("blobtorrent", "list")
    assert computer.run("systemctl", "is-system-running").strip() == "running"


def test_two_instances_exchange_a_torrent(computer: Machine) -> None:
    exchange_between_instances(computer)


def test_completions_and_pages_are_where_programs_look(computer: Machine) -> None:
    completions = "/usr/share/bash-completion/completions/blobtorrent"
    said = computer.run("bash", "-c", f"source {completions} && complete -p blobtorrent")
    assert said.endswith(" blobtorrent\n")
    page = computer.run("sh", "-c", "zcat /usr/share/man/man8/blobtorrentd.8.gz")
    assert page == (PROJECT / "man/blobtorrentd.8").read_text()
