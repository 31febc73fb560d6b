"""Configuration files: lines, joined lines, where an error stands, and starting in spite of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.rcfile import MAX_LINE, logical_lines
from tests.support.rtorrentlanguage import LanguageStage


@pytest.fixture
def stage() -> LanguageStage:
    made = LanguageStage()
    made.text("method.insert.string=my.v,-")
    return made


def written(folder: Path, text: str | bytes, name: str = "rtorrent.rc") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(("data", "lines"), [
    (b"a\nb", [(1, b"a"), (2, b"b")]), (b"a\\\nb\n", [(2, b"ab"), (3, b"")]), (b"a\\\\\nb", [(1, b"a\\\\"), (2, b"b")]),
    (b"a\\\\\\\nb", [(2, b"ab")]), (b"a\\\n\\\n b", [(3, b"a b")]), (b"a\\", []), (b"", [(1, b"")])])
def test_an_odd_number_of_backslashes_joins_the_next_line(data, lines):
    assert list(logical_lines(data)) == lines


def test_an_error_says_file_and_line_and_ends_the_file(stage, tmp_path):
    path = written(tmp_path, "my.v.set=a\n\nmy.v.set=\\\n  b\nnosuch=\nmy.v.set=c\n")
    with pytest.raises(Fault) as caught:
        stage.call("import", "", str(path))
    assert caught.value.text == f'Error in option file: {path}:5: Command "nosuch" does not exist.'
    assert stage.text("my.v=") == "b"


def test_at_the_start_every_line_that_fails_is_reported_and_the_others_run(stage, tmp_path):
    inner = written(tmp_path, "bad line\nmy.v.set=inner\n", "inner.rc")
    path = written(tmp_path, f'nosuch=\nimport="{inner}"\nmethod.insert.value = my.n, 7\ncat=a b\nimport=/none\n')
    reports: list[str] = []
    stage.rc.start(stage.context(), ["my.n2=1", f"import={path}"], None, reports.append)
    assert reports == [
        'Option my.n2=1: Command "my.n2" does not exist.',
        f'Error in option file: {path}:1: Command "nosuch" does not exist.',
        f"Error in option file: {inner}:1: Could not find '=' in command 'bad'.",
        f"Error in option file: {path}:4: Junk at end of input.",
        f"Error in option file: {path}:5: Could not open option file: /none"]
    assert (stage.text("my.v="), stage.text("my.n=")) == ("inner", 7)


def test_after_the_start_an_error_ends_the_file_again(stage, tmp_path):
    path = written(tmp_path, "nosuch=\n")
    stage.rc.start(stage.context(), [], path, lambda report: None)
    with pytest.raises(Fault, match=":1: "):
        stage.text(f"import={path}")


def test_options_may_be_several_in_one(stage):
    stage.rc.start(stage.context(), ["my.v.set=a,method.insert.value=my.w"], None, pytest.fail)
    assert (stage.text("my.v="), stage.text("my.w=")) == ("a", 0)


def test_a_long_line_fails_and_a_long_comment_does_not(stage, tmp_path):
    lines = "#" + "c" * 5000, "cat=" + "a" * (MAX_LINE - 4), "cat=" + "a" * (MAX_LINE - 3)
    path = written(tmp_path, "\n".join(lines))
    with pytest.raises(Fault, match=":3: Exceeded max line length"):
        stage.text(f"import={path}")


def test_bytes_that_are_no_utf8_arrive_as_they_are(stage, tmp_path):
    stage.text(f"import={written(tmp_path, b'my.v.set=a' + bytes([255, 10]))}")
    assert stage.text("my.v=") == "a\udcff"


@pytest.mark.parametrize("path", ["/none", "/dev/zero", "/proc", "", "a\0b"])
def test_what_is_no_file_is_not_read(stage, path):
    with pytest.raises(Fault, match="Could not open option file: "):
        stage.call("import", "", path)
    assert stage.call("try_import", "", path) is None
    assert stage.log[-1].startswith("Could not read resource file: ")


def test_files_that_import_each_other_end(stage, tmp_path):
    path = tmp_path / "rtorrent.rc"
    written(tmp_path, f"try=import={path}\n" * 3 + f"import={path}\n")
    with pytest.raises(Fault, match=r"Too many files|Too much work|Too deep"):
        stage.text(f"import={path}")


@pytest.mark.parametrize(("option", "told"), [
    ("nothing", "Option nothing: it should be KEY=VALUE."), ("=7", "Option =7: it should be KEY=VALUE."),
    ("my.n2=1", 'Option my.n2=1: Command "my.n2" does not exist.'),
])
def test_a_bad_option_is_told_and_the_next_one_is_run(stage, option, told):
    reports: list[str] = []
    stage.rc.start(stage.context(), [f"{option},my.v.set=a"], None, reports.append)
    assert (reports, stage.text("my.v=")) == ([told], "a")


def test_the_value_of_an_option_is_a_text_as_it_stands(stage):
    stage.rc.start(stage.context(), ['my.v.set=$cat=1;"x" }'], None, pytest.fail)
    assert stage.text("my.v=") == '$cat=1;"x" }'


def test_the_named_file_is_read_whatever_its_name(stage, tmp_path):
    stage.rc.start(stage.context(), [], written(tmp_path, "my.v.set=read\n", 'a "b" $c;.rc'), pytest.fail)
    assert stage.text("my.v=") == "read"
