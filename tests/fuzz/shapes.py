"""Cases as trees, so that they can be bent in ways that leave the rest of them readable: bencoding, JSON, XML, events.

Readers give None for what has not the shape; writers take anything, also what no honest program writes.
"""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

NUMBERS = (0, 1, -1, 2, 127, 128, 255, 256, 16384, 32767, 65535, 65536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32,
           1 << 53, (1 << 63) - 1, 1 << 63, -(1 << 63), (1 << 64) - 1, 10**30)
LENGTHS = (0, 1, 4, 5, 6, 7, 18, 19, 20, 21, 26, 31, 32, 33, 40, 68, 256, 1000)
MAX_NESTING = 3000                     # of what is put into a tree; readers give up far below

_MARKUP = re.compile(rb"<!--|<!\[CDATA\[|<[^<>]*>|[^<]+|<")          # each byte is looked at twice at most


def read_bencode(data: bytes) -> Any:
    """The value at the start; pairs of a dictionary are a tuple of tuples, so that keys may come twice."""
    try:
        return _bencode_at(data, 0, 0)[0]
    except (IndexError, ValueError, RecursionError):
        return None


def _bencode_at(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:min(end, at + 40)]), end + 1
    if kind in (b"l", b"d"):
        if depth > 100:
            raise ValueError("too deep")
        at += 1
        items = []
        while data[at:at + 1] != b"e":
            item, at = _bencode_at(data, at, depth + 1)
            items.append(item)
        if kind == b"l":
            return items, at + 1
        return tuple(zip(items[::2], items[1::2])), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    if not colon < end <= len(data):
        raise ValueError("cut")
    return data[colon + 1:end], end


def write_bencode(value: Any) -> bytes:
    parts: list[bytes] = []
    stack = [value]
    while stack:                       # no recursion: some of what is made is deep
        value = stack.pop()
        if isinstance(value, _Raw):
            parts.append(value.data)
        elif isinstance(value, bytes):
            parts.append(b"%d:%s" % (len(value), value))
        elif isinstance(value, int):
            parts.append(b"i%de" % value)
        elif isinstance(value, list):
            stack += [_Raw(b"e"), *reversed(value), _Raw(b"l")]
        else:
            stack += [_Raw(b"e"), *(part for pair in reversed(value) for part in reversed(pair)), _Raw(b"d")]
    return b"".join(parts)


class _Raw:
    """Bytes that are written as they are."""

    def __init__(self, data: bytes) -> None:
        self.data = data


def bend_bencode(rng: Random, tree: Any, other: Any, tokens: tuple[bytes, ...]) -> Any:
    """The tree with one node of it changed; `other` is a tree that nodes may be taken from."""
    kind = rng.randrange(10)
    path = _random_path(rng, tree)
    if kind < 4:
        return _put(tree, path, _bencode_value(rng, tokens))
    if kind == 4:
        return _put(tree, path, _get(other, _random_path(rng, other)))
    if kind == 5:
        return _put(tree, path, _Raw(b"l" * rng.randrange(MAX_NESTING) + b"i1e" + b"e" * rng.randrange(MAX_NESTING)))
    if kind == 6:
        text = rng.choice((b"i007e", b"i-0e", b"ie", b"i-e", b"i1_0e", b"99999999999999999999:", b"-1:x", b"01:a", b"e",
                           b"i" + b"7" * 5000 + b"e", b"0:", b"5:ab"))
        return _put(tree, path, _Raw(text))
    node = _get(tree, path)
    if isinstance(node, tuple):
        pairs = list(node)
        if kind == 7 and pairs:
            del pairs[rng.randrange(len(pairs))]
        elif kind == 8 and pairs:
            pairs.append(rng.choice(pairs))
        else:
            key = rng.choice(tokens) if tokens else rng.randbytes(2)
            pairs = sorted([*pairs, (key, _bencode_value(rng, tokens))], key=lambda pair: repr(pair[0]))
        return _put(tree, path, tuple(pairs))
    if isinstance(node, list):
        if kind == 7 and node:
            return _put(tree, path, node[:rng.randrange(len(node))])
        return _put(tree, path, (node or [b""])[:1000] * rng.choice((2, 2, 3, 100)))
    if isinstance(node, bytes):
        return _put(tree, path, resized(rng, node))
    return _put(tree, path, rng.choice(NUMBERS))


def resized(rng: Random, data: bytes) -> bytes:
    """The same string cut or drawn out to a length of interest."""
    length = rng.choice(LENGTHS)
    return (data or b"\0") [:length].ljust(length, data[-1:] or b"a")


def _bencode_value(rng: Random, tokens: tuple[bytes, ...]) -> Any:
    kind = rng.randrange(7)
    if kind <= 1:
        return rng.choice(NUMBERS)
    if kind == 2:
        return rng.randbytes(rng.choice(LENGTHS))
    if kind == 3:
        return bytes(rng.choice(LENGTHS))
    if kind == 4 and tokens:
        return rng.choice(tokens)
    if kind == 5:
        return [_bencode_value(rng, tokens) for _ in range(rng.randrange(4))]
    return tuple((rng.choice(tokens) if tokens else b"x", _bencode_value(rng, tokens)) for _ in range(rng.randrange(3)))


