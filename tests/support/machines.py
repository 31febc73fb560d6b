"""Walks a machine table and says what is wrong with it."""

from __future__ import annotations

from enum import Enum
from typing import Any

from blobtorrent.runtime.machine import Table


def reachable(table: Table[Any, Any], start: Enum) -> set[Enum]:
    """All states that some sequence of events leads to from `start`, itself included."""
    found = {start}
    waiting = [start]
    while waiting:
        for target in table.edges_of(waiting.pop()).values():
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


def flaws(table: Table[Any, Any]) -> list[str]:
    """What breaks the rules for tables: empty for a sound one.

    Every state is reached from the start; states and events are of one enum each; the start leads home and so does
    every fault; exactly the declared ends have no way out; from every other state there is a way home or to an end.
    """
    found = [f"{state} is never reached" for state in table.states - reachable(table, table.start)]
    for what, members in (("states", table.states), ("events", table.events)):
        if len({type(member) for member in members}) > 1:
            found.append(f"{what} of several enums")
    if table.home not in reachable(table, table.start):
        found.append("the start does not lead home")
    for state in table.states:
        dead_end = not table.edges_of(state)
        if dead_end and state not in table.ends:
            found.append(f"nothing leaves {state}, which is not declared an end")
        if not dead_end and state in table.ends:
            found.append(f"{state} is declared an end, but has edges")
        beyond = reachable(table, state)
        if state in table.faults and table.home not in beyond:
            found.append(f"the fault {state} has no way home")
        if not dead_end and table.home not in beyond and not beyond & table.ends:
            found.append(f"{state} leads neither home nor to an end")
    return sorted(found)
