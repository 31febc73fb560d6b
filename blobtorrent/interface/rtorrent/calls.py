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
    REFUSED,
    TYPE,
    Fault,
    failed,
    no_such_command,
    no_such_method,
)
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.library import LIBRARY, NO_HELP, UNKNOWN
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value
from blobtorrent.interface.rtorrent.xmlanswer import FaultStruct, Short, Truth
from blobtorrent.interface.rtorrent.xmlrpc import Raw, Unsupported
from blobtorrent.runtime.pacing import Pace

MULTICALL: Final = "system.multicall"

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

# Of these, those that take no empty target unless 0.16 is claimed: before, it was one argument too many. What sets
# something takes it always.
_EXACT: Final = re.compile(r"(to_|ratio\.|group\.).+")

_MANY = "  (A '*' at the end would avoid this failure)"
_TYPE_NUMBERS: Final = {"i8": 10, "double": 2, "dateTime.iso8601": 3, "nil": 9, "ex:nil": 9}


class Calls:
    """`aim_of(text)` finds the target that a request names: HASH, HASH:fN, HASH:tN or HASH:pID. Raises Fault.
    `is_modern`: rTorrent 0.16 or later is claimed.
    """

    def __init__(self, interpreter: Interpreter, aim_of: Callable[[str], Aim], *, is_modern: bool = False) -> None:
        self._is_modern = is_modern
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
        if params and not isinstance(params[0], str):
            raise failed("invalid parameters: target must be a string")
        # Maps are values there, too, and the reader has refused what nobody takes.
        return self._run(command, name, cast("Sequence[Raw]", params), trust, budget, accept=_as_it_is)

    def _answer_one(self, name: str, params: Sequence[Raw], trust: Trust, budget: Budget | None = None) -> Value:
        answer = self._library.get(name)
        if answer is not None:
            return answer(params)
        return self._run(self._find(name), name, params, trust, budget)

    def _find(self, name: str) -> Command:
        registry = self._interpreter.registry
        command = registry.find(name)
        if command is None and registry.was_erased(name):
            raise no_such_command(name)
        if command is None or not command.is_public:
            raise no_such_method(name)
        return command

    def _run(
        self, command: Command, name: str, params: Sequence[Raw], trust: Trust, budget: Budget | None, *,
        accept: Callable[[Raw], Value] | None = None,
    ) -> Value:
        aim = NOTHING
        if name in WITHOUT_TARGET or _OF_GROUP.fullmatch(name):
            is_dropped = self._is_modern or accept is not None or not _EXACT.fullmatch(name) or name.endswith(".set")
            if is_dropped and params and params[0] == "":
                params = params[1:]
        elif params:
            target, params = params[0], params[1:]
            if isinstance(target, str) and target:
                aim = self._aim_of(target)
        args = list(map(accept or _accepted, params))
        if len(args) == 1 and isinstance(args[0], list):
            args = args[0]
        return self._interpreter.call(Context(self._interpreter, trust, aim, budget=budget), command.name, args)

    # ---- what rTorrent's library answers

    def _multicall(self, params: Sequence[Raw], trust: Trust) -> Value:
        """Each result is a list of one value, or a struct that tells of a fault."""
        if len(params) != 1:
            raise failed(f"{MULTICALL} takes one parameter, which is an array, each element describing one RPC.  "
                         f"You supplied {len(params)} arguments")
        entries = params[0]
        if not isinstance(entries, list):
            raise Fault(TYPE, f"{MULTICALL}'s parameter should be an array, each element describing one RPC.  "
                        f"But it is type {_type_number(entries)} instead.")
        pace, budget = Pace(), Budget()
        results: list[Value] = []
        for entry in entries:
            name, entry_params = _read_entry(entry)
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


def _accepted(param: Raw) -> Value:
    """A parameter as commands take it: a list of one is that one. Raises Fault for types that none takes."""
    if isinstance(param, (str, int)) and not isinstance(param, bool):
        return param
    if isinstance(param, list):
        return _accepted(param[0]) if len(param) == 1 else [_accepted(item) for item in param]
    raise Fault(TYPE, "Unsupported type found.")


def _as_it_is(param: Raw) -> Value:
    return cast(Value, param)


def _read_entry(entry: Raw) -> tuple[str, list[Raw]]:
    if not isinstance(entry, dict):
        raise Fault(TYPE, f"An element of the multicall array is type {_type_number(entry)}, but should be a struct "
                    "(with members 'methodName' and 'params')")
    for member in ("methodName", "params"):
        if member not in entry:
            raise Fault(INDEX, f"No member of struct has key '{member}'")
    name, params = entry["methodName"], entry["params"]
    if not isinstance(name, str):
        raise Fault(TYPE, f"Value of type {_type_name(name)} supplied where string type was expected.")
    if not isinstance(params, list):
        raise Fault(TYPE, f"Value to be decomposed is of type {_type_name(params)}, but the 'A' specifier requires "
                    "type ARRAY")
    if name == MULTICALL:
        raise Fault(REFUSED, f"Recursive {MULTICALL} forbidden")
    return name, params


def _name_of(params: Sequence[Raw]) -> str:
    _expect(params, 1)
    if not isinstance(params[0], str):
        raise Fault(TYPE, f"Value of type {_type_name(params[0])} supplied where string type was expected.")
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


def _type_number(value: Raw) -> int:
    if isinstance(value, Unsupported):
        return _TYPE_NUMBERS.get(value.type, 9)
    if isinstance(value, (bool, str, list, dict)):
        return {bool: 1, str: 4, list: 6, dict: 7}[type(value)]
    return 0


def _type_name(value: Raw) -> str:
    if isinstance(value, Unsupported):
        return "NIL" if value.type.endswith("nil") else value.type.upper()
    return {bool: "BOOL", str: "STRING", list: "ARRAY", dict: "STRUCT"}.get(type(value), "INT")
