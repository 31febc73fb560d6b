"""JSON-RPC 2.0 as rTorrent 0.16 speaks it: reading requests, writing answers. Pure.

"No value" is 0, never null; members stand in sorted order; nothing follows the last brace. Batches are read entry by
entry, and long lists are written a few rows at a time, so that other threads get their turn in between.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, Union

from blobtorrent.interface.rtorrent.faults import (
    NO_SUCH_METHOD,
    REFUSED,
    Fault,
    text_of_16,
    too_large,
    undefined_method,
)
from blobtorrent.interface.rtorrent.jsonreader import SLICE_CHARS, JsonReader, decoded, skip_blanks
from blobtorrent.interface.rtorrent.values import MAX_ANSWER_BYTES, Call, Row, Value
from blobtorrent.runtime.pacing import Pace, paced_batches

CONTENT_TYPE: Final = "application/json"

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
UNKNOWN_METHOD: Final = -32601
INVALID_PARAMS: Final = -32602

MAX_VALUES = 200_000                   # in one request; also entries of a batch
MAX_DEPTH = 64                         # lists and maps in each other

_ROWS_AT_ONCE = 8
_MAX_DIGITS = 40                       # of a number; thousands of them take forever to convert
_SURROGATES = re.compile("[\ud800-\udfff]")
_SEPARATORS: Final = (b",", b":", b"[")
_PLAIN: Final = frozenset((str, int))
_COUNT_BYTES = 256 << 10

Id = Union[int, float, str, None]


class Rejected(Exception):
    """A request that no command sees. `id` is that of the request, as far as it could be read."""

    def __init__(self, code: int, text: str, id: Id = None) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.id = id


class JsonCall(NamedTuple):
    name: str
    params: list[Value]
    id: Id
    is_notification: bool              # nobody hears of its result


class Batch(NamedTuple):
    """Calls, and what to say of entries that are none, in the order of the request."""

    entries: tuple[JsonCall | Rejected, ...]
    is_list: bool                      # and is answered by one


def parse_request(body: bytes) -> Batch:
    """Read a request or a batch of them. Raises Rejected when it is neither."""
    if _num_values(body) > MAX_VALUES:
        raise Rejected(INVALID_REQUEST, f"invalid request: more than {MAX_VALUES} values")
    try:
        text = decoded(body)
    except UnicodeDecodeError as error:
        raise _parse_error(
            error.start, body, "syntax error while parsing value - invalid string: ill-formed UTF-8 byte"
        ) from None
    start = skip_blanks(text, 0)
    if not text.startswith("[", start):
        document, end = _value_at(JsonReader(text, _DECODER), text, start)
        _expect_end(text, end)
        return Batch((read_call(document),), is_list=False)
    entries = tuple(_entry(document) for document in _entries(text, start + 1) if isinstance(document, dict))
    return Batch(entries, is_list=True)


def read_call(document: Any) -> JsonCall:
    """The call that a JSON object is. Raises Rejected."""
    if not isinstance(document, dict):
        raise Rejected(PARSE_ERROR, f"message type {_type_name(document)} unsupported")
    id_ = document.get("id")
    if isinstance(id_, (bool, list, dict)) or isinstance(id_, str) and _is_broken(id_):
        raise Rejected(INVALID_REQUEST, f"request id is invalid type {_type_name(id_)}")
    name = document.get("method")
    if not isinstance(name, str) or _is_broken(name):
        raise Rejected(INVALID_REQUEST, "method string not present", id_)
    params = document.get("params", [])
    if isinstance(params, dict):
        raise Rejected(INVALID_PARAMS, "invalid parameter: procedure named parameter not supported", id_)
    if not isinstance(params, list):
        raise Rejected(INVALID_REQUEST, "invalid request: params field must be an array", id_)
    return JsonCall(name, [_parameter(value, id_) for value in params] or [""], id_, "id" not in document)


def render_answer(value: Value, id_: Id, room: int = MAX_ANSWER_BYTES) -> tuple[bytes, ...]:
    """The object that answers with `value`. Raises Fault when it has much more than `room` bytes."""
    head = f'{{"id":{_dump(id_)},"jsonrpc":"2.0","result":'
    if isinstance(value, str):
        return _rendered_text(head, value, room)
    if not isinstance(value, list):
        whole = _encode(f"{head}{_dump(_plain(value))}}}")
        if len(whole) > room + len(head):
            raise too_large()
        return (whole,)
    parts = [_encode(head + "[")]
    for batch in paced_batches(value, _ROWS_AT_ONCE):
        if isinstance(batch[0], Row):
            data = b",".join([row.written(CONTENT_TYPE, _row_bytes) for row in batch])     # type: ignore[union-attr]
        else:
            data = _encode(_dump(_plain(batch))[1:-1])
        parts.append(data if len(parts) == 1 else b"," + data)
        room -= len(data)
        if room < 0:
            raise too_large()
    parts.append(b"]}")
    return tuple(parts)


def _rendered_text(head: str, text: str, room: int) -> tuple[bytes, ...]:
    """The same for a text, which may be long."""
    pace = Pace()
    parts = [_encode(head + '"')]
    for start in range(0, len(text), SLICE_CHARS):
        parts.append(_encode(_dump(text[start:start + SLICE_CHARS])[1:-1]))
        room -= len(parts[-1])
        if room < 0:
            raise too_large()
        pace.look()
    parts.append(b'"}')
    return tuple(parts)


def render_fault(fault: Fault, id_: Id) -> tuple[bytes, ...]:
    """The object that answers with a fault of a command."""
    code, text = error_of(fault)
    return render_error(code, text, id_)


def render_error(code: int, text: str, id_: Id) -> tuple[bytes, ...]:
    error = _dump({"code": code, "message": text})
    return (_encode(f'{{"error":{error},"id":{_dump(id_)},"jsonrpc":"2.0"}}'),)


def render_batch(answers: Iterable[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    """The list of the answers; nothing at all when there are none."""
    parts: list[bytes] = []
    for answer in answers:
        parts.append(b"," if parts else b"[")
        parts.extend(answer)
    if parts:
        parts.append(b"]")
    return tuple(parts)


def error_of(fault: Fault) -> tuple[int, str]:
    """The code and the text of 0.16 for a fault in the words of 0.9.8."""
    if fault.code == NO_SUCH_METHOD:
        name = undefined_method(fault)
        return UNKNOWN_METHOD, fault.text if name is None else f"method not found: {name}"
    if fault.code == REFUSED:
        return UNKNOWN_METHOD, fault.text
    return INVALID_PARAMS, text_of_16(fault)


def _num_values(body: bytes) -> int:
    """No fewer than there are, whatever it holds; separators in texts count, too."""
    pace = Pace()
    count = 0
    for start in range(0, len(body) if len(body) > MAX_VALUES else 0, _COUNT_BYTES):
        count += sum(body.count(separator, start, start + _COUNT_BYTES) for separator in _SEPARATORS)
        pace.look()
    return count


def _entries(text: str, position: int) -> Iterator[Any]:
    """The elements of the list that has been opened before `position`. Raises Rejected."""
    pace, reader = Pace(), JsonReader(text, _DECODER)
    position = skip_blanks(text, position)
    if text.startswith("]", position):
        _expect_end(text, position + 1)
        raise Rejected(INVALID_REQUEST, "invalid request: empty batch")
    while True:
        document, position = _value_at(reader, text, position)
        yield document
        pace.look()
        position = skip_blanks(text, position)
        if text.startswith("]", position):
            _expect_end(text, position + 1)
            return
        if not text.startswith(",", position):
            raise _parse_error(position, text, "syntax error while parsing array - expected ']'")
        position = skip_blanks(text, position + 1)


def _entry(document: dict[str, Any]) -> JsonCall | Rejected:
    try:
        return read_call(document)
    except Rejected as error:
        return error


def _parameter(value: object, id_: Id, depth: int = 0) -> Value:
    if depth > MAX_DEPTH:
        raise Rejected(INVALID_PARAMS, "invalid parameters: nested too deeply", id_)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        if value >= 1 << 63:           # what has no sign there wraps here
            value -= 1 << 64
        if -(1 << 63) <= value < 1 << 63:
            return value
        raise _odd_parameter("float", id_)
    if isinstance(value, str):
        if _is_broken(value):
            raise _odd_parameter("string", id_)
        return value
    if isinstance(value, list):
        return [_parameter(item, id_, depth + 1) for item in value]
    if isinstance(value, dict):
        return {key: _parameter(item, id_, depth + 1) for key, item in value.items()}
    raise _odd_parameter("null" if value is None else "float", id_)


def _odd_parameter(type_name: str, id_: Id) -> Rejected:
    return Rejected(INVALID_PARAMS, f"invalid parameters: unexpected data type {type_name}", id_)


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (list, dict)):
        return "array" if isinstance(value, list) else "object"
    return "number"


def _is_broken(text: str) -> bool:
    """Half of a pair of surrogates was escaped in it."""
    return not text.isascii() and any(
        _SURROGATES.search(text, start, start + SLICE_CHARS) for start in range(0, len(text), SLICE_CHARS))


def _expect_end(text: str, position: int) -> None:
    position = skip_blanks(text, position)
    if position < len(text):
        raise _parse_error(position, text, "syntax error while parsing value - unexpected text; expected end of input")


def _value_at(reader: JsonReader, text: str, position: int) -> tuple[Any, int]:
    try:
        return reader.value(position)
    except json.JSONDecodeError as error:
        raise _parse_error(error.pos, text, f"syntax error while parsing value - {_reason(error)}") from None
    except ValueError as error:
        raise _parse_error(position, text, str(error)) from None
    except RecursionError:
        raise _parse_error(position, text, "nested too deeply") from None


def _reason(error: json.JSONDecodeError) -> str:
    if error.msg != "Expecting value":
        return error.msg
    if error.pos >= len(error.doc):
        return "unexpected end of input; expected '[', '{', or a literal"
    return f"invalid literal; last read: '{error.doc[error.pos]}'"


def _parse_error(position: int, text: str | bytes, words: str) -> Rejected:
    newline: Any = "\n" if isinstance(text, str) else b"\n"
    line = text.count(newline, 0, position) + 1
    column = position - text.rfind(newline, 0, position)
    return Rejected(
        PARSE_ERROR, f"[json.exception.parse_error.101] parse error at line {line}, column {column}: {words}")


def _no_constant(name: str) -> Any:
    raise ValueError(f"syntax error while parsing value - invalid literal; last read: '{name}'")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number of too many digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number that is too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_int=_integer, parse_float=_finite)


def _plain(value: Any) -> Any:
    """What json cannot know: a function object stands for a list of its name and its arguments, 0 for no value."""
    if value is None:
        return 0
    if isinstance(value, Call):
        return [value.name, *map(_plain, value.args)]
    if isinstance(value, list):
        return value if _PLAIN.issuperset(map(type, value)) else [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _dump(value: Any) -> str:
    """JSON on one line."""
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _row_bytes(row: Row) -> bytes:
    return _encode(_dump(_plain(row) if row.kinds is None else row))


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", text).encode()
