"""All settings as a JSON Schema (2020-12), for programs that show or make them. Made from the options themselves."""

from __future__ import annotations

from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from blobtorrent.config.option import Option, Section
from blobtorrent.config.schema import LISTED_TABLES, NAMED_TABLES, SINGLE_TABLES
from blobtorrent.config.values import InterfaceSpec, OneOf, ProxySpec

# What stands in TOML for a value of a class: sizes, rates and durations may be text with a unit.
_WRITTEN: dict[type, list[str]] = {
    bool: ["boolean"], int: ["integer", "string"], float: ["number", "string"], str: ["string"], Path: ["string"],
    InterfaceSpec: ["string"], ProxySpec: ["string"], tuple: ["array"],
}


def settings_schema() -> dict[str, Any]:
    """A schema for documents as settings files are. `x-live` says whether a change needs no restart."""
    properties: dict[str, Any] = {section: _table(kind) for section, kind in SINGLE_TABLES.items()}
    properties.update(
        (section, {"type": "object", "additionalProperties": _table(kind)}) for section, kind in NAMED_TABLES.items())
    properties.update((section, {"type": "array", "items": _table(kind)}) for section, kind in LISTED_TABLES.items())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of BlobTorrent",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _table(kind: type[Section]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    options = dict(kind.options())
    table: dict[str, Any] = {
        "type": "object",
        "description": kind.__doc__,
        "properties": {key: _option(option, hints[key]) for key, option in options.items()},
        "additionalProperties": False,
    }
    required = [key for key, option in options.items() if option.default is None]
    if required:
        table["required"] = required
    return table


def _option(option: Option, hint: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"description": option.doc, "x-live": option.is_live}
    if option.default is not None:
        described["default"] = option.default
    if isinstance(option.read, OneOf):
        return {**described, "type": "string", "enum": list(option.read.words)}
    return {**described, "type": _WRITTEN[_class_of(hint)]}


def _class_of(hint: Any) -> type:
    """The class of a value, whatever is in it; of a value that may be absent, that of one that is there."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(part for part in get_args(hint) if part is not NoneType)
    found: type = get_origin(hint) or hint
    return found
