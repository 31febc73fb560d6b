"""Reads settings from everywhere and remembers where each value comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from blobtorrent.config.collect import Collector, Given, unknown_key
from blobtorrent.config.load import ENVIRONMENT_PREFIX, is_setting
from blobtorrent.config.schema import LISTED_TABLES, TABLES, Settings
from blobtorrent.config.tomltext import KeyLines, parse_document, parse_value
from blobtorrent.model.errors import ConfigError

MAX_FILE_BYTES = 1 << 20


class Loaded(NamedTuple):
    """The settings, and what of them was given, by full name as in `Collector`."""

    settings: Settings
    given: Mapping[str, Given]


def load_with_sources(
    files: Iterable[Path] = (), environ: Mapping[str, str] | None = None, assignments: Iterable[str] = ()
) -> Loaded:
    """As `load`, and tell where each value comes from."""
    collector = Collector()
    for path in files:
        _add_file(collector, path)
    for variable, text in ({} if environ is None else environ).items():
        if is_setting(variable):
            _add_variable(collector, variable, text)
    for assignment in assignments:
        _add_assignment(collector, assignment)
    return Loaded(collector.settings(), collector.given)


def _add_file(collector: Collector, path: Path) -> None:
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_FILE_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError("config.unreadable", f"{path}: {reason}") from None
    if len(text) > MAX_FILE_BYTES:
        raise ConfigError("config.unreadable", f"{path}: larger than {MAX_FILE_BYTES} bytes")
    try:
        document = parse_document(text)
    except ValueError as error:
        raise ConfigError("config.bad-toml", f"{path}: {error}") from None
    collector.add(document, KeyLines(path, text).place_of)


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
