"""What users define: variables, methods with a body, and multi methods, which have bodies by key. Events are such.

Built-in variables live here as well, so that `method.get` shows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.faults import failed, wrong_type
from blobtorrent.interface.rtorrent.registry import Command, Registry, Run
from blobtorrent.interface.rtorrent.values import Call, Value, convert_number, measured, one_number, one_text


class Kind(Enum):
    """What a definition holds. In the order in which the words are looked for."""

    MULTI = "multi"         # bodies by key; called, it runs them all in the order of the keys
    SIMPLE = "simple"       # one body
    VALUE = "value"         # an integer
    BOOL = "bool"
    STRING = "string"
    LIST = "list"


class Definition:
    """One defined name. `value` is a body, the value of a variable, or of a multi method bodies by key."""

    __slots__ = ("has_rlookup", "is_const", "is_static", "kind", "value")

    def __init__(self, kind: Kind, value: Value, *, is_const: bool, is_static: bool, has_rlookup: bool) -> None:
        self.kind = kind
        self.value = value
        self.is_const = is_const        # never changed again
        self.is_static = is_static      # never erased
        self.has_rlookup = has_rlookup  # `method.rlookup` finds it by its keys


class Store:
    """The definitions, each with its commands in the registry. Owned by the thread that runs commands."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._definitions: dict[str, Definition] = {}
        self._holders: dict[str, dict[str, None]] = {}     # multi methods that are found by a key, in the order it came

    def define(self, name: str, kind: Kind, value: Value = None, *, is_const: bool = False, is_static: bool = False,
               is_private: bool = False, has_rlookup: bool = False, doc: str = "", category: str = "user",
               is_safe: bool = False) -> None:
        """Define `name`, and NAME.set for a variable that may change. Raises Fault for a taken name and for a `value`
        of another kind."""
        has_setter = kind not in (Kind.MULTI, Kind.SIMPLE) and not is_const
        setter = name + ".set"
        if not name or self._registry.is_taken(name) or has_setter and self._registry.is_taken(setter):
            raise failed("Invalid key.")
        definition = Definition(kind, _initial(kind, value), is_const=is_const, is_static=is_static,
                                has_rlookup=has_rlookup)
        run, returns = _getter(definition)
        target = Target.ANY if kind in (Kind.MULTI, Kind.SIMPLE) else Target.NONE
        self._registry.add(Command(name, target, run, returns, is_safe, False, doc, category, False, not is_private))
        if has_setter:
            self._registry.add(Command(setter, Target.NONE, _setter(definition), returns, is_safe, False,
                                       doc and f"Setter of {name}; answers the new value.", category, False,
                                       not is_private))
        self._definitions[name] = definition

    def find(self, name: str) -> Definition | None:
        return self._definitions.get(name)

    def get(self, name: str) -> Definition:
        """Raises Fault when `name` is not defined here."""
        definition = self._definitions.get(name)
        if definition is None:
            raise failed("Key not found.")
        return definition

    def erase(self, name: str) -> None:
        """Forget what a user defined under `name`, or an alias, if it is there. Raises Fault for what is built in."""
        if name in dict(self._registry.redirects()):
            self._registry.remove(name)
            return
        definition = self._definitions.get(name)
        if definition is None and name not in self._registry:
            return
        if definition is None or definition.is_static:
            raise failed("Command not modifiable.")
        self._registry.remove(name)
        del self._definitions[name]
        if definition.kind not in (Kind.MULTI, Kind.SIMPLE) and not definition.is_const:
            self._registry.remove(name + ".set")

    def bodies(self, name: str) -> dict[str, Value]:
        """The bodies of a multi method by key. Raises Fault when it is none."""
        definition = self.get(name)
        if not isinstance(definition.value, dict):
            raise failed("Object is wrong type or const.")
        return definition.value

    def set_key(self, name: str, key: str, body: Value) -> None:
        """Give a multi method a body under `key`; None removes it. Raises Fault."""
        bodies = self.bodies(name)
        if self.get(name).is_const:
            raise failed("Object is wrong type or const.")
        if body is None:
            bodies.pop(key, None)
            self._holders.get(key, {}).pop(name, None)
        else:
            bodies[key] = measured(body)
            if self.get(name).has_rlookup:
                self._holders.setdefault(key, {})[name] = None

    def rlookup(self, key: str) -> list[str]:
        """The multi methods with rlookup that have `key`, in the order they got it."""
        return list(self._holders.get(key, ()))


def ordered(bodies: dict[str, Value]) -> list[str]:
    """The keys of a multi method in the order they run: by their bytes."""
    return sorted(bodies, key=lambda key: key.encode("utf-8", "surrogateescape"))


def _initial(kind: Kind, value: Value) -> Value:
    """What a definition starts with. Raises Fault."""
    if kind is Kind.MULTI:
        return {}
    if kind is Kind.SIMPLE:
        return measured(value)
    if kind is Kind.LIST:
        return measured(list(value)) if isinstance(value, list) else []
    if kind is Kind.STRING:
        if value is None or isinstance(value, (int, str)):
            return "" if value is None else str(value)
        raise failed("Not a string.")
    number = 0 if value is None else convert_number(value)
    return int(bool(number)) if kind is Kind.BOOL else number


def _getter(definition: Definition) -> tuple[Run, str]:
    """What calling a definition does, and what it answers."""

    def run_body(context: Context, item: Any, args: Sequence[Value]) -> Value:
        return context.given(args or [None]).run(definition.value)

    def run_bodies(context: Context, item: Any, args: Sequence[Value]) -> Value:
        bodies = definition.value
        if isinstance(bodies, dict):
            inner = context.given(args or [None])
            for key in ordered(bodies):
                if key in bodies:       # one before may have removed it
                    inner.run(bodies[key])
        return None

    def read(context: Context, item: Any, args: Sequence[Value]) -> Value:
        return definition.value

    if definition.kind is Kind.SIMPLE:
        return run_body, "any"
    if definition.kind is Kind.MULTI:
        return run_bodies, "none"
    return read, {Kind.STRING: "string", Kind.LIST: "array"}.get(definition.kind, "i8")


def _setter(definition: Definition) -> Run:
    """What NAME.set does: it answers the new value."""

    def assign(context: Context, item: Any, args: Sequence[Value]) -> Value:
        if definition.is_const:
            raise failed("Object is wrong type or const.")
        if definition.kind is Kind.STRING:
            definition.value = one_text(args)
        elif definition.kind is Kind.LIST:
            definition.value = measured(list(args))
        else:
            number = one_number(args)
            definition.value = int(bool(number)) if definition.kind is Kind.BOOL else number
        return definition.value

    return assign


def body_of(values: Sequence[Value]) -> Value:
    """The body that the arguments of a definition make up: texts are joined, the first must be one. Raises Fault."""
    texts: list[str] = []
    for value in values:
        if not isinstance(value, str):
            raise wrong_type()
        texts.append(value)
    return " ;".join(texts)


def flexible_body_of(values: Sequence[Value]) -> Value:
    """The same where function objects are welcome too: alone, or several to be run in turn. Raises Fault."""
    if any(isinstance(value, list) for value in values):
        raise failed("New command of wrong type.")
    if not any(isinstance(value, Call) for value in values):
        return body_of(values)
    return values[0] if len(values) == 1 else list(values)
