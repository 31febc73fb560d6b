"""Bencoding (BEP 3): a strict, bounded door in front of every foreign byte; the library `bencode.py` encodes.

The library's decoder takes what the format forbids (`i+5e`, `i1_0e`, repeated keys of which the last wins), keeps no
positions and needs 10 us a token, so a torrent of 10 MB would hold the interpreter for half a minute. This one reads
such a file in half a second: one loop over the bytes, no recursion, every limit checked before memory is taken. What
is made to be slow, 10 MB of the smallest tokens that there are, takes a second and 150 MB at most.

Decoded values are `bytes`, `int`, `list` and `dict` with `bytes` keys, in the order of the document.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import bencodepy

from blobtorrent.model.errors import BencodeError

MIN_INT, MAX_INT = -(1 << 63), (1 << 63) - 1
MIN_TOKEN_BYTES = 5                    # on average, of documents of millions of tokens
_MAX_INT_CHARACTERS = 21               # "-9223372036854775808" and the end mark
_MAX_LENGTH_CHARACTERS = 11            # ten digits and the colon
_INT, _LIST, _DICT, _END, _ZERO, _NINE, _COLON = b"ilde09:"


class Limits(NamedTuple):
    """What one document may cost. A token is a string, an integer, or the start or the end of a list or dictionary.

    A token takes time and memory however short it is. Of documents with more than `dense_tokens` of them one token may
    come for MIN_TOKEN_BYTES only: a file in a list of files is eight tokens in 40 bytes, names that short are rare, and
    110,000 such files come before it matters. `tokens` is libtorrent's limit.
    """

    size_bytes: int = 10 << 20
    depth: int = 100
    tokens: int = 3_000_000
    dense_tokens: int = 1_000_000

    def tokens_in(self, size_bytes: int) -> int:
        """How many tokens a document of that size may have."""
        return min(self.tokens, max(self.dense_tokens, size_bytes // MIN_TOKEN_BYTES))


DEFAULT_LIMITS = Limits()


class Document(NamedTuple):
    """A decoded value and where it came from.

    `spans` gives the bytes [start, end) of each list and dictionary that is a value of the outermost dictionary: hashes
    are taken of these bytes, never of a value encoded again. `is_canonical` is False when lenient decoding met a
    dictionary with unsorted or repeated keys, or a number with superfluous zeros.
    """

    value: Any
    end: int
    spans: dict[bytes, tuple[int, int]]
    is_canonical: bool


def encode(value: Any) -> bytes:
    """Bencode ints, bytes, str (as UTF-8), bools, lists, tuples and dicts, with keys sorted."""
    encoded: bytes = bencodepy.encode(value)
    return encoded


def decode(data: bytes, *, limits: Limits = DEFAULT_LIMITS, lenient: bool = False) -> Any:
    """The one value that `data` consists of.

    Strict decoding takes only the canonical form. Lenient decoding is for files of other programs: keys may be
    unsorted, of repeated keys the first wins (as in libtorrent), numbers may have leading zeros.

    Raises BencodeError ("bencode.*"), never anything else.
    """
    document = read_document(data, limits=limits, lenient=lenient)
    if document.end != len(data):
        raise BencodeError("bencode.trailing", f"{len(data) - document.end} bytes after the end of the value")
    return document.value


def decode_prefix(data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> tuple[Any, int]:
    """The value at the start of `data` and where it ends: BEP 9 puts raw bytes behind a dictionary."""
    document = read_document(data, limits=limits)
    return document.value, document.end


def read_document(data: bytes, *, limits: Limits = DEFAULT_LIMITS, lenient: bool = False) -> Document:
    """The value at the start of `data` with the byte spans of its parts. See `decode` for `lenient` and errors."""
    if len(data) > limits.size_bytes:
        raise BencodeError("bencode.too-large", f"{len(data)} bytes; at most {limits.size_bytes} are read")
    return _Reader(bytes(data), limits, lenient).read()


class _Reader:
    """One pass over one document.

    Open containers are flat lists of their items; a dictionary is made of its list when it ends, which keeps the loop
    free of cases and lets C code check the keys.
    """

    def __init__(self, data: bytes, limits: Limits, lenient: bool) -> None:
        self._data = data
        self._limits = limits
        self._lenient = lenient
        self._is_canonical = True

    def read(self) -> Document:
        try:
            return self._read()
        except IndexError:
            raise BencodeError("bencode.truncated", "the data ends inside a value") from None

    def _read(self) -> Document:
        data, find = self._data, self._data.find
        max_depth = self._limits.depth
        max_tokens = self._limits.tokens_in(len(data))
        items: list[Any] = []          # of the innermost open container; outermost: the value itself
        outer: list[tuple[list[Any], bool]] = []       # the containers around it, and whether each is a dictionary
        is_dict = False
        spans: dict[bytes, tuple[int, int]] = {}
        child_start = 0                # of the list or dictionary that is open directly in the outermost container
        position = 0
        for _ in range(max_tokens):
            mark = data[position]
            if _ZERO <= mark <= _NINE:
                # Most lengths in a torrent have one or two digits, and find() with int() takes thrice as long.
                second = data[position + 1]
                if second == _COLON:
                    start = position + 2
                    position = start + mark - _ZERO
                elif data[position + 2] == _COLON and _ZERO <= second <= _NINE and mark != _ZERO:
                    start = position + 3
                    position = start + 10 * (mark - _ZERO) + second - _ZERO
                else:
                    start = find(b":", position, position + _MAX_LENGTH_CHARACTERS) + 1
                    digits = data[position:start - 1] if start else b""
                    if mark == _ZERO or not digits.isdigit():
                        self._check_length(digits, position)
                    position = start + int(digits)
                items.append(data[start:position])     # one cut short leaves `position` beyond the end, seen below
            elif mark == _END:
                if not outer:
                    raise BencodeError("bencode.unexpected-end", f"end mark at byte {position} without a beginning")
                value: Any = items
                if is_dict:
                    value = self._dictionary(items, position) if items else {}
                items, is_dict = outer.pop()
                position += 1
                if is_dict and len(outer) == 1:
                    spans.setdefault(items[-1], (child_start, position))
                items.append(value)
            elif is_dict and not len(items) % 2:
                raise BencodeError("bencode.bad-key", f"the dictionary key at byte {position} is no string")
            elif mark == _INT:
                end = find(b"e", position, position + _MAX_INT_CHARACTERS + 1)
                digits = data[position + 1:end]
                width = end - position
                if 0 < width < 19 and (digits.isdigit() and (digits[0] != _ZERO or width == 2)
                                       or digits[:1] == b"-" and digits[1:].isdigit() and digits[1] != _ZERO):
                    items.append(int(digits))
                else:
                    items.append(self._integer(position, end))
                position = end + 1
            elif mark in (_DICT, _LIST):
                if len(outer) >= max_depth:
                    raise BencodeError("bencode.too-deep", f"nested deeper than {max_depth} levels")
                if len(outer) == 1:
                    child_start = position
                outer.append((items, is_dict))
                items, is_dict = [], mark == _DICT
                position += 1
            else:
                raise BencodeError("bencode.bad-mark", f"byte {position} begins no value")
            if not outer:
                break
        else:
            raise BencodeError("bencode.too-many", f"more than {max_tokens} values in {len(data)} bytes")
        if position > len(data):
            raise BencodeError("bencode.truncated", "the data ends inside a string")
        return Document(items[0], position, spans, self._is_canonical)

    def _check_length(self, digits: bytes, position: int) -> None:
        if not digits.isdigit():       # bytes.isdigit knows ASCII only, unlike int()
            raise BencodeError("bencode.bad-length", f"no string length of at most ten digits at byte {position}")
        self._tolerate("string length with leading zeros", position)

    def _integer(self, position: int, end: int) -> int:
        digits = self._data[position + 1:end] if end > 0 else b""
        magnitude = digits[1:] if digits[:1] == b"-" else digits
        if not magnitude.isdigit():
            raise BencodeError("bencode.bad-integer", f"no integer of at most 64 bits at byte {position}")
        value = int(digits)
        if magnitude[0] == _ZERO and len(digits) > 1:
            self._tolerate("integer with a superfluous zero", position)
        if not MIN_INT <= value <= MAX_INT:
            raise BencodeError("bencode.bad-integer", f"the integer at byte {position} needs more than 64 bits")
        return value

    def _dictionary(self, items: list[Any], position: int) -> dict[bytes, Any]:
        if len(items) == 2:            # as of half of the dictionaries of a tree of files
            return {items[0]: items[1]}
        keys, values = items[::2], items[1::2]
        if len(keys) != len(values):
            raise BencodeError("bencode.no-value", f"a key without a value before byte {position}")
        if keys != sorted(keys):
            self._tolerate("dictionary with unsorted keys, ending", position)
        dictionary = dict(zip(keys, values, strict=True))
        if len(dictionary) == len(keys):
            return dictionary
        self._tolerate("dictionary with repeated keys, ending", position)
        first: dict[bytes, Any] = {}
        for key, value in zip(keys, values, strict=True):
            first.setdefault(key, value)
        return first

    def _tolerate(self, what: str, position: int) -> None:
        if not self._lenient:
            raise BencodeError("bencode.not-canonical", f"{what} at byte {position}")
        self._is_canonical = False

