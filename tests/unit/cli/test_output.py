"""What may reach a terminal, and the shape of an error."""

from __future__ import annotations

import json

import pytest

from blobtorrent.cli.output import EXIT_FAILED, EXIT_TIMEOUT, clean, fail, print_json


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("plain name.iso", "plain name.iso"),
        ("größe 你好", "größe 你好"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("two\nlines\r\t", "two\\x0alines\\x0d\\x09"),
        ("c1 \x9b31m del \x7f", "c1 \\x9b31m del \\x7f"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("zero\u200bwidth\u2028", "zero\\u200bwidth\\u2028"),
        ("half \udc80", "half \\udc80"),
        ("tag \U000e0041", "tag \\U000e0041"),
    ],
)
def test_foreign_text_keeps_letters_and_loses_everything_that_steers_a_terminal(foreign: str, shown: str) -> None:
    assert clean(foreign) == shown


@pytest.mark.parametrize("text", ["x" * 1000, "ü" * 1000, "\x1b" * 1000])
def test_long_text_is_cut_to_the_limit_with_an_ellipsis(text: str) -> None:
    assert len(clean(text, limit=20)) == 20
    assert clean(text, limit=20).endswith("…")


def test_an_error_is_one_clean_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail("storage.denied", "cannot write\nhere\x1b", as_json=False) == EXIT_FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "blobtorrent: cannot write\\x0ahere\\x1b (storage.denied)\n"


def test_with_json_the_error_is_also_an_object_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail("get.timeout", "too slow", as_json=True, status=EXIT_TIMEOUT) == EXIT_TIMEOUT
    assert json.loads(capsys.readouterr().out) == {"error": {"code": "get.timeout", "message": "too slow"}}


def test_json_output_is_one_ascii_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "ü\n\u202e"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.count("\n") == 1
    assert json.loads(out) == {"name": "ü\n\u202e"}


def test_json_output_has_no_raw_delete_character(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "a\x7fb"})
    line = capsys.readouterr().out
    assert "\x7f" not in line
    assert json.loads(line) == {"name": "a\x7fb"}
