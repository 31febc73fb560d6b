"""Colours, and where there are none."""

from __future__ import annotations

import io

import pytest

from blobtorrent.cli.paint import Painter, Style, painter_for


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_style_is_put_around_a_text():
    assert Painter(True)("bad", Style.BAD) == "\x1b[31mbad\x1b[0m"
    assert Painter(True)("plain", Style.PLAIN) == "plain"
    assert Painter(True)("", Style.BAD) == ""
    assert Painter(False)("bad", Style.BAD) == "bad"


@pytest.mark.parametrize(
    ("when", "out", "environ", "is_on"),
    [
        ("auto", Terminal(), {}, True),
        ("auto", io.StringIO(), {}, False),
        ("auto", Terminal(), {"NO_COLOR": "1"}, False),
        ("auto", Terminal(), {"NO_COLOR": ""}, True),
        ("auto", Terminal(), {"TERM": "dumb"}, False),
        ("always", io.StringIO(), {"NO_COLOR": "1"}, True),
        ("never", Terminal(), {}, False),
    ],
)
def test_colours_are_for_terminals_and_for_who_asks(when, out, environ, is_on):
    assert painter_for(when, out, environ).is_on is is_on
