"""All settings in force, one by one, with where each comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from blobtorrent.config.load import Loaded
from blobtorrent.config.option import Section
from blobtorrent.config.schema import LISTED_TABLES, NAMED_TABLES, SINGLE_TABLES
from blobtorrent.config.tomltext import write_value
from blobtorrent.model.text import clean

DEFAULT = "default"


class Setting(NamedTuple):
    """`table` is the line that opens its table in TOML; `name` its full name; `written` its value as in TOML."""

    table: str
    name: str
    key: str
    written: object
    source: str


def settings_in_force(loaded: Loaded) -> Iterator[Setting]:
    """Every setting in the order of the schema; `source` is a place, or "default"."""
    for section, kind in SINGLE_TABLES.items():
        yield from _of_table(loaded, f"[{section}]", section, kind)
    for section, kind in NAMED_TABLES.items():
        for name in getattr(loaded.settings, section):
            yield from _of_table(loaded, f"[{section}.{name}]", f"{section}.{name}", kind)
    for section, kind in LISTED_TABLES.items():
        for number in range(len(getattr(loaded.settings, section))):
            yield from _of_table(loaded, f"[[{section}]]", f"{section}.{number}", kind)


def write_settings(loaded: Loaded, *, with_sources: bool) -> str:
    """A settings file that says all of it; with `with_sources` each line ends in a comment."""
    lines: list[str] = []
    before = ""
    for setting in settings_in_force(loaded):
        prefix = setting.name.removesuffix(setting.key)
        if prefix != before:
            lines += ["", setting.table] if lines else [setting.table]
            before = prefix
        source = f"  # {clean(setting.source)}" if with_sources else ""
        lines.append(f"{setting.key} = {write_value(setting.written)}{source}")
    return "\n".join(lines) + "\n"


def _of_table(loaded: Loaded, table: str, prefix: str, kind: type[Section]) -> Iterator[Setting]:
    for key, option in kind.options():
        name = f"{prefix}.{key}"
        given = loaded.given.get(name)
        if given is None:
            yield Setting(table, name, key, option.default, DEFAULT)
        else:
            yield Setting(table, name, key, given.written, given.place)
