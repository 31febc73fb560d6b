"""Where settings come from: defaults, then files in order, then the environment, then `--set`. The last one wins."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blobtorrent.config.schema import SECTIONS, Settings, all_options
from blobtorrent.model.errors import ConfigError

ENVIRONMENT_PREFIX = "BLOBTORRENT_"

MAX_FILE_BYTES = 1 << 20


def load(
    files: Iterable[Path] = (), environ: Mapping[str, str] | None = None, assignments: Iterable[str] = ()
) -> Settings:
    """Read and check all settings.

    `files` are TOML files, which must exist. `environ` may hold `BLOBTORRENT_SECTION__KEY`, whose value is TOML or,
    when it cannot be TOML, plain text. `assignments` are `section.key=VALUE` of the command line, VALUE being TOML.

    Raises ConfigError: "config.unreadable", "config.bad-toml", "config.unknown-key" or "config.bad-value"; the text
    begins with the place, `FILE:LINE` for a file.
    """
    given: dict[str, Any] = {}
    for path in files:
        given |= _from_file(path)
    given |= _from_environment({} if environ is None else environ)
    for assignment in assignments:
        given |= _from_assignment(assignment)
    sections = {
        name: section(**{key.partition(".")[2]: value for key, value in given.items() if key.startswith(f"{name}.")})
        for name, section in SECTIONS.items()
    }
    return Settings(**sections)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_FILE_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config.unreadable", f"{path}: {error}") from None
    if len(text) > MAX_FILE_BYTES:
        raise ConfigError("config.unreadable", f"{path}: larger than {MAX_FILE_BYTES} bytes")
    try:
        document = _parse_toml(text)
    except ValueError as error:
        raise ConfigError("config.bad-toml", f"{path}: {error}") from None
    given: dict[str, Any] = {}
    for section, table in document.items():
        if not isinstance(table, dict):
            raise _unknown_key(f"{path}:{_line_of(text, '', section)}", section)
        for key, value in table.items():
            given |= _checked(f"{section}.{key}", value, f"{path}:{_line_of(text, section, key)}")
    return given


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for variable, text in environ.items():
        section, separator, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        if not variable.startswith(ENVIRONMENT_PREFIX) or not separator:
            continue
        try:
            value = _parse_value(text)
        except ValueError:
            value = text
        given |= _checked(f"{section}.{key}", value, variable)
    return given


def _from_assignment(assignment: str) -> dict[str, Any]:
    key, equals, text = assignment.partition("=")
    key = key.strip()
    place = f"--set {key}"
    if not equals:
        raise ConfigError("config.bad-value", f"{place}: write --set section.key=VALUE")
    if key not in all_options():
        raise _unknown_key(place, key)
    try:
        value = _parse_value(text)
    except ValueError:
        raise ConfigError(
            "config.bad-toml", f"{place}: {text!r} is not a TOML value (text needs quotes: {key}='\"...\"')"
        ) from None
    return _checked(key, value, place)


def _checked(key: str, value: object, place: str) -> dict[str, Any]:
    option = all_options().get(key)
    if option is None:
        raise _unknown_key(place, key)
    try:
        return {key: option.read(value)}
    except ValueError as error:
        raise ConfigError("config.bad-value", f"{place}: {key} {error}") from None


def _unknown_key(place: str, key: str) -> ConfigError:
    import difflib

    close = difflib.get_close_matches(key, all_options(), n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return ConfigError("config.unknown-key", f"{place}: there is no setting {key}{hint}")


def _parse_value(text: str) -> Any:
    document = _parse_toml(f"value = {text}")
    if document.keys() != {"value"}:
        raise ValueError("more than one value")
    return document["value"]


def _parse_toml(text: str) -> dict[str, Any]:
    """Raises ValueError. The parser is loaded on first use: most runs have nothing to parse."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return document


def _line_of(text: str, section: str, key: str) -> int:
    """The line that sets `key` in the plain form `key = ...` below `[section]`; line 1 when it is written otherwise."""
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            current = stripped.strip("[] \t")
        elif current == section and stripped.partition("=")[0].strip().strip("\"'") == key:
            return number
    return 1
