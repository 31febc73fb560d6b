"""What a reload changes: the old and the new settings compared option by option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from blobtorrent.config.option import Section
from blobtorrent.config.schema import LISTED_TABLES, NAMED_TABLES, SINGLE_TABLES, Settings


class Change(NamedTuple):
    """One option that differs, by its full name; whole tables of a kind that comes and goes by the table's name."""

    key: str
    is_live: bool


def diff(old: Settings, new: Settings) -> list[Change]:
    """All changes, in the order of the schema.

    Tables that exist by being named, and lists of tables, are compared whole: a table that came, went or changed is
    one change, live when all of its options are.
    """
    changes = []
    for section, kind in SINGLE_TABLES.items():
        was, now = getattr(old, section), getattr(new, section)
        changes += [
            Change(f"{section}.{key}", option.is_live)
            for key, option in kind.options()
            if getattr(was, key) != getattr(now, key)
        ]
    for section, kind in NAMED_TABLES.items():
        is_live = _is_live(kind)
        named_before: Mapping[str, Section] = getattr(old, section)
        named_now: Mapping[str, Section] = getattr(new, section)
        changes += [
            Change(f"{section}.{name}", is_live)
            for name in sorted(named_before.keys() | named_now.keys())
            if named_before.get(name) != named_now.get(name)
        ]
    changes += [
        Change(section, _is_live(kind))
        for section, kind in LISTED_TABLES.items()
        if getattr(old, section) != getattr(new, section)
    ]
    return changes


def with_live_changes(old: Settings, new: Settings) -> Settings:
    """The settings in force after a reload: `new`, but `old` in what only a restart can change."""
    tables: dict[str, Any] = {
        section: kind(**{
            key: getattr(getattr(new if option.is_live else old, section), key)
            for key, option in kind.options()
        })
        for section, kind in SINGLE_TABLES.items()
    }
    kept = {
        section: getattr(old, section)
        for section, kind in (NAMED_TABLES | LISTED_TABLES).items()
        if not _is_live(kind)
    }
    return new._replace(**tables, **kept)


def _is_live(kind: type[Section]) -> bool:
    return all(option.is_live for _, option in kind.options())
