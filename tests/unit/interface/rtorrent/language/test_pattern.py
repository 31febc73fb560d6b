"""Regular expressions: the same answers as Python's, without its worst cases."""

from __future__ import annotations

import re
import time

import pytest

from blobtorrent.interface.rtorrent.context import Budget
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.language.pattern import matches

TEXTS = ("", "a", "abc", "aab", "b", "ab1 c", "x-y.z", "a\nb", "aaaa", "ünï", "[", "]a", "2026-11-23")
PATTERNS = (
    "", "a", "a.c", ".*", "a*b", "a+b?", "(a|b)*", "(?:ab|a)c?1? ?c?", "[abc]+", "[^a]", "a{2}", "a{1,3}b?", "a{2,}",
    r"\w+", r"\d{4}-\d\d-\d{2}", r"\W", r"[\w\s]+", r".*\.z", "^a$", "a|", "|a", "(a|)b", r"\bab1\b.*", r"a\Bb",
    "[a-c]*",
    r"[]a]*", "a*?", "(a*)*b", "[^]]", r"\x61", "[\\]a]+", "x-y.z", "a.b", "[.-]", "((a)(b)?)*", "(a{0,2}){2}")


@pytest.mark.parametrize("pattern", [pattern for pattern in PATTERNS if not pattern.startswith(("[]", "[^]"))])
def test_a_whole_text_is_matched_as_python_does(pattern):
    found = re.compile(pattern, re.ASCII if "\\b" in pattern or "\\B" in pattern else 0)
    for text in TEXTS:
        assert matches(pattern, text, Budget()) == bool(found.fullmatch(text)), text


@pytest.mark.parametrize("pattern", [
    "(", ")", "a)", "*", "a**b|*", "[a", "a{2", "a{3,1}", "{1}", "\\", "[b-a]", "[[:no:]]"])
def test_what_is_no_pattern_matches_nothing(pattern):
    assert not any(matches(pattern, text, Budget()) for text in TEXTS)


def test_classes_of_posix():
    assert matches("[[:alpha:][:digit:]]+", "ab1", Budget())
    assert not matches("[[:alpha:]]+", "ab1", Budget())


@pytest.mark.parametrize("pattern", ["(?=a)a", "(?!a)b", r"(a)\1", "(" * 60, "a{9999}", "(a{100}){100}"])
def test_what_could_run_away_is_refused(pattern):
    with pytest.raises(Fault):
        matches(pattern, "a", Budget())


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|a)*b", "(a+)+$b", "(.*)*(.*)*x"])
def test_patterns_that_take_others_for_ever_take_a_moment(pattern):
    started_s = time.process_time()
    assert not matches(pattern, "a" * 2000, Budget())
    assert time.process_time() - started_s < 5


def test_matching_is_work():
    budget = Budget(100)
    with pytest.raises(Fault, match="Too much work"):
        matches("a*" * 50, "a" * 1000, budget)
