"""Reads settings from everywhere and remembers where each value comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blobtorrent.config.collect import Collector, unknown_key
from blobtorrent.config.load import ENVIRONMENT_PREFIX, Loaded, is_setting
from blobtorrent.config.overrides import Overrides
from blobtorrent.config.schema import LISTED_TABLES, TABLES
from blobtorrent.config.tomltext import KeyLines, parse_document, parse_value, read_text
from blobtorrent.model.errors import ConfigError

SAID = "the configuration of rTorrent"


def load_with_sources(
    files: Iterable[Path] = (), environ: Mapping[str, str] | None = None, assignments: Iterable[str] = (),
    overrides: Overrides | None = None, said: Mapping[str, Any] | None = None,
) -> Loaded:
    """As `load_all`, of overrides that were read already.

    `said` is a document that comes after them: what a configuration of rTorrent has set in this run.
    """
    collector = Collector()
    for path in files:
        _add_file(collector, path)
    if overrides is not None:
        _add_text(collector, *overrides, replaces_lists=True)
    if said:
        collector.add(said, lambda _key: SAID, replaces_lists=True)
    for variable, text in ({} if environ is None else environ).items():
        if is_setting(variable):
            _add_variable(collector, variable, text)
    for assignment in assignments:
        _add_assignment(collector, assignment)
    return Loaded(collector.settings(), collector.given)


def _add_file(collector: Collector, path: Path) -> None:
    try:
        text = read_text(path)
    except FileNotFoundError as error:
        raise ConfigError("config.unreadable", f"{path}: {error.strerror}") from None
    _add_text(collector, path, text)


def _add_text(collector: Collector, path: Path, text: str, *, replaces_lists: bool = False) -> None:
    try:
        document = parse_document(text)
    except ValueError as error:
        raise ConfigError("config.bad-toml", f"{path}: {error}") from None
    collector.add(document, KeyLines(path, text).place_of, replaces_lists=replaces_lists)


def _add_variable(collector: Collector, variable: str, text: str) -> None:
    parts = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
    if parts[0] in LISTED_TABLES:
        raise ConfigError("config.bad-value", f"{variable}: tables [[{parts[0]}]] can only be given in a settings file")
    try:
        value = parse_value(text)
    except ValueError:
        value = text
    collector.add(_nested(parts, value), lambda _key: variable)


def _add_assignment(collector: Collector, assignment: str) -> None:
    key, equals, text = (part.strip() for part in assignment.partition("="))
    place = f"--set {key}"
    if not equals:
        raise ConfigError("config.bad-value", f"{place}: write --set section.key=VALUE")
    parts = key.split(".")
    if parts[0] not in TABLES:
        raise unknown_key(place, key)
    try:
        value = parse_value(text)
    except ValueError:
        raise ConfigError(
            "config.bad-toml", f"{place}: {text!r} is not a TOML value (text needs quotes: {key}='\"...\"')"
        ) from None
    collector.add(_nested(parts, value), lambda _key: place)


def _nested(parts: list[str], value: object) -> dict[str, Any]:
    """`["a", "b"], 1` is `{"a": {"b": 1}}`."""
    document = {parts[-1]: value}
    for part in reversed(parts[:-1]):
        document = {part: document}
    return document
