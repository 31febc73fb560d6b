"""Defining commands at run time: `method.*`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.faults import failed, wrong_type
from blobtorrent.interface.rtorrent.registry import Command, Registry, Run
from blobtorrent.interface.rtorrent.store import Kind, Store, body_of, flexible_body_of, ordered
from blobtorrent.interface.rtorrent.values import Value, measured, one_number, one_text, to_text

CATEGORY = "language"

# Commands that are variables of rTorrent itself, which `method.get` shows.
_VARIABLES = """
    dht.port directory.default file.prioritize_toc file.prioritize_toc.first file.prioritize_toc.last keys.layout
    method.use_deprecated method.use_intermediate network.port_open network.port_random network.port_range
    network.scgi.dont_route pieces.hash.on_completion protocol.choke_heuristics.down.leech
    protocol.choke_heuristics.down.seed protocol.choke_heuristics.up.leech protocol.choke_heuristics.up.seed
    protocol.connection.leech protocol.connection.seed protocol.pex scheduler.max_active session.name
    session.on_completion session.use_lock system.api_version system.client_version system.daemon
    system.file.allocate system.file.max_size system.file.split_size system.file.split_suffix system.library_version
    throttle.max_downloads throttle.max_downloads.div._val throttle.max_downloads.global._val
    throttle.max_peers.normal throttle.max_peers.seed throttle.max_uploads throttle.max_uploads.div._val
    throttle.max_uploads.global._val throttle.min_downloads throttle.min_peers.normal throttle.min_peers.seed
    throttle.min_uploads trackers.numwant trackers.use_udp ui.throttle.global.step.large
    ui.throttle.global.step.medium ui.throttle.global.step.small ui.torrent_list.layout view.filter.temp.excluded
    view.filter.temp.log