def _random_path(rng: Random, tree: Any) -> tuple[int, ...]:
    """Where a node is: numbers of children, from the top."""
    path: list[int] = []
    while isinstance(tree, list | tuple) and tree and (not path or rng.random() < 0.8):
        number = rng.randrange(len(tree))
        path.append(number)
        tree = tree[number][1] if isinstance(tree, tuple) else tree[number]
    return tuple(path)


def _get(tree: Any, path: tuple[int, ...]) -> Any:
    for number in path:
        tree = tree[number][1] if isinstance(tree, tuple) else tree[number]
    return tree


def _put(tree: Any, path: tuple[int, ...], node: Any) -> Any:
    if not path:
        return node
    number, rest = path[0], path[1:]
    if isinstance(tree, tuple):
        key, child = tree[number]
        return (*tree[:number], (key, _put(child, rest, node)), *tree[number + 1:])
    return [*tree[:number], _put(tree[number], rest, node), *tree[number + 1:]]


def read_json(data: bytes) -> Any:
    try:
        return json.loads(data, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None


def write_json(value: Any) -> bytes:
    parts: list[str] = []
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, _Raw):
            parts.append(value.data.decode("latin-1"))
        elif isinstance(value, list):
            stack += [_Raw(b"]"), *_with_commas([[item] for item in reversed(value)]), _Raw(b"[")]
        elif isinstance(value, tuple):
            pairs = [[item, _Raw(b":"), key] for key, item in reversed(value)]
            stack += [_Raw(b"}"), *_with_commas(pairs), _Raw(b"{")]
        else:
            parts.append(json.dumps(value))
    return "".join(parts).encode("utf-8", "surrogatepass")


def _with_commas(groups: list[list[Any]]) -> list[Any]:
    parts: list[Any] = []
    for group in groups:
        parts += [_Raw(b","), *group] if parts else group
    return parts


def bend_json(rng: Random, tree: Any, other: Any, tokens: tuple[bytes, ...]) -> Any:
    kind = rng.randrange(8)
    path = _random_path(rng, tree)
    if kind < 4:
        return _put(tree, path, _json_value(rng, tokens))
    if kind == 4:
        return _put(tree, path, _get(other, _random_path(rng, other)))
    if kind == 5:
        opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
        depth = rng.choice((3, 65, 70, 500, MAX_NESTING, 100_000))
        return _put(tree, path, _Raw(opening * depth + b"1" + closing * rng.choice((depth, depth, 0))))
    node = _get(tree, path)
    if isinstance(node, tuple) and node:
        pairs = list(node)
        if kind == 6:
            del pairs[rng.randrange(len(pairs))]
        else:
            pairs.append((rng.choice(pairs)[0], _json_value(rng, tokens)))
        return _put(tree, path, tuple(pairs))
    if isinstance(node, list) and node:
        return _put(tree, path, node * rng.choice((0, 2, 3, 100)))
    return _put(tree, path, _json_value(rng, tokens))


def _json_value(rng: Random, tokens: tuple[bytes, ...]) -> Any:
    kind = rng.randrange(8)
    if kind <= 1:
        return rng.choice((*NUMBERS, 0.5, 1e308, -1.5))
    if kind == 2:
        return rng.choice((None, True, False, "", [], (), "\ud800", "\x00", "é" * 300, "1", "-1", "full"))
    if kind == 3:
        return _Raw(rng.choice((b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"1e-999", b'"\\ud800"', b"01",
                                b"7" * 5000, b"nul", b"")))
    if kind == 4 and tokens:
        return rng.choice(tokens).decode("utf-8", "replace")
    if kind == 5:
        return [_json_value(rng, tokens) for _ in range(rng.randrange(4))]
    if kind == 6:
        return tuple((rng.choice(("a", "", "é")), _json_value(rng, tokens)) for _ in range(rng.randrange(3)))
    return rng.choice(NUMBERS)


def bend_xml(rng: Random, data: bytes, tokens: tuple[bytes, ...]) -> bytes:
    """One tag or text of a document dropped, doubled, moved, replaced or nested."""
    parts = _MARKUP.findall(data)
    if not parts:
        return data
    at, to, kind = rng.randrange(len(parts)), rng.randrange(len(parts)), rng.randrange(6)
    if kind == 0:
        del parts[at]
    elif kind == 1:
        parts[at:at] = parts[min(at, to):max(at, to) + 1] * rng.choice((1, 1, 2, 50))
    elif kind == 2:
        parts[at], parts[to] = parts[to], parts[at]
    elif kind == 3:
        parts[at] = rng.choice(tokens or (b"",))
    elif kind == 4:
        parts[at] = str(rng.choice(NUMBERS)).encode()
    else:
        parts[at:at] = [rng.choice(tokens or (b"<a>",))] * rng.choice((1, 3, 60, 500))
    return b"".join(parts)


def read_events(data: bytes) -> list[bytes]:
    """Events of a case: each is its length in two bytes, then so many; what is cut at the end is one, too."""
    events, at = [], 0
    while at + 2 <= len(data):
        length = int.from_bytes(data[at:at + 2], "big")
        events.append(data[at + 2:at + 2 + length])
        at += 2 + length
    return events


def write_events(events: list[bytes]) -> bytes:
    return b"".join(len(event[:65535]).to_bytes(2, "big") + event[:65535] for event in events)
