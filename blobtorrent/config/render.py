"""The schema as text for people: `blobtorrent.toml.example`. Also `python -m blobtorrent.config.render` prints it."""

from __future__ import annotations

import textwrap

from blobtorrent.config.schema import LISTED_TABLES, NAMED_TABLES, TABLES
from blobtorrent.config.tomltext import write_value

EXAMPLE_NAME = "slow"
EXAMPLE_PATH = "/srv/torrents/watch"

HEADER = """\
# Settings of BlobTorrent, with their defaults. Remove the "#" in front of a key to change it.
# The same keys work on the command line, --set 'section.key=VALUE', and in the environment,
# BLOBTORRENT_SECTION__KEY=VALUE; values are TOML everywhere.
"""


def render_example() -> str:
    """The text of `blobtorrent.toml.example`: every option commented out with its default."""
    blocks = [HEADER]
    for section, settings in TABLES.items():
        blocks.append(f"{_heading(section)}\n{_comment(settings.__doc__ or '')}\n")
        for key, option in settings.options():
            default = write_value(EXAMPLE_PATH if option.default is None else option.default)
            blocks.append(f"{_comment(option.doc)}\n#{key} = {default}\n")
    return "\n".join(blocks)


def _heading(section: str) -> str:
    """The line that opens a table. One that exists by being named is commented out as its keys are."""
    if section in LISTED_TABLES:
        return f"#[[{section}]]"
    return f"#[{section}.{EXAMPLE_NAME}]" if section in NAMED_TABLES else f"[{section}]"


def _comment(text: str) -> str:
    return textwrap.fill(text, width=100, initial_indent="# ", subsequent_indent="# ")


if __name__ == "__main__":
    print(render_example(), end="")
