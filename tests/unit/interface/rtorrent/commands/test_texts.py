"""`string.*`: answers, and ends of what they take."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rtorrent.faults import Fault
from tests.support.rtorrentlanguage import LanguageStage


@pytest.mark.parametrize(("text", "result"), [
    ("equals=a,b,a", 1), ("equals=a,b", 0), ("starts_with=abc,x,ab", 1), ("starts_with=abc,b", 0),
    ("ends_with=abc,bc", 1), ("contains=abc,x,b", 1), ("contains=abc,B", 0), ("contains_i=abc,B", 1),
    ('strip=" a "', "a"), ("strip=xyaxy,x,y", "a"), ("lstrip=xax,x", "ax"), ("rstrip=xax,x", "xa"), ("strip=xx,x", ""),
    ("lpad=7,3,0", "007"), ("lpad=7,3", "  7"), ("rpad=ab,5,xy", "abxyx"), ("lpad=long,2", "long"), ("length=ünï", 3),
    ("length=(value,12)", 2), ('join="-",a,{b,3}', "a-b-3"), ("join=-", ""),
    ("split=a-b-,-", ["a", "b", ""]), ("split=ab,", ["a", "b"]), ("substr=abcdef,2", "cdef"),
    ("substr=abcdef,2,3", "cde"), ("substr=abcdef,-2", "ef"), ("substr=abc,9,1,none", "none"), ("substr=abc,1,0", ""),
    ("map=a,{b,1},{a,2}", "2"), ("map=c,{b,1}", "c"), ("replace=aXbX,{X,--},{a,}", "--b--"), ("replace=a,{,x}", "a")])
def test_answers(text, result):
    assert LanguageStage().text(f"string.{text}") == result


@pytest.mark.parametrize("text", ["equals=a", "length=a,b", "split=a", "map=a,b", "replace=a,{b}", "lpad=a,b"])
def test_other_arguments_are_refused(text):
    assert LanguageStage().fault(f"string.{text}")


def test_texts_grow_only_so_long():
    stage = LanguageStage()
    assert len(stage.text("string.lpad=a,999999999")) == 1 << 16
    stage.text("method.insert.string=s.s," + "x" * 4000)
    with pytest.raises(Fault, match="Too long a text"):
        stage.text("string.replace=" + "x" * 8000 + ",{x," + "y" * 4000 + "}")
    with pytest.raises(Fault, match="Too much work"):
        for _ in range(5):
            stage.text('s.s.set="$cat=$s.s=,$s.s=,$s.s=,$s.s=,$s.s=,$s.s=,$s.s=,$s.s="')
