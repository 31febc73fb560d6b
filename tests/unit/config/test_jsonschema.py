"""The JSON Schema of the settings: every option, with the type of what may be written for it."""

from __future__ import annotations

import pytest

from blobtorrent.config.jsonschema import settings_schema
from blobtorrent.config.schema import LISTED_TABLES, NAMED_TABLES, TABLES

TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
SCHEMA = settings_schema()["properties"]


def table_of(section: str) -> dict:
    described = SCHEMA[section]
    if section in NAMED_TABLES:
        return described["additionalProperties"]
    return described["items"] if section in LISTED_TABLES else described


OPTIONS = [(section, key, option) for section, kind in TABLES.items() for key, option in kind.options()]


def test_every_section_and_no_other_is_there():
    assert SCHEMA.keys() == TABLES.keys()
    assert {section for section in SCHEMA if SCHEMA[section]["type"] == "array"} == set(LISTED_TABLES)


@pytest.mark.parametrize(("section", "key", "option"), OPTIONS, ids=[f"{section}.{key}" for section, key, _ in OPTIONS])
def test_an_option_is_described(section, key, option):
    described = table_of(section)["properties"][key]
    assert (described["description"], described["x-live"]) == (option.doc, option.is_live)
    if option.default is None:
        assert key in table_of(section)["required"]
        return
    assert described["default"] == option.default
    types = described["type"] if isinstance(described["type"], list) else [described["type"]]
    number = ["number"] if isinstance(option.default, int) and "number" in types else []
    assert set(types) & {TYPES[type(option.default)], *number}


def test_words_are_told():
    assert table_of("storage")["properties"]["sync"]["enum"] == ["normal", "always"]


def test_what_is_misspelt_is_not_allowed():
    for section in TABLES:
        assert table_of(section)["additionalProperties"] is False
