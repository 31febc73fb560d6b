"""The parser: a statement at a time, with the words of rTorrent for what is wrong."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.language.parser import MAX_NESTED, parse_statement
from blobtorrent.interface.rtorrent.values import Call


@pytest.mark.parametrize(("text", "args"), [
    ("cat=", [""]), ("cat=a", ["a"]), (" \t cat = a , b ", ["a", "b"]), ("cat=a,", ["a", ""]), ("cat=,", ["", ""]),
    ('cat="a,b"', ["a,b"]), (r'cat="a\"b\\"', ['a"b\\']), (r"cat=a\,b\ c", ["a,b c"]), ('cat=a"b"', ['a"b"']),
    ("cat={a b , c }", ["a b ", "c "]), ("cat={a,b},c", [["a", "b"], "c"]), ("cat={}", [""]), ("cat=#", ["#"]),
    ("cat=(d.name)", [Call("d.name", [], 1)]), ("cat=((x,a,{b}))", [Call("x", ["a", ["b"]], 2)]),
    ("cat=( x ,a)", [Call(" x ", ["a"], 1)]), ("cat=(((x)))", [Call("x", [], 3)]), ("cat=a\0b", ["a"])])
def test_arguments(text, args):
    statement = parse_statement(text)
    assert (statement.name, statement.args) == ("cat", args)


@pytest.mark.parametrize(("text", "reason"), [
    ("=x", "Invalid start of command name."), ("1x=", "Invalid start of command name."),
    ("é=", "Invalid start of command name."), ("d.name", "Could not find '=' in command 'd.name'."),
    ("cat-x=a", "Could not find '=' in command 'cat'."), ("cat=a b", "Junk at end of input."),
    ('cat="a"b', "Junk at end of input."), ("cat=(cat,a)b", "Junk at end of input."),
    ('cat="a', "Missing closing quote."), ("cat=a\\", "Escape character at end of input."),
    ("cat={a,{b}", "Could not find closing '}'."), ("cat=(a", "Could not find closing ')'."),
    ("cat=(cat,a", "Parantheses mismatch."), ("cat=((a)", "Parantheses mismatch."),
    ("cat=((((a))))", "Max 3 parantheses per object allowed.")])
def test_what_is_wrong_is_said_as_rtorrent_says_it(text, reason):
    with pytest.raises(Fault) as caught:
        parse_statement(text)
    assert (caught.value.code, caught.value.text) == (-503, reason)


@pytest.mark.parametrize("text", ["", "  \t", "# cat=a", " #"])
def test_an_empty_text_and_a_comment_are_no_command(text):
    statement = parse_statement(text)
    assert (statement.name, statement.end) == ("", len(text))


@pytest.mark.parametrize("separator", [";", "\n", " ;"])
def test_the_next_statement_begins_after_a_separator(separator):
    text = f"cat=a{separator}cat=b"
    assert parse_statement(text, parse_statement(text).end).args == ["b"]


@pytest.mark.parametrize(("opening", "closing"), [("{", "}"), ("(x,", ")")])
def test_objects_nest_only_so_deep(opening, closing):
    parse_statement("cat=" + opening * MAX_NESTED + "a" + closing * MAX_NESTED)
    with pytest.raises(Fault, match="Too deep"):
        parse_statement("cat=" + opening * (MAX_NESTED + 1))
