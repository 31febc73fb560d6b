"""The index of attacks: every row has tests, every test that it names is there, and every file of this folder is named.
"""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INDEX = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
ROWS = {section.partition("\n")[0]: re.findall(r"^- (\S+)$", section, re.MULTILINE)
        for section in INDEX.split("\n## ")[1:]}
WANTED = {
    "DNS rebinding", "CSRF", "XML-RPC execute", "Run-on-finish injection", "Default credentials", "Secrets",
    "Brute force and timing", "TLS validation", "HTTPS server", "Path traversal", "Symlink races", "Delete with data",
    "XSS", "Terminal escapes and log forging", "XML bombs", "JSON and HTTP parser abuse", "Slow-loris",
    "Integer overflow", "Parser crash", "Decompression bombs", "Metadata DoS", "Poisoned pieces",
    "Seeder bandwidth theft", "Wire protocol abuse", "Extension handshake and fast extension abuse", "PEX injection",
    "Private leaks", "SSRF by trackers and web seeds", "Request splitting", "Fetch by URL", "Tracker answers",
    "UDP amplification", "DHT sybils, poisoning and eclipse", "Eclipse of a torrent", "LSD, UPnP and NAT-PMP",
    "Peers of magnet links", "Randomness", "Look-alike hosts", "Memory and descriptors", "Privilege",
    "uTP spoofing and misbehaving receivers", "Encryption", "Supply chain",
}


@functools.cache
def named_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_row_is_there() -> None:
    assert set(ROWS) >= WANTED


@pytest.mark.parametrize("row", ROWS)
def test_every_test_of_a_row_is_there(row: str) -> None:
    assert ROWS[row], "a row without tests"
    for named in ROWS[row]:
        path, _, name = named.partition("::")
        assert name.startswith("test_") and name in named_in(path), named


def test_the_tests_of_a_row_are_run_by_its_name() -> None:
    def said(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "tests.security", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
        return done.returncode, done.stdout + done.stderr

    assert said()[1].count("\n") == len(ROWS)
    status, text = said("look-alike HOSTS", "--collect-only", "-q", "-pno:cacheprovider")
    assert status == 0 and "test_a_host_beyond_ascii_is_shown_as_punycode" in text, text
    assert "test_csrf" not in text
    assert said("Look-alike") == (2, "no such row: Look-alike\n")


def test_every_file_of_this_folder_is_named() -> None:
    files = {f"tests/security/{path.name}" for path in Path(__file__).parent.glob("test_*.py")} - {
        "tests/security/test_index.py"}
    assert {named.partition("::")[0] for row in ROWS.values() for named in row} >= files
