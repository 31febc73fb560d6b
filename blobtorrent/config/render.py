"""The schema as text for people: `blobtorrent.toml.example`, and the option list of blobtorrent.toml(5).

`python -m blobtorrent.config.render example` (or `system`, or `manual`) prints it. `system` is the example as packages
install it for the service of the system, contrib/systemd/blobtorrent.toml.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator

from blobtorrent.config.option import Option
from blobtorrent.config.schema import LISTED_TABLES, NAMED_TABLES, TABLES
from blobtorrent.config.tomltext import write_value

EXAMPLE_NAME = "slow"
# What stands in the example for keys that must be given, or that a table is nothing without.
EXAMPLES: dict[str, object] = {"watch.path": "/srv/torrents/watch", "hooks.program": ["/usr/local/bin/on-finished"]}

HEADER = """\
# Settings of BlobTorrent, with their defaults. Remove the "#" in front of a key to change it.
# The same keys work on the command line, --set 'section.key=VALUE', and in the environment,
# BLOBTORRENT_SECTION__KEY=VALUE; values are TOML everywhere.
"""
# A server has no business with strangers on its own network or machine until its owner says so. Written without "#".
OF_SYSTEM: dict[str, object] = {"network.port_mapping": "off", "lsd.enabled": False, "webseeds.allow_loopback": False}
SYSTEM_HEADER = """\
# The service of the system neither announces torrents on the local network nor asks the router for ports nor reads web
# seeds of its own machine, until you change the keys without a "#".
"""


def render_example(*, of_system: bool = False) -> str:
    """The text of `blobtorrent.toml.example`: every option commented out with its default.

    With `of_system` the text of what the service of the system begins with, which sets OF_SYSTEM.
    """
    blocks = [HEADER + SYSTEM_HEADER if of_system else HEADER]
    for section, settings in TABLES.items():
        blocks.append(f"{_heading(section)}\n{_comment(settings.__doc__ or '')}\n")
        for key, option in settings.options():
            name = f"{section}.{key}"
            if of_system and name in OF_SYSTEM:
                blocks.append(f"{_comment(option.doc)}\n{key} = {write_value(OF_SYSTEM[name])}\n")
                continue
            value = write_value(EXAMPLES.get(name, option.default))
            blocks.append(f"{_comment(option.doc)}\n#{key} = {value}\n")
    return "\n".join(blocks)


def _heading(section: str) -> str:
    """The line that opens a table. One that exists by being named is commented out as its keys are."""
    if section in LISTED_TABLES:
        return f"#[[{section}]]"
    return f"#[{section}.{EXAMPLE_NAME}]" if section in NAMED_TABLES else f"[{section}]"


def _comment(text: str) -> str:
    return textwrap.fill(text, width=100, initial_indent="# ", subsequent_indent="# ")


def render_manual() -> str:
    """The option list of blobtorrent.toml(5), in mdoc."""
    lines: list[str] = []
    for section, settings in TABLES.items():
        # The zero-width character keeps the bracket from being taken for the end of a sentence.
        lines += [".Ss " + _heading(section).lstrip("#").replace(EXAMPLE_NAME, "NAME") + "\\&"]
        lines += _prose(settings.__doc__ or "")
        lines += [".Bl -tag -width Ds"]
        for key, option in settings.options():
            lines += [f".It Ic {key}", *_prose(option.doc), *_facts(option)]
        lines += [".El"]
    return "\n".join(lines) + "\n"


def _facts(option: Option) -> Iterator[str]:
    """What the manual says of an option besides its description."""
    if option.default is not None:
        yield "The default is"
        yield f".Li {_literal(write_value(option.default))} ."
    if not option.is_live:
        yield "A change needs a restart."


def _prose(text: str) -> Iterator[str]:
    """Text lines of mdoc: a sentence begins a line, none is long, none begins like a request."""
    for sentence in re.split(r"(?<=\.) (?=[A-Z])", text):
        for line in textwrap.wrap(sentence.replace("\\", "\\e"), width=78, break_on_hyphens=False):
            yield f"\\&{line}" if line[0] in ".'" else line


def _literal(toml: str) -> str:
    """One argument of a macro."""
    return '"' + toml.replace("\\", "\\e").replace('"', '""').replace("-", "\\-") + '"'


if __name__ == "__main__":
    wanted = sys.argv[1:]
    print(render_manual() if wanted == ["manual"] else render_example(of_system=wanted == ["system"]), end="")
