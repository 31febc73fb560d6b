from __future__ import annotations

import unicodedata

import pytest

from blobtorrent.model.text import clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße 漢字 🎬", "Grüße 漢字 🎬"),
        ("a\nb\tc", r"a\x0ab\x09c"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\u2028line", r"\u2028line"),
        ("\udc80", r"\udc80"),
        ("\U000e0041tag", r"\U000e0041tag"),
    ],
)
def test_only_what_could_harm_a_screen_is_escaped(text, shown):
    assert clean(text) == shown


@pytest.mark.parametrize("text", ["x" * 600, "\n" * 600, "é" * 600])
def test_long_text_is_cut_with_an_ellipsis(text):
    assert len(clean(text)) == 512
    assert clean(text, limit=10)[-1] == "…"
    assert len(clean(text, limit=10)) == 10


def test_no_character_at_all_gets_through_that_moves_the_cursor():
    for number in range(0x30000):
        shown = clean(chr(number))
        assert all(unicodedata.category(character)[0] != "C" for character in shown), hex(number)
