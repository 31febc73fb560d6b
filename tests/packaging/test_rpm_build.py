"""The rpm packages as files: the same at every build, complete in both modes, without a complaint of rpmlint."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from blobtorrent import __version__
from tests.support.machine import PROJECT
from tests.support.release import Release
from tests.support.rpms import SPEC, Rpms, build_rpms, query
from tests.support.tools import require_tool

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]

PRIVATE = "/usr/share/blobtorrent/"
SITE = "/usr/lib/python3/dist-packages/"       # of the macros that stand for those of a distribution
MANIFEST = Path(__file__).with_name("rpm-files")
MACROS = Path(__file__).with_name("rpm-pyproject-macros")
HIDDEN = PROJECT / "contrib/rpm/rpmlintrc.toml"
SCRIPTS = ("prein", "postin", "preun", "postun")


@pytest.fixture(scope="module")
def pyproject(tmp_path_factory: pytest.TempPathFactory) -> Rpms:
    """As built where there are macros for Python."""
    return build_rpms(tmp_path_factory.mktemp("pyproject"), options=["--load", MACROS])


def files_of(package: Path) -> dict[str, str]:
    """Mode and owner of everything, by absolute name."""
    listing = query(package, "--queryformat", "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME}\n]")
    return dict(line.split(" ", 1) for line in listing.splitlines())


def names_of(package: Path) -> set[str]:
    """Absolute names of all files, without the folders."""
    return {name for name, mode in files_of(package).items() if not mode.startswith("d")}


def modules() -> set[str]:
    return {str(path.relative_to(PROJECT)) for path in PROJECT.glob("blobtorrent/**/*.py")} | {"blobtorrent/py.typed"}


def test_a_build_elsewhere_is_the_same_to_the_bit(rpms: Rpms, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = build_rpms(tmp_path / "again",
                       environ={"TMPDIR": str(elsewhere), "TZ": "Pacific/Auckland", "LC_ALL": "C"})
    assert again.binary.read_bytes() == rpms.binary.read_bytes()
    assert again.source.read_bytes() == rpms.source.read_bytes()


def test_the_source_archive_gives_the_same_package(rpms: Rpms, release: Release, tmp_path: Path) -> None:
    again = build_rpms(tmp_path / "again", release.unpack(tmp_path))
    assert again.binary.read_bytes() == rpms.binary.read_bytes()


def test_the_source_package_builds_the_package(rpms: Rpms, tmp_path: Path) -> None:
    unpacked = [line.split()[-1] for line in query(rpms.source, "--list").splitlines()]
    assert sorted(unpacked) == ["bencode_py-4.1.0.tar.gz", f"blobtorrent-{__version__}.tar.gz", "blobtorrent.spec",
                                "blobtorrent.sysusers"]
    built = subprocess.run(
        [require_tool("rpmbuild"), "--define", f"_topdir {tmp_path}", "--load", SPEC.with_name("macros"), "--nodeps",
         "--rebuild", rpms.source], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, capture_output=True, text=True,
        check=False)
    assert built.returncode == 0, built.stderr
    (package,) = tmp_path.glob("RPMS/noarch/*.rpm")
    assert files_of(package) == files_of(rpms.binary)


def test_the_package_has_the_files_of_the_manifest_and_every_module(rpms: Rpms) -> None:
    names = names_of(rpms.binary)
    private = {name.removeprefix(PRIVATE) for name in names if name.startswith(PRIVATE)}
    assert {name for name in private if not name.startswith("bencode")} == modules()
    assert {"bencode/__init__.py", "bencodepy/__init__.py"} <= private
    others = [name for name in sorted(names) if not name.startswith(PRIVATE)]
    assert others == MANIFEST.read_text().splitlines(), "what is in the package has changed: is that meant?"


def test_only_programs_and_hooks_can_be_executed_and_all_is_roots(rpms: Rpms) -> None:
    files = files_of(rpms.binary)
    assert {mode.split()[1] for mode in files.values()} == {"root:root"}
    executable = {name for name, mode in files.items() if mode.startswith("-") and "x" in mode}
    assert {name for name in executable if "/examples/hooks/" not in name} == {
        "/usr/bin/blobtorrent", "/usr/bin/blobtorrentd"}


def test_with_the_macros_of_a_distribution_the_modules_are_its_pythons(rpms: Rpms, pyproject: Rpms) -> None:
    names = names_of(pyproject.binary)
    site = {name.removeprefix(SITE) for name in names if name.startswith(SITE)}
    assert {name for name in site if ".dist-info/" not in name} == modules()
    assert not any(name.startswith(PRIVATE) for name in names)
    others = {name for name in names if not name.startswith(SITE)}
    assert others == {name for name in MANIFEST.read_text().splitlines() if not name.endswith(".bencode.py")}
    assert query(pyproject.binary, "--queryformat", "%{LICENSE}") == "MIT"
    assert not any("bencode" in line for line in query(pyproject.binary, "--provides").splitlines())
    assert "compileall" not in query(pyproject.binary, "--scripts")
    assert query(pyproject.source, "--list").count("bencode") == 0


def test_the_private_folder_can_be_asked_for_everywhere(tmp_path: Path, rpms: Rpms) -> None:
    asked = build_rpms(tmp_path, options=["--load", MACROS, "--with", "private"])
    assert files_of(asked.binary) == files_of(rpms.binary)


def test_the_newest_entry_of_the_changelog_is_of_this_version(rpms: Rpms) -> None:
    version, changelog = query(rpms.binary, "--queryformat", "%{VERSION}-%{RELEASE} %{CHANGELOGNAME}").split(" ", 1)
    assert version.rpartition("-")[0] == __version__
    assert changelog.endswith(f"- {version}"), "contrib/rpm/blobtorrent.spec lacks an entry"


def test_every_requirement_became_a_dependency(rpms: Rpms) -> None:
    setup = (PROJECT / "setup.cfg").read_text()
    (wanted,) = re.findall(r"^install_requires =\n((?: +.+\n)+)", setup, re.MULTILINE)
    depends = query(rpms.binary, "--requires").splitlines()
    provides = query(rpms.binary, "--provides").splitlines()
    names = [re.split(r"[ ;<>=]", line.strip())[0] for line in wanted.splitlines()]
    assert len(names) == 3
    for name in names:
        asked = f"python3dist({name.replace('.', '-')})"
        assert any(asked in line for line in (*depends, *provides)), f"{name} comes from nowhere"
    assert "python3 >= 3.10" in depends
    assert "(python3dist(tomli) if python3 < 3.11)" in depends
    assert not any("perl" in line or "curl" in line for line in depends), "examples need nothing"


def test_the_licence_of_bencode_is_told(rpms: Rpms) -> None:
    assert query(rpms.binary, "--queryformat", "%{LICENSE}") == "MIT AND BitTorrent-1.1"
    licenses = query(rpms.binary, "--licensefiles").splitlines()
    assert "/usr/share/licenses/blobtorrent/LICENSE.bencode.py" in licenses


@pytest.mark.parametrize("mode", ["rpms", "pyproject"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_its_scripts_are_sound(mode: str, script: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    packages: Rpms = request.getfixturevalue(mode)
    text = query(packages.binary, "--queryformat", f"%{{{script.upper()}}}")
    assert "systemd" in text and not re.search(r"(?m)^%", text), "a macro is missing"
    path = tmp_path / script
    path.write_text(f"#!/bin/sh\n{text}\n")
    checked = subprocess.run([require_tool("shellcheck"), path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_rpmlint_finds_nothing(rpms: Rpms) -> None:
    checked = subprocess.run(
        [require_tool("rpmlint"), "--config", HIDDEN, SPEC, rpms.binary, rpms.source],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "2 packages and 1 specfiles checked; 0 errors, 0 warnings" in checked.stdout, checked.stdout
