"""The manual page of the command knows every option that the command knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blobtorrent.cli.catalogue import COMMANDS
from blobtorrent.cli.main import build_parser
from blobtorrent.cli.wordtree import subcommands_of

PAGE = Path(__file__).resolve().parents[2] / "man" / "blobtorrent.1"


def options_of(command: str) -> set[str]:
    """The long options of a subcommand, --help left out."""
    actions = subcommands_of(build_parser([command])).choices[command]._actions
    return {option for action in actions for option in action.option_strings if option.startswith("--")} - {"--help"}


def explained_in(pattern: str) -> set[str]:
    """The options that a section of the page explains."""
    found = re.search(rf"^{pattern}\n(.*?)(?=^\.S[sh] )", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    explained = {f"-{option}" for option in re.findall(r"^\.It (?:Fl o , )?Fl (-[a-z-]+)", found[1], re.MULTILINE)}
    explained |= {f"-{option}" for option in re.findall(r"^\.It Fl o , (-[a-z-]+)", found[1], re.MULTILINE)}
    return explained | (explained_in(r"\.Sh REMOTE OPTIONS") if ".Sx REMOTE OPTIONS" in found[1] else set())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_explains_exactly_the_options_of_a_command(command: str) -> None:
    assert explained_in(rf"\.Ss {command}") == options_of(command)


def test_the_page_shows_every_command_in_its_synopsis() -> None:
    synopsis = PAGE.read_text().partition(".Sh SYNOPSIS\n")[2].partition(".Sh ")[0]
    shown = {name for line in re.findall(r"^\.Cm (.*)", synopsis, re.MULTILINE) for name in line.split(" | ")}
    assert set(COMMANDS) <= shown
