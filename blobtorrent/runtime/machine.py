"""Explicit state machines: a Table of transitions, and a Machine that holds a current state.

A table is data. `Table.next` is pure, so that one table drives one object or an array of a hundred thousand pieces; a
Machine adds the state of one object and tells an observer, on the owner's thread, what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Generic, TypeVar

from blobtorrent.model.errors import IllegalTransition

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)


class Table(Generic[S, E]):
    """Transitions compiled to one flat dict.

    `edges` is {state: {event: next state}}. `parents` is {parent: children}: children inherit the parent's edges unless
    they have their own for an event; a parent is a name for its children, never itself a current state or a target.
    `home` is the healthy resting state, `start` the first one (default: home). `faults` are states with a way home,
    `ends` states that nothing leaves. The tests walk every table and hold it to these declarations.

    Raises ValueError when an edge leads to a parent or a parent is its own ancestor.
    """

    def __init__(
        self,
        edges: Mapping[S, Mapping[E, S]],
        *,
        home: S,
        parents: Mapping[S, Iterable[S]] | None = None,
        start: S | None = None,
        faults: Iterable[S] = (),
        ends: Iterable[S] = (),
    ) -> None:
        self.home = home
        self.start = home if start is None else start
        self.faults = frozenset(faults)
        self.ends = frozenset(ends)
        self.parents: dict[S, tuple[S, ...]] = {parent: tuple(kids) for parent, kids in (parents or {}).items()}
        targets = {target for row in edges.values() for target in row.values()}
        named = {*edges, *targets, home, self.start, *self.faults, *self.ends}
        named.update(child for children in self.parents.values() for child in children)
        self.states: frozenset[S] = frozenset(named - self.parents.keys())
        for target in targets | {home, self.start}:
            if target in self.parents:
                raise ValueError(f"{target} is a parent and cannot be entered")
        self._next: dict[tuple[S, E], S] = {
            (state, event): target
            for state in self.states
            for ancestor in reversed(self._lineage(state))
            for event, target in edges.get(ancestor, {}).items()
        }
        self.events: frozenset[E] = frozenset(event for _, event in self._next)

    def _lineage(self, state: S) -> list[S]:
        """The state itself, then its parents, nearest first."""
        lineage = [state]
        for ancestor in lineage:
            for parent, children in self.parents.items():
                if ancestor in children:
                    if parent in lineage:
                        raise ValueError(f"{parent} is its own ancestor")
                    lineage.append(parent)
        return lineage

    def next(self, state: S, event: E) -> S:
        """Where `event` leads from `state`. Raises IllegalTransition ("machine.illegal-transition")."""
        try:
            return self._next[state, event]
        except KeyError:
            raise IllegalTransition("machine.illegal-transition", f"{state} does not know {event}") from None

    def can(self, state: S, event: E) -> bool:
        return (state, event) in self._next

    def edges_of(self, state: S) -> dict[E, S]:
        """All transitions out of a state, inherited ones included."""
        return {event: target for (source, event), target in self._next.items() if source is state}

    def is_in(self, state: S, group: S) -> bool:
        """Whether `state` is `group` or lies below it."""
        return group in self._lineage(state)


class Machine(Generic[S, E]):
    """One object's state. `on_change(old, event, new)` runs after every transition, also one back to the same state."""

    __slots__ = ("table", "state", "_on_change")

    def __init__(
        self,
        table: Table[S, E],
        start: S | None = None,
        on_change: Callable[[S, E, S], None] | None = None,
    ) -> None:
        self.table = table
        self.state: S = table.start if start is None else start
        self._on_change = on_change

    def __repr__(self) -> str:
        return f"Machine({self.state})"

    def can(self, event: E) -> bool:
        return self.table.can(self.state, event)

    def is_in(self, group: S) -> bool:
        return self.table.is_in(self.state, group)

    def fire(self, event: E) -> S:
        """Take one transition and return the new state.

        Raises IllegalTransition and changes nothing when the state does not know the event.
        """
        old = self.state
        self.state = self.table.next(old, event)
        if self._on_change is not None:
            self._on_change(old, event, self.state)
        return self.state
