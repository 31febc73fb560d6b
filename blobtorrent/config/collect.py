"""Collector: takes documents of settings in order of rising precedence, checks every value, and makes Settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from blobtorrent.config.load import Given
from blobtorrent.config.option import Option
from blobtorrent.config.schema import LISTED_TABLES, NAMED_TABLES, SINGLE_TABLES, TABLES, Settings, all_options
from blobtorrent.model.errors import ConfigError

PlaceOf = Callable[[str], str]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Collector:
    """`given` holds what was set, by full name: `section.key`, `groups.NAME.key`, `watch.NUMBER.key`.

    Values of later documents replace those of earlier ones; lists of tables, as `[[watch]]`, add up.
    """

    def __init__(self) -> None:
        self.given: dict[str, Given] = {}
        self._named: dict[str, list[str]] = {section: [] for section in NAMED_TABLES}
        self._lengths: dict[str, int] = dict.fromkeys(LISTED_TABLES, 0)

    def add(self, document: Mapping[str, Any], place_of: PlaceOf, *, replaces_lists: bool = False) -> None:
        """`place_of` tells where a dotted key of this document stands; lists count from 0 in it. With `replaces_lists`
        its lists of tables stand in place of those before.

        Raises ConfigError: "config.unknown-key", "config.missing-key" or "config.bad-value".
        """
        for section, table in document.items():
            if section not in TABLES:
                inner = next(iter(table), "") if isinstance(table, dict) else ""
                key = f"{section}.{inner}" if inner else section
                raise unknown_key(place_of(key), key)
            if section in LISTED_TABLES:
                if replaces_lists:
                    self._drop_list(section)
                self._take_list(section, table, place_of)
            elif not isinstance(table, dict):
                raise ConfigError("config.bad-value", f"{place_of(section)}: {section} must be a table")
            elif section in NAMED_TABLES:
                for name, entry in table.items():
                    self._take_named(section, name, entry, place_of)
            else:
                self._take(section, section, table, place_of)

    def settings(self) -> Settings:
        """What was given, and the defaults for the rest."""
        tables: dict[str, Any] = {section: kind(**self._values(section)) for section, kind in SINGLE_TABLES.items()}
        for section, kind in NAMED_TABLES.items():
            tables[section] = {name: kind(**self._values(f"{section}.{name}")) for name in self._named[section]}
        for section, kind in LISTED_TABLES.items():
            numbers = range(self._lengths[section])
            tables[section] = tuple(kind(**self._values(f"{section}.{number}")) for number in numbers)
        return Settings(**tables)

    def _take_named(self, section: str, name: str, entry: object, place_of: PlaceOf) -> None:
        prefix = f"{section}.{name}"
        if not _NAME.fullmatch(name):
            raise ConfigError("config.bad-value", f"{place_of(prefix)}: {name!r} is no name of letters and digits")
        if not isinstance(entry, dict):
            raise ConfigError("config.bad-value", f"{place_of(prefix)}: {prefix} must be a table")
        if name not in self._named[section]:
            self._named[section].append(name)
        self._take(section, prefix, entry, place_of)

    def _drop_list(self, section: str) -> None:
        self._lengths[section] = 0
        for name in [name for name in self.given if name.startswith(f"{section}.")]:
            del self.given[name]

    def _take_list(self, section: str, entries: object, place_of: PlaceOf) -> None:
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ConfigError("config.bad-value", f"{place_of(section)}: {section} must be a list of tables")
        required = [key for key, option in LISTED_TABLES[section].options() if option.default is None]
        for number, entry in enumerate(entries):
            place_of_entry = place_of(f"{section}.{number}")
            missing = [key for key in required if key not in entry]
            if missing:
                raise ConfigError("config.missing-key", f"{place_of_entry}: {section} needs {', '.join(missing)}")
            prefix = f"{section}.{self._lengths[section]}"
            self._lengths[section] += 1
            for key in entry:
                self._take(section, prefix, {key: entry[key]}, _fixed(place_of(f"{section}.{number}.{key}")))
            try:
                LISTED_TABLES[section](**self._values(prefix)).check()
            except ValueError as error:
                raise ConfigError("config.bad-value", f"{place_of_entry}: {section} {error}") from None

    def _take(self, section: str, prefix: str, table: Mapping[str, Any], place_of: PlaceOf) -> None:
        known: dict[str, Option] = dict(TABLES[section].options())
        for key, written in table.items():
            name = f"{prefix}.{key}"
            if key not in known:
                raise unknown_key(place_of(name), name)
            try:
                value = known[key].read(written)
            except ValueError as error:
                raise ConfigError("config.bad-value", f"{place_of(name)}: {name} {error}") from None
            self.given[name] = Given(written, value, place_of(name))

    def _values(self, prefix: str) -> dict[str, Any]:
        """Key and value of all that was given directly below a prefix."""
        parts = {name: name.rpartition(".") for name in self.given}
        return {key: self.given[name].value for name, (above, _, key) in parts.items() if above == prefix}


def unknown_key(place: str, key: str) -> ConfigError:
    """The error about a key that no table has, with the known one that looks most like it."""
    import difflib

    section, _, rest = key.partition(".")
    name, _, last = rest.rpartition(".")
    shape = key
    if section in NAMED_TABLES and name:
        shape = f"{section}.NAME.{last}"
    elif section in LISTED_TABLES and name:
        shape = f"{section}.{last}"
    close = difflib.get_close_matches(shape, all_options(), n=1)
    hint = f"; did you mean {close[0].replace('NAME', name or 'NAME')}?" if close else ""
    return ConfigError("config.unknown-key", f"{place}: there is no setting {key}{hint}")


def _fixed(place: str) -> PlaceOf:
    return lambda _key: place
