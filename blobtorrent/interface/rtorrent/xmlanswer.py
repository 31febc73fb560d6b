"""Writing XML-RPC answers byte for byte as rTorrent does, in parts that are never joined. Pure.

Clients read them with regular expressions and with parsers that know few tags: integers are `<i8>`, no value is
`<i4>0</i4>`, text is always in `<string>`. Only what XML forbids is better than the original: bytes that are no UTF-8
become U+FFFD, control characters are left out. Equal rows of a multicall share a template; between slices of the work
other threads get their turn.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from blobtorrent.interface.rtorrent.faults import Fault, fault_of_16, too_large
from blobtorrent.interface.rtorrent.values import MAX_ANSWER_BYTES, Call, Row, Value
from blobtorrent.runtime.pacing import Pace

CONTENT_TYPE: Final = "text/xml"

_PART_CHARS = 64 << 10
_ROWS_PER_PART = 8
_PIECES_PER_LOOK = 16                  # texts that are written between two looks at the time
_MAX_TEMPLATES = 64

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_BEHIND_NUL = re.compile("\0[^<]*")
_CONTROLS: Final = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r")
_SPECIALS = re.compile("[&<>]")
_AS_IT_IS = re.compile("[\t\n\r -%'-;=?-\ud7ff]*")      # what nothing has to be done about


class Short(int):
    """An integer that goes out as `<i4>`: fault codes, and what the XML-RPC library of rTorrent itself answers."""


class Truth(int):
    """1 or 0 that goes out as `<boolean>`: only what that library itself answers. Any other truth is a number."""


class Binary(str):
    """Text that goes out as `<base64>` in XML: bytes that may be no text at all."""


class FaultStruct(dict[str, Value]):
    """The fault of one call among many, as one of their results."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(faultCode=Short(fault.code), faultString=fault.text)
        self.fault = fault


class Dialect(NamedTuple):
    """What differs between the generations of rTorrent."""

    prolog: str
    end: str                           # behind most tags
    no_value: str
    short: str                         # a Short, to be formatted
    empty: str                         # an array without values
    told: Callable[[Fault], Fault]     # how the fault of a command is told


V0_9 = Dialect(
    '<?xml version="1.0" encoding="UTF-8"?>\r\n', "\r\n", "<value><i4>0</i4></value>", "<value><i4>%d</i4></value>",
    "<value><array><data>\r\n</data></array></value>", lambda fault: fault,
)
V0_16 = Dialect(
    '<?xml version="1.0"?>', "", "<value><i8>0</i8></value>", "<value><i8>%d</i8></value>",
    "<value><array><data/></array></value>", fault_of_16,
)


def render_answer(value: Value, dialect: Dialect = V0_9) -> tuple[bytes, ...]:
    """The document that answers with `value`. Raises Fault when it is too large."""
    writer = _Writer(dialect)
    end = dialect.end
    writer.put(f"{dialect.prolog}<methodResponse>{end}<params>{end}<param>")
    writer.value(value)
    writer.put(f"</param>{end}</params>{end}</methodResponse>{end}")
    return writer.parts()


def render_fault(fault: Fault, dialect: Dialect = V0_9) -> tuple[bytes, ...]:
    """The document that answers with a fault, which is told as it stands."""
    writer = _Writer(dialect)
    end = dialect.end
    writer.put(f"{dialect.prolog}<methodResponse>{end}<fault>{end}")
    writer.struct(FaultStruct(fault))
    writer.put(f"{end}</fault>{end}</methodResponse>{end}")
    return writer.parts()


class _Template(NamedTuple):
    """Of rows of the same kinds of values. `texts_of` is what of them may have to be escaped; None for nothing."""

    text: str
    texts_of: Callable[[list[Value]], Sequence[str]] | None

    def is_plain(self, row: list[Value]) -> bool:
        """Whether the row can be filled in as it is."""
        return self.texts_of is None or _AS_IT_IS.fullmatch("".join(self.texts_of(row))) is not None

    def escaped(self, row: list[Value]) -> str:
        plain: tuple[Any, ...] = tuple([escaped(value) if isinstance(value, str) else value for value in row])
        return self.text % plain


