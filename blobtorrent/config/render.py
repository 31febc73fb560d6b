"""The schema as text for people: `blobtorrent.toml.example`. Also `python -m blobtorrent.config.render` prints it."""

from __future__ import annotations

import json
import textwrap

from blobtorrent.config.schema import SECTIONS, options

HEADER = """\
# Settings of BlobTorrent, with their defaults. Remove the "#" in front of a key to change it.
# The same keys work on the command line, --set 'section.key=VALUE', and in the environment,
# BLOBTORRENT_SECTION__KEY=VALUE; values are TOML everywhere.
"""


def render_example() -> str:
    """The text of `blobtorrent.toml.example`: every option commented out with its default."""
    blocks = [HEADER]
    for section, settings in SECTIONS.items():
        blocks.append(f"[{section}]\n# {settings.__doc__}\n")
        for key, option in options(section):
            comment = textwrap.fill(option.doc, width=100, initial_indent="# ", subsequent_indent="# ")
            # JSON writes text, numbers, booleans and lists of them the way TOML does.
            blocks.append(f"{comment}\n#{key} = {json.dumps(option.default)}\n")
    return "\n".join(blocks)


if __name__ == "__main__":
    print(render_example(), end="")
