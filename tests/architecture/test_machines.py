"""Every machine table of the package is sound: no dead states, no faults without a way home, ends as declared."""

from __future__ import annotations

import importlib
from enum import Enum
from typing import Any

import pytest

from blobtorrent.runtime.machine import Table
from tests.support.machines import flaws
from tests.support.source import imports_of, modules


def all_tables() -> dict[str, Table[Any, Any]]:
    """Every table that a module defines, by MODULE.NAME."""
    users = [
        module for module in modules()
        if any(imported == "blobtorrent.runtime.machine" for imported, _ in imports_of(module))
    ]
    tables: dict[str, Table[Any, Any]] = {}
    for module in users:
        for name, value in vars(importlib.import_module(module)).items():
            if isinstance(value, Table) and value not in tables.values():
                tables[f"{module}.{name}"] = value
    return tables


@pytest.mark.parametrize("name", all_tables())
def test_the_table_is_sound(name):
    assert flaws(all_tables()[name]) == []


def test_no_state_or_event_is_declared_in_vain():
    known: set[Enum] = set()
    for table in all_tables().values():
        known |= table.states | table.events | table.parents.keys()
    declared = {member for enum in {type(member) for member in known} for member in enum}
    assert declared - known == set()


class Light(Enum):
    RED = 1
    GREEN = 2
    BROKEN = 3
    SCRAP = 4


class Do(Enum):
    SWITCH = 1
    BREAK = 2
    MEND = 3


SWITCHING = {Light.RED: {Do.SWITCH: Light.GREEN}, Light.GREEN: {Do.SWITCH: Light.RED, Do.BREAK: Light.BROKEN}}


def test_the_walk_passes_a_sound_table():
    sound = Table({**SWITCHING, Light.BROKEN: {Do.MEND: Light.RED}}, home=Light.RED, faults=[Light.BROKEN])
    assert flaws(sound) == []


@pytest.mark.parametrize(
    ("table", "flaw"),
    [
        (Table({**SWITCHING, Light.SCRAP: {Do.MEND: Light.RED}}, home=Light.RED), "Light.SCRAP is never reached"),
        (Table(SWITCHING, home=Light.RED), "nothing leaves Light.BROKEN, which is not declared an end"),
        (
            Table(
                {**SWITCHING, Light.BROKEN: {Do.SWITCH: Light.SCRAP}},
                home=Light.RED, faults=[Light.BROKEN], ends=[Light.SCRAP],
            ),
            "the fault Light.BROKEN has no way home",
        ),
        (
            Table({**SWITCHING, Light.BROKEN: {Do.MEND: Light.RED}}, home=Light.RED, ends=[Light.BROKEN]),
            "Light.BROKEN is declared an end, but has edges",
        ),
        (
            Table({**SWITCHING, Light.BROKEN: {Do.MEND: Light.BROKEN}}, home=Light.RED),
            "Light.BROKEN leads neither home nor to an end",
        ),
        (Table({Light.RED: {Do.BREAK: Light.SCRAP}}, home=Light.GREEN, start=Light.RED, ends=[Light.SCRAP]),
         "the start does not lead home"),
    ],
)
def test_the_walk_finds_what_is_wrong(table, flaw):
    assert flaw in flaws(table)
