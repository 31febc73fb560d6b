"""Reading requests: targets, arguments, and the calls of a `system.multicall`, as the generations of rTorrent do. Pure.

0.9 has a library for XML-RPC (xmlrpc-c), which tells of everything that is missing; 0.16 has a reader of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, cast

from blobtorrent.interface.rtorrent.faults import (
    FAILED,
    INDEX,
    OF_16,
    REFUSED,
    TYPE,
    Fault,
    FaultOf16,
    failed,
    unsupported_target,
)
from blobtorrent.interface.rtorrent.values import Value
from blobtorrent.interface.rtorrent.xmlrpc import Raw, Unsupported

MULTICALL: Final = "system.multicall"
HASH_DIGITS: Final = 40

_TYPE_NUMBERS: Final = {"i8": 10, "double": 2, "dateTime.iso8601": 3, "nil": 9, "ex:nil": 9}

EntryCalls = Iterator[tuple[str, list[Raw]]]


class Reading(NamedTuple):
    """How requests are read. All raise Fault.

    `target` makes HASH, HASH:fN, HASH:tN, HASH:pID or, for none, an empty text of the first parameter; `argument` is
    for the others. `calls` are those of a multicall, one by one, so that what is wrong with one is told after those
    before it. `drops_empty`: whoever takes no target may be called with an empty one.
    """

    target: Callable[[Raw], str]
    argument: Callable[[Raw], Value]
    calls: Callable[[Sequence[Raw]], EntryCalls]
    drops_empty: bool


# ---- 0.9

def _target_of_9(param: Raw) -> str:
    return param if isinstance(param, str) else ""


def _argument_of_9(param: Raw) -> Value:
    """A list of one is that one. Raises Fault for types that no command takes."""
    if isinstance(param, (str, int)) and not isinstance(param, bool):
        return param
    if isinstance(param, list):
        return _argument_of_9(param[0]) if len(param) == 1 else [_argument_of_9(item) for item in param]
    raise Fault(TYPE, "Unsupported type found.")


def _calls_of_9(params: Sequence[Raw]) -> EntryCalls:
    if len(params) != 1:
        raise failed(f"{MULTICALL} takes one parameter, which is an array, each element describing one RPC.  "
                     f"You supplied {len(params)} arguments")
    entries = params[0]
    if not isinstance(entries, list):
        raise Fault(TYPE, f"{MULTICALL}'s parameter should be an array, each element describing one RPC.  "
                    f"But it is type {_type_number(entries)} instead.")
    return map(_call_of_9, entries)


def _call_of_9(entry: Raw) -> tuple[str, list[Raw]]:
    if not isinstance(entry, dict):
        raise Fault(TYPE, f"An element of the multicall array is type {_type_number(entry)}, but should be a struct "
                    "(with members 'methodName' and 'params')")
    for member in ("methodName", "params"):
        if member not in entry:
            raise Fault(INDEX, f"No member of struct has key '{member}'")
    name, params = entry["methodName"], entry["params"]
    if not isinstance(name, str):
        raise not_text(name)
    if not isinstance(params, list):
        raise Fault(TYPE, f"Value to be decomposed is of type {_type_name(params)}, but the 'A' specifier requires "
                    "type ARRAY")
    if name == MULTICALL:
        raise Fault(REFUSED, f"Recursive {MULTICALL} forbidden")
    return name, params


def not_text(value: Raw) -> Fault:
    """Something else where the library wants text."""
    return Fault(TYPE, f"Value of type {_type_name(value)} supplied where string type was expected.")


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


# ---- 0.16

def text_target(param: Raw) -> str:
    """What 0.16 takes as a target. Raises Fault."""
    if not isinstance(param, str):
        raise failed("invalid parameters: target must be a string")
    return param


def _target_of_16(param: Raw) -> str:
    """Behind a hash, all up to a colon is passed over; a colon with no index behind its letter is none."""
    text = text_target(param)
    if not text:
        return ""
    if len(text) < HASH_DIGITS:
        raise unsupported_target()
    hash_, colon = text[:HASH_DIGITS], text.find(":", HASH_DIGITS)
    kind = text[colon + 1:colon + 2] if 0 < colon < len(text) - 2 else "d"
    if kind == "d":
        return hash_
    if kind not in "ftp":
        raise Fault(TYPE, "Unsupported target type found.", "invalid parameters: unexpected target type")
    return f"{hash_}:{text[colon + 1:]}"


def _argument_of_16(param: Raw) -> Value:
    """Truths are numbers, maps are taken as well. Raises Fault for all else."""
    if isinstance(param, bool):
        return int(param)
    if isinstance(param, list):
        return [_argument_of_16(item) for item in param]
    if isinstance(param, dict):
        return {name: _argument_of_16(item) for name, item in param.items()}
    if isinstance(param, Unsupported):
        raise Fault(OF_16, f"received unsupported value type: {param.type}")
    return param


def _calls_of_16(params: Sequence[Raw]) -> EntryCalls:
    """One without parameters may leave them out; a multicall in another is a method that is not there."""
    if not params:
        raise _not_found("param")
    if not isinstance(params[0], list):
        raise _not_found("array")
    return map(_call_of_16, params[0])


def _call_of_16(entry: Raw) -> tuple[str, list[Raw]]:
    if not isinstance(entry, dict):
        raise _not_found("struct")
    if not entry:
        raise _not_found("member")
    name, params = entry.get("methodName"), entry.get("params")
    if not isinstance(name, str):
        raise _not_found("string")
    return name, params if isinstance(params, list) else []


def _not_found(element: str) -> Fault:
    return FaultOf16(FAILED, f"could not find expected element {element}")


XML_OF_9: Final = Reading(_target_of_9, _argument_of_9, _calls_of_9, drops_empty=False)
XML_OF_16: Final = Reading(_target_of_16, _argument_of_16, _calls_of_16, drops_empty=True)

# Maps are values there, too, and the reader has refused what nobody takes.
JSON: Final = XML_OF_16._replace(argument=lambda param: cast(Value, param))
