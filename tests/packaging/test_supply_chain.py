"""The lock has all that runs beside our code, with digests, and the bill of materials says so."""

from __future__ import annotations

import configparser
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from blobtorrent import __version__
from tests.support.tools import require_module

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "contrib/supply-chain"
# What bandit would find, each with the rule of ruff that is the same.
WEAK = """
import pickle
import random
import ssl
import subprocess
import tempfile
import xml.etree.ElementTree as tree

password = "hunter2"
subprocess.run("ls " + password, shell=True)
pickle.loads(b"")
eval(password)
tree.fromstring("<a/>")
ssl._create_unverified_context()
tempfile.mktemp()
random.random()
"""
WEAK_RULES = {"S105", "S602", "S301", "S307", "S314", "S323", "S306", "S311"}
LOCK = (FOLDER / "requirements.txt").read_text(encoding="utf-8")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sbom, lock = script("sbom"), script("lock")


def report(*packages: tuple[str, str, str]) -> dict[str, Any]:
    """As of pip: names, versions, digests."""
    return {"install": [{"metadata": {"name": name, "version": version},
                         "download_info": {"archive_info": {"hashes": {"sha256": digest} if digest else {}}}}
                        for name, version, digest in packages]}


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_what_the_package_asks_for_once_for_each_python(python: str) -> None:
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    wanted = {re.match(r"[a-z.]+", line)[0]  # type: ignore[index]
              for line in setup["options"]["install_requires"].split("\n") if line
              and not ("python_version <" in line and python != "3.10")}
    names = [part.name for part in sbom.parts_of_lock(LOCK) if not part.pythons or python in part.pythons]
    assert len(names) == len(set(names))
    assert wanted | {"cffi", "pycparser"} <= set(names)


def test_what_distributions_build_is_what_is_locked() -> None:
    built = re.search(r"^BENCODE=(\S+)$", (PROJECT / "contrib/build-packages").read_text(), re.MULTILINE)
    assert built is not None and f"\n{built[1]} \\\n" in LOCK


def test_a_lock_says_for_which_python_a_version_is_where_they_differ() -> None:
    made = lock.lock({"3.9": report(("A_b", "1", "a" * 64)),
                      "3.10": report(("a-b", "2", "b" * 64), ("c", "3", "c" * 64))})
    assert made == lock.HEADER + (
        f'a-b==1 ; python_version == "3.9" \\\n    --hash=sha256:{"a" * 64}\n'
        f'a-b==2 ; python_version == "3.10" \\\n    --hash=sha256:{"b" * 64}\n'
        f'c==3 ; python_version == "3.10" \\\n    --hash=sha256:{"c" * 64}\n')
    assert list(sbom.parts_of_lock(made))[1] == sbom.Part("a-b", "2", ("b" * 64,), ("3.10",))
    with pytest.raises(ValueError, match="no digest"):
        lock.lock({"3.11": report(("c", "3", ""))})


@pytest.mark.parametrize("line", ["a", "a>=1 --hash=sha256:" + "a" * 64, "a==1", "a==1 --hash=md5:" + "a" * 32,
                                  "git+https://x.invalid/a"])
def test_what_is_not_pinned_is_no_lock(line: str) -> None:
    with pytest.raises(ValueError, match="not pinned"):
        list(sbom.parts_of_lock(line))


def test_the_bill_names_all_of_the_lock_and_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795333738")
    text = subprocess.run([sys.executable, FOLDER / "sbom.py"], stdout=subprocess.PIPE, check=True, text=True).stdout
    assert text == sbom.main([])
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch("urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert bill["metadata"]["timestamp"] == "2026-11-22T07:48:58Z"
    assert bill["metadata"]["component"]["version"] == __version__
    parts = list(sbom.parts_of_lock(LOCK))
    assert [(one["name"], one["version"]) for one in bill["components"]] == [part[:2] for part in parts]
    references = [one["bom-ref"] for one in bill["components"]]
    assert len(set(references)) == len(references) and bill["dependencies"][0]["dependsOn"] == references
    digests = [one["value"] for part in bill["components"] for one in part["properties"] if one["name"].endswith("256")]
    assert digests == re.findall("sha256:([0-9a-f]{64})", LOCK)
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert "timestamp" not in json.loads(sbom.main([]))["metadata"]


def test_the_bill_of_what_is_installed_follows_what_needs_what(monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        def __init__(self, version: str, requires: list[str], license: str = "") -> None:
            self.version, self.requires, self.metadata = version, requires, {"License": license}

    there = {"blobtorrent": Installed("9", ["bencode.py>=4", "cryptography", 'tomli; python_version < "3.11"',
                                            'pytest; extra == "test"']),
             "bencode.py": Installed("4.1", [], "Some licence\nand all its text"), "pytest": Installed("8", []),
             "cryptography": Installed("50", ["cffi>=2"]), "cffi": Installed("2", ["blobtorrent"])}

    def find(name: str) -> Installed:
        if name not in there:
            raise sbom.metadata.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(sbom.metadata, "distribution", find)
    assert sorted(sbom.installed_parts()) == [
        sbom.Part("bencode.py", "4.1", license="Some licence"), sbom.Part("cffi", "2"), sbom.Part("cryptography", "50")]


def test_what_bandit_looks_for_is_looked_for_in_the_package() -> None:
    require_module("ruff")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise", "--stdin-filename",
         str(PROJECT / "blobtorrent" / "weak.py"), "-"],
        cwd=PROJECT, input=WEAK, capture_output=True, text=True, timeout=100)
    assert set(re.findall(r" (S\d+) ", done.stdout)) == WEAK_RULES, done.stdout + done.stderr
