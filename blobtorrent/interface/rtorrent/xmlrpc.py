"""Reading XML-RPC calls, with the words of rTorrent 0.9.8 (xmlrpc-c) for those that are none. Pure.

Bytes go through expat a little at a time, so that no call however large keeps other threads waiting. Document types
are refused before anything is made of them: without one there are no entities but the five of XML.
"""

from __future__ import annotations

import binascii
import codecs
import re
from typing import Final, NamedTuple, Union
from xml.parsers import expat

from blobtorrent.interface.rtorrent.faults import Fault, failed
from blobtorrent.interface.rtorrent.values import LARGEST, SMALLEST
from blobtorrent.runtime.pacing import Pace

MAX_ELEMENTS = 100_000                 # a fifth of a second of work
MAX_DEPTH = 64                         # arrays and structs in each other
MAX_TOKEN_BYTES = 256 << 10            # a tag or comment; expat reads one that grows from its begin again and again

_FEED_BYTES = 4 << 10                  # at once to expat: at most half a millisecond
_DECODE_CHARS = 32 << 10
_CONTEXT_BYTES = 40                    # of a bad document, for whoever wrote it
_NOT_A_CALL = "Call XML not a proper XML-RPC call.  "
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}")
_TAG = re.compile(rb"<[A-Za-z_:]")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_RANGES: Final = {"int": 31, "i4": 31, "i1": 31, "i2": 31, "i8": 63, "ex:i8": 63}
_ODD_TYPES: Final = frozenset(("double", "dateTime.iso8601", "nil", "ex:nil"))
_XML_ERRORS: Final = {
    expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]: "Invalid token, starting 0 bytes in",
    expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN]: "unclosed token",
    expat.errors.codes[expat.errors.XML_ERROR_TAG_MISMATCH]: "mismatched tag",
}


class Unsupported(NamedTuple):
    """A parameter of a type that no command takes; a fault only once somebody takes it."""

    type: str


Raw = Union[int, str, Unsupported, "list[Raw]", "dict[str, Raw]"]


class MethodCall(NamedTuple):
    """A call as it was sent. Booleans are `bool`."""

    name: str
    params: list[Raw]


def parse_call(body: bytes) -> MethodCall:
    """Read a call. Raises Fault (-503) for anything else."""
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    pace = Pace()
    view = memoryview(body)
    try:
        for start in range(0, len(body), _FEED_BYTES):
            parser.Parse(view[start:start + _FEED_BYTES], False)
            if start - parser.CurrentByteIndex > MAX_TOKEN_BYTES:
                raise _improper("A token is too long.")
            pace.look()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise _not_xml(body, error.code, parser.ErrorByteIndex, has_begun=builder.has_begun) from None
    except (LookupError, ValueError):  # of the codec that is to be used for it
        raise _improper("Call is not valid XML.  unknown encoding") from None
    return builder.call()


class _Frame:
    """An element that is open."""

    __slots__ = ("items", "kind", "name", "tag", "text")

    def __init__(self, kind: str, tag: str) -> None:
        self.kind = kind
        self.tag = tag
        self.text: list[str] = []
        self.items: list[Raw] = []     # what its children stand for
        self.name: str | None = None   # of a member, or of the method


class _Builder:
    """What expat calls: the elements of a call, from the outside in. Raises Fault for one in the wrong place."""

    def __init__(self) -> None:
        self.has_begun = False
        self._root = _Frame("root", "")
        self._stack = [self._root]
        self._count = 0
        self._depth = 0

    def call(self) -> MethodCall:
        name = self._root.name
        if name is None:
            raise _improper("Expected <methodCall> to have child <methodName>")
        return MethodCall(name, self._root.items)

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise _improper(f"More than {MAX_ELEMENTS} elements.")
        self._stack.append(_Frame(self._kind_of(tag), tag))

    def text(self, data: str) -> None:
        self._stack[-1].text.append(data)

    def end(self, _tag: str) -> None:
        frame = self._stack.pop()
        parent = self._stack[-1]
        kind = frame.kind
        if kind == "scalar":
            parent.items.append(_scalar(frame.tag, "".join(frame.text)))
        elif kind == "value":
            parent.items.append(frame.items[0] if frame.items else "".join(frame.text))
        elif kind in ("methodName", "name"):
            parent.name = "".join(frame.text)
        elif kind == "data":
            parent.items.append(frame.items)
        elif kind == "array":
            self._depth -= 1
            parent.items.append(_only(frame, "data", frame.items))
        elif kind == "member":
            if frame.name is None or not frame.items:
                raise _improper("<member> element has 1 children.  Only <name> and <value> make sense.")
            parent.items.append([frame.name, frame.items[0]])
        elif kind == "struct":
            self._depth -= 1
            parent.items.append(dict(frame.items))  # type: ignore[arg-type]   # pairs, by the rules above
        elif kind == "param":
            if len(frame.items) != 1:
                raise _improper(f"Expected <param> to have 1 children, found {len(frame.items)}")
            parent.items.append(frame.items[0])
        elif kind == "params":
            parent.items = frame.items
        else:
            self._root.name, self._root.items = frame.name, frame.items

    def _kind_of(self, tag: str) -> str:
        """What a child `tag` of the innermost open element is."""
        parent = self._stack[-1]
        place = parent.kind
        if place == "value":
            return self._type_of(tag, parent)
        if place == "data" and tag == "value":
            return tag
        if place == "params" and tag == "param":
            return tag
        if place == "param" and tag == "value":
            return tag
        if place == "member" and (tag == "name" and parent.name is None or tag == "value" and not parent.items):
            return tag
        if place == "struct" and tag == "member":
            return tag
        if place == "array" and tag == "data":
            return tag
        if place == "root":
            self.has_begun = True
            if tag == "methodCall":
                return tag
            raise _improper(
                f"XML-RPC call should be a <methodCall> element.  Instead, we have a <{tag}> element.")
        if place == "methodCall":
            if tag == ("params" if parent.name is not None else "methodName"):
                return tag
            missing = "params" if parent.name is not None else "methodName"
            raise _improper(f"Expected <methodCall> to have child <{missing}>")
        raise _improper(_MISPLACED.get(place, _CHILD_OF_TEXT).format(tag=tag, parent=parent.tag))

    def _type_of(self, tag: str, parent: _Frame) -> str:
        if parent.items:
            raise _improper("<value> has 2 child elements.  Only zero or one make sense.")
        if tag in ("array", "struct"):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise _improper("Nested data structure too deep.")
            return tag
        if tag in _RANGES or tag in ("string", "boolean", "base64") or tag in _ODD_TYPES:
            return "scalar"
        raise _improper(f"Unknown value type -- XML element is named <{tag}>")


