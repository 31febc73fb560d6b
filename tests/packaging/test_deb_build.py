"""The Debian packages as files: the same at every build, complete, without a complaint of lintian."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from blobtorrent import __version__
from tests.support.debs import Debs, build_debs, try_build
from tests.support.machine import PROJECT
from tests.support.release import Release
from tests.support.tools import require_tool

pytestmark = [pytest.mark.packages, pytest.mark.timeout(400)]

MODULES = "/usr/lib/python3/dist-packages/blobtorrent/"
MANIFEST = Path(__file__).with_name("debian-files")
HIDDEN_TAGS = PROJECT / "contrib/debian/lintian-tags"


def digests(debs: Debs) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in debs.folder.glob("*.deb")}


def files_of(package: Path) -> list[str]:
    """Absolute names of all files, without the folders."""
    listing = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    return sorted(line.split(maxsplit=5)[5][1:] for line in listing.splitlines() if not line.startswith("d"))


def field(package: Path, name: str) -> list[str]:
    text = subprocess.run(["dpkg-deb", "--field", package, name], capture_output=True, text=True, check=True).stdout
    return [part.strip() for part in text.split(",")]


def test_a_build_from_the_source_archive_elsewhere_is_the_same_to_the_bit(
    debs: Debs, release: Release, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = build_debs(tmp_path / "again", release.unpack(tmp_path),
                       {"TMPDIR": str(elsewhere), "TZ": "Pacific/Auckland", "LC_ALL": "C"})
    assert digests(again) == digests(debs)
    assert len(digests(debs)) == 2


def test_the_package_has_the_files_of_the_manifest_and_every_module(debs: Debs) -> None:
    files = files_of(debs.blobtorrent)
    modules = [f"/usr/lib/python3/dist-packages/{path.relative_to(PROJECT)}"
               for path in PROJECT.glob("blobtorrent/**/*.py")]
    assert [name for name in files if name.startswith(MODULES)] == sorted([*modules, f"{MODULES}py.typed"])
    others = [name for name in files if not name.startswith(MODULES)]
    assert others == MANIFEST.read_text().splitlines(), "what is in the package has changed: is that meant?"


def test_the_changelog_is_that_of_this_version(debs: Debs) -> None:
    (version,) = field(debs.blobtorrent, "Version")
    assert version.rpartition("-")[0] == __version__, "contrib/debian/changelog lacks an entry"


def test_every_requirement_became_a_dependency(debs: Debs) -> None:
    depends = field(debs.blobtorrent, "Depends")
    for name in ("python3 (>= 3.10)", "python3-bencode.py", "python3-cryptography"):
        assert name in depends
    assert any(wanted.startswith("python3-tomli |") for wanted in depends)


def test_a_requirement_that_no_package_provides_fails_the_build(release: Release, tmp_path: Path) -> None:
    tree = release.unpack(tmp_path)
    (tree / "contrib/debian/py3dist-overrides").unlink()
    built = try_build(tmp_path / "out", tree)
    assert built.returncode == 1 and "Cannot find package that provides bencode.py" in built.stderr
    assert list((tmp_path / "out").glob("*.deb")) == []


def test_the_licence_of_bencode_is_in_its_package(debs: Debs, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--extract", debs.bencode, tmp_path], check=True)
    text = (tmp_path / "usr/share/doc/python3-bencode.py/copyright").read_text()
    assert "BitTorrent Open Source License" in text


def test_lintian_finds_nothing(debs: Debs) -> None:
    checked = subprocess.run(
        [require_tool("lintian"), "--allow-root", "--pedantic", "--display-info", "--display-experimental",
         "--suppress-tags-from-file", HIDDEN_TAGS, *debs.folder.glob("*.changes")],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr
