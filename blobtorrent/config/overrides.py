"""Settings that were made while the daemon ran: a file of its own, between the settings files and the environment.

It holds what merge patches (RFC 7396) left, as TOML that people can read. Pure, but for `read_overrides`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from blobtorrent.config.collect import Collector, unknown_key
from blobtorrent.config.schema import LISTED_TABLES, NAMED_TABLES, TABLES
from blobtorrent.config.tomltext import MAX_FILE_BYTES, parse_document, read_text, write_value
from blobtorrent.model.errors import ConfigError

HEADER = """\
# Settings that were changed while blobtorrentd ran. It writes this file anew with each change.
# They come after the settings files and before the environment and the command line.
"""

Document = dict[str, Any]


class Overrides(NamedTuple):
    """The file and its text, which is empty when there is no file."""

    path: Path
    text: str

    def document(self) -> Document:
        """Raises ConfigError ("config.bad-toml")."""
        try:
            return parse_document(self.text)
        except ValueError as error:
            raise ConfigError("config.bad-toml", f"{self.path}: {error}") from None


def read_overrides(path: Path) -> Overrides:
    """Raises ConfigError ("config.unreadable")."""
    try:
        return Overrides(path, read_text(path))
    except FileNotFoundError:
        return Overrides(path, "")


def check_patch(patch: Mapping[str, Any], place: str) -> list[str]:
    """The full names of what a patch sets. Raises ConfigError as the loader does; `place` begins the text.

    What is to be removed must have the name of a setting too: a misspelt one would be passed over in silence.
    """
    collector = Collector()
    collector.add(_without_nulls(patch), lambda _key: place)
    for name in _nulls(patch):
        _require_name(name, place)
    return list(collector.given)


def patched(document: Mapping[str, Any], patch: Mapping[str, Any]) -> Document:
    """The document with a patch merged in: null removes, tables merge, all else replaces. Empty tables go, unless they
    exist by being named.
    """
    merged = _merged(document, patch)
    return {
        section: table for section, table in merged.items()
        if table or section in LISTED_TABLES
    }


def without(document: Mapping[str, Any], patch: Mapping[str, Any]) -> Document:
    """The document without all that a patch says something about."""
    return patched(document, _removal(patch))


def write_overrides(document: Mapping[str, Any]) -> str:
    """The text of the file. Raises ConfigError for what could not be read again: "config.bad-value" for text that is no
    Unicode, "config.too-long"."""
    blocks = [HEADER]
    blocks += [f"{section} = []\n" for section in LISTED_TABLES if document.get(section) == []]
    for section, table in document.items():
        if section in NAMED_TABLES:
            blocks += [_table(f"[{section}.{name}]", entry) for name, entry in table.items()]
        elif section in LISTED_TABLES:
            blocks += [_table(f"[[{section}]]", entry) for entry in table]
        else:
            blocks.append(_table(f"[{section}]", table))
    text = "\n".join(blocks)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ConfigError("config.bad-value", "a text holds half a character (a lone surrogate)") from None
    if size > MAX_FILE_BYTES:
        raise ConfigError("config.too-long", f"{size} bytes of settings; at most {MAX_FILE_BYTES} are read")
    return text


def _table(heading: str, entry: Mapping[str, Any]) -> str:
    return "".join([f"{heading}\n", *(f"{key} = {write_value(value)}\n" for key, value in entry.items())])


def _merged(target: object, patch: Mapping[str, Any]) -> Document:
    merged: Document = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merged(merged.get(key), value)
        else:
            merged[key] = _without_nulls(value)
    return merged


def _removal(patch: Mapping[str, Any]) -> Document:
    return {key: _removal(value) if isinstance(value, Mapping) and value else None for key, value in patch.items()}


def _without_nulls(value: Any) -> Any:
    """A list of tables has nulls for keys that are not given."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) if isinstance(inner, Mapping) else inner for inner in value]
    return value


def _nulls(patch: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in patch.items():
        name = f"{above}{key}"
        if value is None:
            yield name
        elif isinstance(value, Mapping):
            yield from _nulls(value, f"{name}.")


def _require_name(name: str, place: str) -> None:
    section, *rest = name.split(".")
    if section not in TABLES:
        raise unknown_key(place, name)
    if section in NAMED_TABLES:
        rest = rest[1:]
    keys = [key for key, _ in TABLES[section].options()]
    if rest and (len(rest) > 1 or rest[0] not in keys):
        raise unknown_key(place, name)