class _Writer:
    """Texts become parts of bytes as they are put."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._texts: list[str] = []
        self._num_chars = 0
        self._since_look = 0
        self._parts: list[bytes] = []
        self._room = MAX_ANSWER_BYTES
        self._pace = Pace()
        self._templates: dict[tuple[type, ...], _Template | None] = {}
        self._latest: tuple[tuple[type, ...], _Template | None] = ((), None)       # that of rows of a multicall
        self._formats: dict[type, str] = {
            int: "<value><i8>%s</i8></value>",             # half the time of %d
            bool: "<value><i8>%d</i8></value>",
            Truth: "<value><boolean>%d</boolean></value>",
            Short: dialect.short,
            str: "<value><string>%s</string></value>",
            type(None): dialect.no_value + "%.0s",
        }

    def parts(self) -> tuple[bytes, ...]:
        self._flush()
        return tuple(self._parts)

    def put(self, text: str) -> None:
        self._texts.append(text)
        self._num_chars += len(text)
        if self._num_chars >= _PART_CHARS:
            self._flush()
        self._since_look += 1
        if self._since_look >= _PIECES_PER_LOOK:
            self._since_look = 0
            self._pace.look()

    def value(self, value: Value) -> None:
        if isinstance(value, Binary):
            data = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode("ascii")
            self.put(f"<value><base64>{data}</base64></value>")
        elif isinstance(value, str):
            self._text(value)
        elif isinstance(value, Call):
            self._array([value.name, *value.args])
        elif isinstance(value, list):
            self._array(value)
        elif isinstance(value, FaultStruct):
            self.struct(FaultStruct(self._dialect.told(value.fault)))
        elif isinstance(value, dict):
            self.struct(value)
        else:
            self.put(self._formats[type(value)] % value)

    def _text(self, text: str) -> None:
        if len(text) <= _PART_CHARS:
            self.put(f"<value><string>{escaped(text)}</string></value>")
            return
        self.put("<value><string>")
        text = text.partition("\0")[0]
        for start in range(0, len(text), _PART_CHARS):
            self.put(escaped(text[start:start + _PART_CHARS]))
            self._pace.look()
        self.put("</string></value>")

    def _array(self, values: Sequence[Value]) -> None:
        if not values:
            self.put(self._dialect.empty)
            return
        end = self._dialect.end
        self.put(f"<value><array><data>{end}")
        if isinstance(values[0], Row):
            self._rows(values)
        else:
            self._values(values)
        self.put("</data></array></value>")

    def _rows(self, rows: Sequence[Any]) -> None:
        """Those of a multicall, which may have been written before."""
        self._flush()
        for start in range(0, len(rows), _ROWS_PER_PART):
            self._append(b"".join(
                [row.written(self._dialect, self._row_bytes) for row in rows[start:start + _ROWS_PER_PART]]))
            self._pace.look()

    def _row_bytes(self, row: Row) -> bytes:
        kinds, template = self._latest
        if row.kinds is None:
            template = self._template(row)
        elif row.kinds is not kinds:
            template = self._known(row.kinds)
            self._latest = (row.kinds, template)
        if template is not None:
            return (template.text % tuple(row)).encode() if template.is_plain(row) else fit(template.escaped(row))
        inner = _Writer(self._dialect)
        inner.value(list(row))
        inner.put(self._dialect.end)
        return b"".join(inner.parts())

    def _values(self, values: Sequence[Value]) -> None:
        end = self._dialect.end
        for value in values:
            template = self._template(value) if isinstance(value, list) else None
            if template is None:
                self.value(value)
                self.put(end)
            else:
                row: Any = value
                self.put(template.text % tuple(row) if template.is_plain(row) else template.escaped(row))

    def _template(self, row: list[Value]) -> _Template | None:
        """That of a list of plain values; None for any other."""
        return self._known(tuple(map(type, row)))

    def _known(self, kinds: tuple[type, ...]) -> _Template | None:
        try:
            return self._templates[kinds]
        except KeyError:
            return self._learn(kinds)

    def _learn(self, kinds: tuple[type, ...]) -> _Template | None:
        formats = self._formats
        template = None
        if kinds and all(kind in formats for kind in kinds):
            end = self._dialect.end
            columns = "".join(formats[kind] + end for kind in kinds)
            text = f"<value><array><data>{end}{columns}</data></array></value>{end}"
            texts_at = [at for at, kind in enumerate(kinds) if kind is str]
            template = _Template(text, itemgetter(*texts_at) if texts_at else None)
        if len(self._templates) >= _MAX_TEMPLATES:
            self._templates.clear()
        self._templates[kinds] = template
        return template

    def struct(self, members: Mapping[str, Value]) -> None:
        end = self._dialect.end
        self.put(f"<value><struct>{end}")
        for name, value in sorted(members.items()):
            self.put(f"<member><name>{escaped(name)}</name>{end}")
            self.value(value)
            self.put(f"</member>{end}")
        self.put("</struct></value>")

    def _flush(self) -> None:
        if self._texts:
            self._append(fit("".join(self._texts)))
            self._texts.clear()
            self._num_chars = 0

    def _append(self, part: bytes) -> None:
        self._parts.append(part)
        self._room -= len(part)
        if self._room < 0:
            raise too_large()


def escaped(text: str) -> str:
    """Text as it stands between tags."""
    if _SPECIALS.search(text) is None:
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fit(text: str) -> bytes:
    """A piece of a document, without what XML forbids. A text in it ends at its first NUL, as in rTorrent."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return _mended(text)
    if len(data.translate(None, _CONTROLS)) < len(data) or b"\xef\xbf" in data:
        return _mended(text)
    return data


def _mended(text: str) -> bytes:
    kept = _BEHIND_NUL.sub("", text)
    return _UNFIT.sub(lambda found: "\ufffd" if found[0] >= "\ud800" else "", kept).encode()
