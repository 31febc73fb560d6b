"""Recordings of rTorrent: how they are read, sent again, and compared with what comes now.

Values of answers are {"t": TYPE, "v": VALUE} as the recordings have them. Some words of a recording stand for what a
replay has of its own: folder, port, host and process.
"""

from __future__ import annotations

import base64
import json
import socket
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

GOLDEN = Path(__file__).parent / "golden"
ROOT = "/srv/bt"
PORT = "51401"
PROCESS = "bt-host:4242"
RECORDED_S = range(1_795_000_000, 1_796_000_000)           # when: a moment of then stands for one of the replay

_FORMS: tuple[tuple[Callable[[str], bytes], Callable[[bytes], str]], ...] = (
    (partial(base64.b64decode, validate=True), lambda data: base64.b64encode(data).decode()),
    (bytes.fromhex, lambda data: data.hex().upper()),
)

Answer = dict[str, Any]
Dial = Callable[[], socket.socket]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The recordings of a file, an object a line, or all in one list."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        found: list[dict[str, Any]] = json.loads(text)
        return found
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def placed(value: Any, stands_for: Mapping[str, str]) -> Any:
    """A recording with these words replaced, in texts and, where they are all of it, in numbers."""
    if isinstance(value, str):
        return _placed_form(value, stands_for) or _placed_text(value, stands_for)
    if isinstance(value, int) and str(value) in stands_for:
        return int(stands_for[str(value)])
    if isinstance(value, list):
        return [placed(item, stands_for) for item in value]
    if isinstance(value, dict):
        return {key: _placed_bytes(item, stands_for) if key in ("$b64", "b64") else placed(item, stands_for)
                for key, item in value.items()}
    return value


def _placed_text(text: str, stands_for: Mapping[str, str]) -> str:
    for word, own in stands_for.items():
        text = text.replace(word, own)
    return text


def _placed_form(text: str, stands_for: Mapping[str, str]) -> str:
    """The same for a path in base64 or in hexadecimal digits; empty for any other text."""
    for decode, encode in _FORMS:
        try:
            found = decode(text).decode()
        except ValueError:
            continue
        if found.startswith(ROOT):
            return encode(_placed_text(found, stands_for).encode())
    return ""


def _placed_bytes(encoded: str, stands_for: Mapping[str, str]) -> str:
    """Torrents tell the lengths of their words: what has another one stays."""
    data = base64.b64decode(encoded)
    for word, own in stands_for.items():
        if len(word) == len(own):
            data = data.replace(word.encode(), own.encode())
    return base64.b64encode(data).decode()


# ---- calls

def render_call(name: str, params: list[Any]) -> bytes:
    """The XML-RPC call of a recording."""
    rows = "".join(f"<param>{_value(param)}</param>" for param in params)
    return (f'<?xml version="1.0" encoding="UTF-8"?><methodCall><methodName>{escape(name)}</methodName>'
            f"<params>{rows}</params></methodCall>").encode()


def _value(value: Any) -> str:
    return f"<value>{_typed(value)}</value>"


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return f"<boolean>{int(value)}</boolean>"
    if isinstance(value, int):
        return f"<i4>{value}</i4>"
    if isinstance(value, float):
        return f"<double>{value}</double>"
    if isinstance(value, str):
        return f"<string>{escape(value)}</string>"
    if isinstance(value, list):
        return f"<array><data>{''.join(map(_value, value))}</data></array>"
    if "$b64" in value:
        return f"<base64>{value['$b64']}</base64>"
    if "$i8" in value:
        return f"<i8>{value['$i8']}</i8>"
    members = "".join(f"<member><name>{escape(name)}</name>{_value(item)}</member>"
                      for name, item in value.get("$struct", {}).items())
    return f"<struct>{members}</struct>"


def framed(body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """A request of SCGI; CONTENT_LENGTH is the first header."""
    fields = {"CONTENT_LENGTH": str(len(body)), "SCGI": "1", **(headers or {})}
    block = "".join(f"{name}\0{value}\0" for name, value in fields.items()).encode()
    return b"%d:%s,%s" % (len(block), block, body)


def send(dial: Dial, request: bytes, *, half_close: bool = False) -> bytes:
    """All that comes for these bytes."""
    with dial() as sock:
        sock.sendall(request)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(1 << 16), b""))


