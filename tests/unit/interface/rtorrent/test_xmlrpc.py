"""Reading XML-RPC calls: values of every type, and rTorrent's words for documents that are no calls."""

from __future__ import annotations

import base64

import pytest

from blobtorrent.interface.rtorrent.faults import FAILED, Fault
from blobtorrent.interface.rtorrent.xmlrpc import MAX_DEPTH, MethodCall, Unsupported, parse_call

PREFIX = "Call XML not a proper XML-RPC call.  "


def document(value: str) -> bytes:
    return (f"<?xml version='1.0'?><methodCall><methodName>cat</methodName><params><param><value>{value}</value>"
            "</param></params></methodCall>").encode()


def param(value: str) -> object:
    return parse_call(document(value)).params[0]


@pytest.mark.parametrize(("text", "value"), [
    ("<string>a</string>", "a"), ("naked", "naked"), ("", ""), ("  ", "  "), ("<string/>", ""),
    ("<i4>1</i4>", 1), ("<int>-2</int>", -2), ("<i8>9223372036854775807</i8>", 2**63 - 1), ("<ex:i8>7</ex:i8>", 7),
    ("<i4>+5</i4>", 5), (" <i4>1</i4> ", 1), ("<boolean>1</boolean>", True), ("<nil/>", Unsupported("nil")),
    ("<double>1.5</double>", Unsupported("double")), ("<base64> Y W\nE = </base64>", "aa"),
    ("<base64>//4=</base64>", "\udcff\udcfe"), ("<base64>w6k=</base64>", "é"), ("<string>a<!-- b -->c</string>", "ac"),
    ("<string><![CDATA[<&>]]></string>", "<&>"), ("<string>\U0001f600</string>", "\U0001f600"),
    ("<string>a\r\nb</string>", "a\nb"),
    ("<array><data><value>a</value><value><array><data/></array></value></data></array>", ["a", []]),
    ("<struct><member><name>n</name><value><i4>1</i4></value></member></struct>", {"n": 1}),
])
def test_a_value_is_read(text, value):
    assert param(text) == value
    assert type(param(text)) is type(value)


def test_a_call_needs_no_params():
    assert parse_call(b"<methodCall><methodName>system.pid</methodName></methodCall>") == MethodCall("system.pid", [])


def test_another_encoding_is_understood():
    data = document("\xe9").replace(b"'1.0'", b"'1.0' encoding='ISO-8859-1'").decode().encode("latin-1")
    assert parse_call(data).params == ["\xe9"]


def test_bytes_are_the_same_wherever_the_slices_end():
    data = bytes(range(256)) * 700 + "é☃".encode() * 9000
    found = param(f"<base64>{base64.encodebytes(data).decode()}</base64>")
    assert isinstance(found, str) and found.encode("utf-8", "surrogateescape") == data


# Each was asked of rTorrent 0.9.8.
@pytest.mark.parametrize(("data", "words"), [
    (b"<?xml version='1.0' encoding='nosuch'?><a/>", "Call is not valid XML.  unknown encoding"),
    (b"<?xml version='1.0' encoding='utf-7'?><a/>", "Call is not valid XML.  unknown encoding"),
    (b"<?xml version='1.0' encoding='rot13'?><a/>", "Call is not valid XML.  unknown encoding"),
    (b"<hello", "Call is not valid XML.  Invalid XML \"content\".  Problem with token at '<hello...': unclosed token"),
    (b"   ", "Call is not valid XML.  no element found"),
    (b"<a/>", "XML-RPC call should be a <methodCall> element.  Instead, we have a <a> element."),
    (b"<methodCall/>", "Expected <methodCall> to have child <methodName>"),
    (b"<methodCall><methodName>a</methodName><params><x/></params></methodCall>",
     "Expected element of type <param>, found <x>"),
    (b"<methodCall><methodName>a</methodName><params><param/></params></methodCall>",
     "Expected <param> to have 1 children, found 0"),
    (document("<i4>abc</i4>"), "<int> value 'abc' contains non-numerical junk: 'abc'"),
    (document("<i4></i4>"), "<int> XML element content is empty"),
    (document("<i4> 5 </i4>"), "<int> content ' 5 ' starts with white space"),
    (document("<i4>99999999999</i4>"),
     "<int> value 99999999999 is above the range allowed by XML-RPC (maximum is 2147483647)"),
    (document("<base64>YQ</base64>"), "Incorrect Base64 padding"),
    (document("<i4>1</i4><i4>2</i4>"), "<value> has 2 child elements.  Only zero or one make sense."),
    (document("<foo>1</foo>"), "Unknown value type -- XML element is named <foo>"),
    (document("<array/>"), "<array> element has 0 children.  Only one <data> makes sense."),
    (document("<array><value>1</value></array>"), "<array> element has <value> child.  Only <data> makes sense."),
    (document("<array><data><x/></data></array>"), "<data> element has <x> child.  Only <value> makes sense."),
    (document("<array><data><value>" * 70 + "</value></data></array>" * 70), "Nested data structure too deep."),
    (b"<!DOCTYPE a [<!ENTITY x 'y'>]>" + document("&x;")[21:], "Call is not valid XML.  syntax error"),
])
def test_what_is_no_call_is_refused_in_rtorrents_words(data, words):
    with pytest.raises(Fault) as caught:
        parse_call(data)
    assert (caught.value.code, caught.value.text) == (FAILED, PREFIX + words)


def test_arrays_may_be_nested_as_deep_as_rtorrent_takes_them():
    depth = MAX_DEPTH
    found = param("<array><data><value>" * depth + "</value></data></array>" * depth)
    for _ in range(depth):
        assert isinstance(found, list)
        found = found[0]
    assert found == ""


@pytest.mark.parametrize("bomb", [
    b"<!DOCTYPE lolz [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;'>]><methodCall>&b;</methodCall>",
    b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><methodCall/>",
    b"<" + b"a" * (1 << 20),
    b"<methodCall><!--" + b"x" * (1 << 20),
    b"<methodCall><methodName>a</methodName><params>" + b"<param><value/></param>" * 300_000,
])
def test_a_bomb_is_refused(bomb):
    with pytest.raises(Fault):
        parse_call(bomb)
