"""Calls: from the name and the parameters of a request to a command and its result. On the thread `rtorrent`.

The first parameter is the target, the others are the arguments; a single list among these is the arguments. The calls
that rTorrent's XML-RPC library answers by itself (`system.multicall` and those that tell of methods) are here, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, cast

from blobtorrent.interface.rtorrent.context import NOTHING, Aim, Budget, Context, Trust
from blobtorrent.interface.rtorrent.faults import (
    INDEX,
    NO_SUCH_METHOD,
    Fault,
    no_such_command,
    no_such_method,
)
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.library import LIBRARY, NO_HELP, UNKNOWN
from blobtorrent.interface.rtorrent.reading import JSON, MULTICALL, XML_OF_9, Reading, not_text, text_target
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value
from blobtorrent.interface.rtorrent.xmlanswer import FaultStruct, Short, Truth
from blobtorrent.interface.rtorrent.xmlrpc import Raw
from blobtorrent.runtime.pacing import Pace

# Those that take no target in 0.9.8, and an empty one in 0.16. Most may be called either way, whatever is claimed.
WITHOUT_TARGET: Final = frozenset((
    "execute", "execute_throw", "execute_nothrow", "execute_raw", "execute_raw_nothrow", "execute_capture",
    "execute_capture_nothrow", "schedule", "schedule_remove", "upload_rate", "download_rate", "ratio.enable",
    "ratio.disable", "ratio.min", "ratio.min.set", "ratio.max", "ratio.max.set", "ratio.upload", "ratio.upload.set",
    "encryption", "encoding_list", "connection_leech", "connection_seed", "max_memory_usage", "dht", "dht_port",
    "directory", "session", "to_gm_time", "to_gm_date", "to_time", "to_date", "to_elapsed_time", "to_kb", "to_mb",
    "to_xb", "to_throttle",
))

_OF_GROUP: Final = re.compile(r"group\..+\.(view|ratio\.(min|max|upload))(\.set)?")

# Of these, those to which no client sends an empty target unless 0.16 is claimed: before, it was one argument too many.
_EXACT: Final = re.compile(r"(to_|ratio\.|group\.).+")

_MANY = "  (A '*' at the end would avoid this failure)"


class Calls:
    """`aim_of(text)` finds the target that a request names: HASH, HASH:fN, HASH:tN or HASH:pID. Raises Fault.
    `reading` is how requests in XML are read.
    """

    def __init__(self, interpreter: Interpreter, aim_of: Callable[[str], Aim], reading: Reading = XML_OF_9) -> None:
        self._reading = reading
        self._interpreter = interpreter
        self._aim_of = aim_of
        self._library: dict[str, Callable[[Sequence[Raw]], Value]] = {
            "system.listMethods": self._list_methods,
            "system.methodExist": self._method_exists,
            "system.methodHelp": self._method_help,
            "system.methodSignature": self._method_signature,
            "system.shutdown": _shutdown,
            "system.capabilities": _capabilities,
            "system.getCapabilities": _introspection,
        }

    def answer(self, name: str, params: Sequence[Raw], trust: Trust) -> Value:
        """The result of an XML-RPC call. Raises Fault."""
        if name == MULTICALL:
            return self._multicall(params, trust)
        return self._answer_one(name, params, trust)

    def answer_json(self, name: str, params: Sequence[Value], trust: Trust, budget: Budget | None = None) -> Value:
        """The result of a JSON-RPC call, which has no multicall, and whose target is always text. `budget` is that of
        its batch. Raises Fault."""
        if name == "system.listMethods":
            return self._list_methods(())
        command = self._find(name)
        raw = cast("Sequence[Raw]", params)
        if raw:
            text_target(raw[0])
        return self._run(command, name, raw, trust, budget, JSON)

    def _answer_one(self, name: str, params: Sequence[Raw], trust: Trust, budget: Budget | None = None) -> Value:
        answer = self._library.get(name)
        if answer is not None:
            return answer(params)
        return self._run(self._find(name), name, params, trust, budget, self._reading)

    def _find(self, name: str) -> Command:
        registry = self._interpreter.registry
        command = registry.find(name)
        if command is None and registry.was_erased(name):
            raise no_such_command(name)
        if command is None or not command.is_public:
            raise no_such_method(name)
        return command

    def _run(
        self, command: Command, name: str, params: Sequence[Raw], trust: Trust, budget: Budget | None,
        reading: Reading,
    ) -> Value:
        aim = NOTHING
        if name in WITHOUT_TARGET or _OF_GROUP.fullmatch(name):
            is_dropped = reading.drops_empty or not _EXACT.fullmatch(name)
            if is_dropped and params and params[0] == "":
                params = params[1:]
        elif params:
            target, params = reading.target(params[0]), params[1:]
            if target:
                aim = self._aim_of(target)
        args = list(map(reading.argument, params))
        if len(args) == 1 and isinstance(args[0], list):
            args = args[0]
        return self._interpreter.call(Context(self._interpreter, trust, aim, budget=budget), command.name, args)

    # ---- what rTorrent's library answers

    def _multicall(self, params: Sequence[Raw], trust: Trust) -> Value:
        """Each result is a list of one value, or a struct that tells of a fault."""
        pace, budget = Pace(), Budget()
        results: list[Value] = []
        for name, entry_params in self._reading.calls(params):
            budget.begin_next()
            try:
                results.append([self._answer_one(name, entry_params, trust, budget)])
            except Fault as fault:
                results.append(FaultStruct(fault))
            pace.look()
        return results

    def _list_methods(self, params: Sequence[Raw]) -> Value:
        _expect(params, 0)
        return [*LIBRARY, *(name for name in self._interpreter.registry.names() if name not in LIBRARY)]

    def _method_exists(self, params: Sequence[Raw]) -> Value:
        return Truth(self._knows(_name_of(params)))

    def _method_help(self, params: Sequence[Raw]) -> Value:
        name = _name_of(params)
        self._require(name)
        if name in LIBRARY:
            return LIBRARY[name].help
        command = self._interpreter.registry.find(name)
        return command.doc if command is not None and command.doc else NO_HELP

    def _method_signature(self, params: Sequence[Raw]) -> Value:
        name = _name_of(params)
        self._require(name)
        return [list[Value](LIBRARY[name].signature)] if name in LIBRARY else UNKNOWN

    def _knows(self, name: str) -> bool:
        command = self._interpreter.registry.find(name)
        return name in LIBRARY or command is not None and command.is_public

    def _require(self, name: str) -> None:
        if not self._knows(name):
            raise Fault(NO_SUCH_METHOD, f"Method '{name}' does not exist")


def _name_of(params: Sequence[Raw]) -> str:
    _expect(params, 1)
    if not isinstance(params[0], str):
        raise not_text(params[0])
    return params[0]


def _expect(params: Sequence[Raw], count: int) -> None:
    if len(params) > count:
        raise Fault(INDEX, f"Format string requests exactly {count} items from array, but array has {len(params)} "
                    f"items.{_MANY}")
    if len(params) < count:
        raise Fault(INDEX, f"Format string requests {count} items from array, but array has only {len(params)} items.")


def _shutdown(_params: Sequence[Raw]) -> Value:
    raise Fault(0, "This server program is not capable of shutting down")


def _capabilities(params: Sequence[Raw]) -> Value:
    if params:
        raise Fault(INDEX, f"There are no parameters.  You supplied {len(params)}")
    return {
        "facility": "xmlrpc-c", "version_major": Short(1), "version_minor": Short(33), "version_point": Short(14),
        "protocol_version": Short(2),
    }


def _introspection(params: Sequence[Raw]) -> Value:
    if params:
        raise Fault(INDEX, f"There are no parameters.  You supplied {len(params)}")
    url = "http://xmlrpc-c.sourceforge.net/xmlrpc-c/introspection.html"
    return {"introspect": {"specUrl": url, "specVersion": Short(1)}}