"""
VARIABLES = frozenset(_VARIABLES.split())


def commands(registry: Registry, store: Store, *, tells_kinds: bool = False) -> Iterator[Command]:
    """The commands that define, change and show definitions in `store`. `tells_kinds`: a kind that nobody knows is a
    fault."""

    def code(name: str, run: Run, doc: str, returns: str = "none") -> Command:
        return Command(name, Target.NONE, run, returns, False, False, doc, CATEGORY, is_code=True)

    def query(name: str, run: Run, doc: str, returns: str) -> Command:
        return Command(name, Target.NONE, run, returns, True, False, doc, CATEGORY)     # safe in rTorrent 0.16, too

    own = _Methods(registry, store, tells_kinds=tells_kinds)
    yield code("method.insert", own.insert, "Defines a method or variable; its kinds are joined by bars.")
    for kind in (Kind.VALUE, Kind.BOOL, Kind.STRING, Kind.LIST):
        yield code(f"method.insert.{kind.value}", own.insert_variable(kind), f"Defines a {kind.value} with a setter.")
    yield code("method.insert.simple", own.insert_body(is_const=False, is_static=False), "Defines a method.")
    yield code("method.insert.c_simple", own.insert_body(is_const=True, is_static=False), "The same, constant.")
    yield code("method.insert.s_c_simple", own.insert_body(is_const=True, is_static=True),
               "The same, constant, for good.")
    yield code("method.erase", own.erase, "Removes what a user defined.")
    yield code("method.redirect", own.redirect, "Gives a command another name.")
    yield query("method.get", own.get, "The body of a method, the value of a variable.", "any")
    yield code("method.set", own.replace, "Replaces the body of a method and answers it.", "any")
    yield query("method.const", own.const, "One when a definition is constant.", "i8")
    yield code("method.const.enable", own.enable_const, "Makes a definition constant.")
    yield code("method.set_key", own.set_key,
               "Gives a multi method or event a body under a key; without body removes it.")
    yield query("method.has_key", own.has_key, "One when a multi method has the key.", "i8")
    yield query("method.list_keys", own.list_keys, "The keys of a multi method, sorted.", "array")
    yield query("method.rlookup", own.rlookup, "The multi methods that have a key.", "array")
    yield code("method.rlookup.clear", own.clear, "Removes a key from all multi methods found by it.")
    yield from _generations()


class _Methods:
    """What the commands do to the definitions in `store`; stand-ins for commands that are lent are left out."""

    def __init__(self, registry: Registry, store: Store, *, tells_kinds: bool) -> None:
        self._registry = registry
        self._store = store
        self._tells_kinds = tells_kinds

    def insert(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        if len(args) < 2:
            raise failed("Invalid argument count.")
        name, words = to_text(args[0]), to_text(args[1])
        if "const" in words and self._registry.is_lent(name):
            return None     # front-ends have their users define stand-ins for what rTorrent lacks: ours does it
        kind = next((kind for kind in Kind if kind.value in words), None)
        if kind is None and self._tells_kinds:
            raise failed("unknown flag")
        if kind is None:
            return None     # nothing is defined, and nobody is told: configurations rely on it
        rlookup = "rlookup" in words and kind is Kind.MULTI
        if rlookup and "static" not in words:
            raise failed("Cannot insert non-static or non-multi-type object with rlookup enabled.")
        value = body_of(args[2:]) if kind is Kind.SIMPLE else args[2] if len(args) > 2 else None
        self._store.define(name, kind, value, is_const="const" in words, is_static="static" in words,
                     is_private="private" in words, has_rlookup=rlookup)
        return None

    def insert_variable(self, kind: Kind) -> Run:
        def run(context: Context, item: Any, args: Sequence[Value]) -> Value:
            if not args:
                raise failed("Invalid argument count.")
            self._store.define(to_text(args[0]), kind, args[1] if len(args) > 1 else None)
            return None
        return run

    def insert_body(self, *, is_const: bool, is_static: bool) -> Run:
        def run(context: Context, item: Any, args: Sequence[Value]) -> Value:
            if not args:
                raise failed("Invalid argument count.")
            self._store.define(to_text(args[0]), Kind.SIMPLE, flexible_body_of(args[1:]), is_const=is_const,
                         is_static=is_static)
            return None
        return run

    def erase(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        self._store.erase(one_text(args))
        return None

    def redirect(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        if len(args) != 2:
            raise failed("Invalid argument count.")
        alias, name = map(to_text, args)
        if not self._registry.is_lent(alias):     # another stand-in
            self._registry.redirect(alias, name)
        return None

    def get(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        name = one_text(args)
        if name in VARIABLES:
            return context.call(name)
        value = self._store.get(name).value
        return {key: value[key] for key in ordered(value)} if isinstance(value, dict) else value

    def replace(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        if not args:
            raise failed("Invalid argument count.")
        name = to_text(args[0])
        definition = self._store.find(name)
        if name not in VARIABLES and (definition is None or definition.is_const):
            raise failed("Command is not modifiable.")
        body = flexible_body_of(args[1:])
        if definition is None or definition.kind is not Kind.SIMPLE:
            raise failed("Object is wrong type or const.")
        definition.value = measured(body)
        return body

    def const(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        name = one_text(args)
        return int(name not in VARIABLES and self._store.get(name).is_const)

    def enable_const(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        self._store.get(one_text(args)).is_const = True
        return None

    def set_key(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        if len(args) < 2:
            raise failed("Invalid argument count.")
        self._store.set_key(to_text(args[0]), to_text(args[1]), _handler(args[2:]))
        return None

    def has_key(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        if len(args) < 2:
            raise failed("Invalid argument count.")
        return int(to_text(args[1]) in self._store.bodies(to_text(args[0])))

    def list_keys(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        definition = self._store.get(one_text(args))
        if not isinstance(definition.value, dict):
            raise wrong_type()
        return list(ordered(definition.value))

    def rlookup(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        return list(self._store.rlookup(one_text(args)))

    def clear(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        key = one_text(args)
        for name in self._store.rlookup(key):
            self._store.set_key(name, key, None)
        return None


def _handler(values: Sequence[Value]) -> Value:
    """The body under a key: texts are joined; of others the first is it; none removes. Raises Fault."""
    if not values:
        return None
    if isinstance(values[0], str):
        return body_of(values)
    if isinstance(values[0], (int, type(None))):
        raise wrong_type()
    return values[0]


def _generations() -> Iterator[Command]:
    """Which generations of names are on offer. All are, always; the settings only remember what they were told."""

    def remembered(name: str, number: int, doc: str) -> Iterator[Command]:
        box = [number]

        def read(context: Context, item: Any, args: Sequence[Value]) -> Value:
            return box[0]

        def write(context: Context, item: Any, args: Sequence[Value]) -> Value:
            box[0] = one_number(args)
            return box[0]

        yield Command(name, Target.NONE, read, "i8", True, True, doc, CATEGORY)
        yield Command(f"{name}.set", Target.NONE, write, "i8", False, True, f"Setter of {name}.", CATEGORY,
                      is_code=True)

    yield from remembered("method.use_deprecated", 0, "Whether names of before 0.9 are offered: they are.")
    yield from remembered("method.use_intermediate", 1, "How names of 0.9 are offered: they are.")