_MISPLACED: Final = {
    "params": "Expected element of type <param>, found <{tag}>",
    "param": "Expected element of type <value>, found <{tag}>",
    "array": "<array> element has <{tag}> child.  Only <data> makes sense.",
    "data": "<data> element has <{tag}> child.  Only <value> makes sense.",
    "struct": "<{tag}> element found where only <member> makes sense.",
    "member": "<member> element has <{tag}> child.  Only one <name> and one <value> make sense.",
}
_CHILD_OF_TEXT: Final = (
    "The child of a <value> element is neither <array> nor <struct>, but has 1 child elements of its own."
)


def _only(frame: _Frame, child: str, items: list[Raw]) -> Raw:
    if len(items) != 1:
        raise _improper(f"<{frame.tag}> element has {len(items)} children.  Only one <{child}> makes sense.")
    return items[0]


def _scalar(tag: str, text: str) -> Raw:
    if tag == "string":
        return text
    bits = _RANGES.get(tag)
    if bits is not None:
        return _integer(text, bits)
    if tag == "base64":
        return _from_base64(text)
    if tag == "boolean":
        if text not in ("0", "1"):
            raise _improper("<boolean> XML element content must be either '0' or '1' according to XML-RPC.  "
                            f"This one has '{text[:_CONTEXT_BYTES]}'")
        return text == "1"
    return Unsupported(tag)


def _integer(text: str, bits: int) -> int:
    if not text:
        raise _improper("<int> XML element content is empty")
    if text[0].isspace():
        raise _improper(f"<int> content '{text[:_CONTEXT_BYTES]}' starts with white space")
    found = _NUMBER.match(text)
    end = found.end() if found is not None else 0
    if end < len(text):
        shown, junk = text[:_CONTEXT_BYTES], text[end:end + _CONTEXT_BYTES]
        raise _improper(f"<int> value '{shown}' contains non-numerical junk: '{junk}'")
    number = int(text)
    if bits == 31 and number > 2147483647:
        raise _improper(f"<int> value {text} is above the range allowed by XML-RPC (maximum is 2147483647)")
    if bits == 31 and number < -2147483648:
        raise _improper(f"<int> value {text} is below the range allowed by XML-RPC (minimum is -2147483648)")
    if not SMALLEST <= number <= LARGEST:
        raise _improper(f"<i8> value {text} is out of range")
    return number


def _from_base64(text: str) -> str:
    """The bytes as text, those that are no UTF-8 as surrogates. What is no digit of base64 is skipped."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    pace = Pace()
    parts: list[str] = []
    rest = b""
    for start in range(0, len(text), _DECODE_CHARS):
        digits = rest + _NO_BASE64.sub(b"", text[start:start + _DECODE_CHARS].encode("utf-8", "replace"))
        whole = len(digits) & ~3
        rest = digits[whole:]
        try:
            parts.append(decoder.decode(binascii.a2b_base64(digits[:whole])))
        except binascii.Error:
            raise _improper("Incorrect Base64 padding") from None
        pace.look()
    if rest:
        raise _improper("Incorrect Base64 padding")
    parts.append(decoder.decode(b"", True))
    return "".join(parts)


def _refuse_doctype(*_arguments: object) -> None:
    raise _improper("Call is not valid XML.  syntax error")


def _not_xml(body: bytes, code: int, index: int, *, has_begun: bool) -> Fault:
    words = _XML_ERRORS.get(code) or expat.ErrorString(code) or "syntax error"
    if not has_begun and not _TAG.match(body, index):
        return _improper(f"Call is not valid XML.  {words}")
    context = "".join(
        chr(byte) if 0x20 <= byte < 0x7f else f"\\x{byte:02x}" for byte in body[index:index + _CONTEXT_BYTES]
    )
    return _improper(
        f"Call is not valid XML.  Invalid XML \"content\".  Problem with token at '{context}...': {words}")


def _improper(words: str) -> Fault:
    return failed(_NOT_A_CALL + words)
