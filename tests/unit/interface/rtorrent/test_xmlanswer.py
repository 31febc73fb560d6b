"""Writing XML-RPC answers: byte for byte as recorded, and readable whatever is in a name."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
import xmlrpc.client

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.values import Call
from blobtorrent.interface.rtorrent.xmlanswer import (
    V0_9,
    V0_16,
    Binary,
    FaultStruct,
    Short,
    Truth,
    render_answer,
    render_fault,
)

PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<params>\r\n<param>'
EPILOG = "</param>\r\n</params>\r\n</methodResponse>\r\n"


def text(value: object, dialect=V0_9) -> str:
    return b"".join(render_answer(value, dialect)).decode()


def inner(value: object) -> str:
    found = text(value)
    assert found.startswith(PROLOG) and found.endswith(EPILOG)
    return found[len(PROLOG):-len(EPILOG)]


@pytest.mark.parametrize(("value", "xml"), [
    (None, "<value><i4>0</i4></value>"), (0, "<value><i8>0</i8></value>"), (True, "<value><i8>1</i8></value>"),
    (Binary("\udcff<"), "<value><base64>/zw=</base64></value>"),
    ([[Binary("a")]], "<value><array><data>\r\n<value><array><data>\r\n<value><base64>YQ==</base64></value>\r\n"
                      "</data></array></value>\r\n</data></array></value>"),
    (Short(-503), "<value><i4>-503</i4></value>"), (Truth(1), "<value><boolean>1</boolean></value>"),
    ("", "<value><string></string></value>"), ("a<b>&\"'", "<value><string>a&lt;b&gt;&amp;\"'</string></value>"),
    ("a\r\n\tb", "<value><string>a\r\n\tb</string></value>"), ("a\x01b\x7f", "<value><string>ab\x7f</string></value>"),
    ("nul\0tail", "<value><string>nul</string></value>"), ("\udcff☃", "<value><string>\ufffd☃</string></value>"),
    ([], "<value><array><data>\r\n</data></array></value>"),
    (["a", 1], "<value><array><data>\r\n<value><string>a</string></value>\r\n<value><i8>1</i8></value>\r\n"
               "</data></array></value>"),
    ({"b": 1, "a": ""}, "<value><struct>\r\n<member><name>a</name>\r\n<value><string></string></value></member>\r\n"
                        "<member><name>b</name>\r\n<value><i8>1</i8></value></member>\r\n</struct></value>"),
    (Call("cat", ["x"]), "<value><array><data>\r\n<value><string>cat</string></value>\r\n"
                         "<value><string>x</string></value>\r\n</data></array></value>"),
])
def test_a_value_is_written_as_rtorrent_does(value, xml):
    assert inner(value) == xml


def test_a_fault_is_a_struct():
    assert b"".join(render_fault(Fault(-506, "Method 'x' not defined"))).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<fault>\r\n<value><struct>\r\n'
        "<member><name>faultCode</name>\r\n<value><i4>-506</i4></value></member>\r\n"
        "<member><name>faultString</name>\r\n<value><string>Method 'x' not defined</string></value></member>\r\n"
        "</struct></value>\r\n</fault>\r\n</methodResponse>\r\n")


def test_the_newer_dialect_has_one_line_and_one_kind_of_integer():
    assert text([[], None], V0_16) == (
        '<?xml version="1.0"?><methodResponse><params><param><value><array><data><value><array><data/></array></value>'
        "<value><i8>0</i8></value></data></array></value></param></params></methodResponse>")


values = st.recursive(
    st.none() | st.integers(-2**63, 2**63 - 1) | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=20)


@given(values)
def test_any_answer_is_xml(value):
    ElementTree.fromstring(text(value))


@given(st.lists(st.lists(st.integers(0, 9) | st.text("a<&>\x00\r\U0001f600\udc80", max_size=4), max_size=5)))
def test_rows_come_back_as_they_were_but_for_what_xml_cannot_hold(rows):
    def kept(value):
        if not isinstance(value, str):
            return value
        return value.partition("\0")[0].replace("\udc80", "\ufffd").replace("\r", "\n")

    (found,), _ = xmlrpc.client.loads(text(rows))
    assert found == [[kept(value) for value in row] for row in rows]


def test_a_long_answer_comes_in_parts():
    parts = render_answer([["x" * 100, number] for number in range(5000)])
    assert len(parts) > 5 and max(map(len, parts)) < 80_000


@pytest.mark.parametrize(("code", "words", "of_16"), [
    (-503, "Not a value.", "<i8>-500</i8>"), (-501, "Could not find info-hash.", "info-hash not found"),
    (-506, "Method 'x' not defined", "<string>method 'x' not defined</string>"),
    (-507, "not trusted", "<i8>-507</i8>"),
])
def test_the_fault_of_one_call_among_many_is_told_as_its_generation_does(code, words, of_16):
    failure = FaultStruct(Fault(code, words))
    assert f"<i4>{code}</i4>" in text([failure]) and words in text([failure])
    assert of_16 in text([failure], V0_16)


def test_a_long_text_is_written_as_a_short_one_is():
    text = "<&> é\ud83d\x01" * 30_000
    whole = b"".join(render_answer(text))
    assert whole == b"".join(render_answer("@")).replace(b"@", "&lt;&amp;&gt; é\ufffd".encode() * 30_000)
    assert b"".join(render_answer("x" * 100_000 + "\0" + "y" * 100_000)).count(b"y") == 0
