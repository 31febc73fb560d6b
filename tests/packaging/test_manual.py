"""The manual page of the command knows every option that the command knows."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from blobtorrent.cli.main import COMMANDS, build_parser

PAGE = Path(__file__).resolve().parents[2] / "man" / "blobtorrent.1"


def options_of(command: str) -> set[str]:
    """The long options of a subcommand, --help left out."""
    (subcommands,) = (
        action for action in build_parser([command])._actions if isinstance(action, argparse._SubParsersAction)
    )
    actions = subcommands.choices[command]._actions
    return {option for action in actions for option in action.option_strings if option.startswith("--")} - {"--help"}


def section_of(command: str) -> str:
    found = re.search(rf"^\.Ss {command}\n(.*?)(?=^\.S[sh] )", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_explains_exactly_the_options_of_a_command(command: str) -> None:
    explained = {f"-{option}" for option in re.findall(r"Fl (?:o , )?(-[a-z-]+)", section_of(command))}
    assert explained == options_of(command)
