"""The manual page of the rTorrent interface knows every command, and tells what is real and what is not."""

from __future__ import annotations

import re

from tests.support.rtorrentmanual import PAGE, registry, shown_commands, with_parts


def test_what_is_made_from_the_code_is_as_the_code() -> None:
    page = PAGE.read_text()
    assert page == with_parts(page, registry()), "run python -m tests.support.rtorrentmanual"


def test_the_page_explains_exactly_the_commands_that_there_are() -> None:
    section = PAGE.read_text().partition(".Sh COMMANDS\n")[2].partition(".Sh OTHER NAMES\n")[0]
    explained = re.findall(r"^\.It Ic (\S+)$", section, re.MULTILINE)
    assert sorted(explained) == [command.name for command in shown_commands(registry())]


def test_every_built_in_command_says_what_it_is_for() -> None:
    commands = [command for command in shown_commands(registry()) if command.category != "user"]
    assert [command.name for command in commands if not command.doc] == []