def call(dial: Dial, name: str, params: list[Any]) -> Answer:
    """One XML-RPC call, and its answer as a recording has it."""
    body = send(dial, framed(render_call(name, params))).partition(b"\r\n\r\n")[2]
    return read_answer(body) if body else {"t": "closed"}


def read_answer(document: bytes) -> Answer:
    root = ElementTree.fromstring(document)
    fault = root.find("fault/value")
    if fault is not None:
        members = _read(fault)["v"]
        return {"t": "fault", "code": members["faultCode"]["v"], "string": members["faultString"]["v"]}
    value = root.find("params/param/value")
    return {"t": "closed"} if value is None else _read(value)


def _read(value: ElementTree.Element) -> Answer:
    if not len(value):
        return {"t": "untyped", "v": value.text or ""}
    kind = value[0]
    if kind.tag == "array":
        return {"t": "array", "v": [_read(item) for item in kind.iterfind("data/value")]}
    if kind.tag == "struct":
        return {"t": "struct", "v": {
            member.findtext("name", ""): _read(next(member.iterfind("value"))) for member in kind}}
    text = kind.text or ""
    return {"t": kind.tag, "v": int(text) if kind.tag in ("i4", "i8", "int", "boolean") else text}


# ---- comparing

def differences(want: Answer, got: Answer, volatile: list[str]) -> list[str]:
    """Where two answers differ, in words; what `volatile` names is compared by its type only."""
    return list(_differences(want, got, [path.split(".") if path else [] for path in volatile], ()))


def _differences(want: Answer, got: Answer, volatile: list[list[str]], path: tuple[str, ...]) -> Iterator[str]:
    where = ".".join(path) or "answer"
    if want["t"] != got["t"]:
        yield f"{where}: {_shown(want)}, now {_shown(got)}"
    elif any(_fits(pattern, path) for pattern in volatile) or _are_moments(want, got):
        return
    elif want["t"] == "array":
        if len(want["v"]) != len(got["v"]):
            yield f"{where}: {len(want['v'])} values, now {len(got['v'])}"
        for index, (one, other) in enumerate(zip(want["v"], got["v"])):
            yield from _differences(one, other, volatile, (*path, str(index)))
    elif want["t"] == "struct":
        if want["v"].keys() != got["v"].keys():
            yield f"{where}: members {sorted(want['v'])}, now {sorted(got['v'])}"
        for name in want["v"].keys() & got["v"].keys():
            yield from _differences(want["v"][name], got["v"][name], volatile, (*path, name))
    elif want != got and not _is_same_log(want, got):
        yield f"{where}: {_shown(want)}, now {_shown(got)}"


def _fits(pattern: list[str], path: tuple[str, ...]) -> bool:
    """A star alone is also an answer that is no list."""
    if pattern == ["*"] and not path:
        return True
    return len(pattern) == len(path) and all(word in ("*", step) for word, step in zip(pattern, path))


def _are_moments(want: Answer, got: Answer) -> bool:
    """A time of the recording, and one of this hour; both in seconds or both in microseconds."""
    return want["t"] == "i8" and any(
        want["v"] // unit in RECORDED_S and abs(time.time() - got["v"] / unit) < 3600 for unit in (1, 1_000_000))


def _is_same_log(want: Answer, got: Answer) -> bool:
    """Lines of a log of events: rTorrent itself queues a check before or after it opens."""
    if want["t"] != "string" or "hash_queued" not in want["v"]:
        return False
    return sorted(want["v"].splitlines()) == sorted(str(got["v"]).splitlines())


def _shown(answer: Answer) -> str:
    if answer["t"] == "fault":
        return f"fault {answer['code']} {answer['string']!r}"
    value = answer.get("v", "")
    text = f"{len(value)} values" if isinstance(value, (list, dict)) else repr(value)
    return f"{answer['t']} {text[:200]}"


def decoded(step: dict[str, Any]) -> bytes:
    """What a step writes."""
    return base64.b64decode(step["b64"]) if "b64" in step else str(step["text"]).encode()
