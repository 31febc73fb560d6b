"""Settings as a command line gives and shows them: `section.key` names and TOML values. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from blobtorrent.config.schema import LISTED_TABLES
from blobtorrent.config.tomltext import parse_value
from blobtorrent.model.errors import Invalid, NotFound


def flattened(settings: Mapping[str, Any]) -> dict[str, Any]:
    """{"limits": {"down_bytes_per_s": 0}} is {"limits.down_bytes_per_s": 0}; tables of a list count from 0."""
    return dict(_flattened(settings, ""))


def _flattened(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _flattened(member, f"{name}.{key}" if name else key)
    elif name in LISTED_TABLES:
        for number, table in enumerate(value):
            yield from _flattened(table, f"{name}.{number}")
    else:
        yield name, value


def chosen_settings(flat: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """Those with these names, or below them. Raises NotFound ("settings.unknown")."""
    chosen: dict[str, Any] = {}
    for name in names:
        found = {key: value for key, value in flat.items() if key == name or key.startswith(f"{name}.")}
        if not found:
            near = get_close_matches(name, flat, n=1)
            advice = f"; did you mean {near[0]}?" if near else ""
            raise NotFound("settings.unknown", f"there is no setting {name}{advice}")
        chosen.update(found)
    return chosen


def read_assignment(text: str) -> tuple[str, Any]:
    """ "limits.down_bytes_per_s=2 MiB/s" is a name and a value: TOML, and what is no TOML is text. Raises Invalid."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name or not all(name.split(".")):
        raise Invalid("settings.bad-assignment", f"{text}: write section.key=VALUE")
    try:
        return name, parse_value(value)
    except ValueError:
        return name, value


def merge_patch(assignments: Mapping[str, Any]) -> dict[str, Any]:
    """{"limits.down_bytes_per_s": 0} is {"limits": {"down_bytes_per_s": 0}}, as the daemon takes it (RFC 7396)."""
    patch: dict[str, Any] = {}
    for name, value in assignments.items():
        *tables, key = name.split(".")
        table = patch
        for part in tables:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise Invalid("settings.contradiction", f"{name}: a table of it is given, too")
        table[key] = value
    return patch
