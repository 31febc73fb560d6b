"""The manual pages as a whole: well formed, no dead references, in step with the schema and the daemon's options."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from blobtorrent.config.render import render_manual
from blobtorrent.daemon.main import build_parser
from tests.support.tools import require_tool

PAGES = sorted((Path(__file__).resolve().parents[2] / "man").glob("*.[1-8]"))
FOREIGN = {("systemd.service", "5")}   # pages of others that ours refer to
NOT_INSTALLED = "STYLE: referenced manual not found"       # mandoc looks for other pages in the system's folders only


def page_text(name: str) -> str:
    return next(page for page in PAGES if page.name == name).read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_well_formed(page: Path) -> None:
    lint = subprocess.run([require_tool("mandoc"), "-Tlint", page], capture_output=True, text=True, check=False)
    assert [line for line in lint.stdout.splitlines() if NOT_INSTALLED not in line] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_refers_to_pages_that_exist(page: Path) -> None:
    ours = {(page.stem, page.suffix[1:]) for page in PAGES}
    referred = set(re.findall(r"^\.Xr (\S+) (\S+)", page.read_text(), re.MULTILINE))
    assert referred <= ours | FOREIGN


def test_the_settings_page_lists_what_the_schema_has() -> None:
    page = page_text("blobtorrent.toml.5")
    options = page.partition(".Sh SETTINGS\n")[2].partition(".Sh FILES\n")[0]
    assert options == render_manual(), "put in what python -m blobtorrent.config.render manual prints"


def test_the_daemons_page_explains_exactly_its_options() -> None:
    explained = set(re.findall(r"^\.It Fl (-[a-z-]+)", page_text("blobtorrentd.8"), re.MULTILINE))
    options = {option for action in build_parser()._actions for option in action.option_strings}
    assert {f"-{name}" for name in explained} == {name for name in options if name.startswith("--")} - {"--help"}
