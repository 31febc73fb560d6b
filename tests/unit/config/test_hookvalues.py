from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.config import hookvalues
from blobtorrent.config.load import load
from blobtorrent.model.errors import ConfigError

GOOD = '[[hooks]]\nprogram = ["/bin/true"]\n'


def loaded(tmp_path: Path, text: str):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return load([path])


def test_a_hook_needs_only_whom_to_tell(tmp_path):
    (hook,) = loaded(tmp_path, GOOD).hooks
    assert (hook.events, hook.program, hook.url, hook.timeout_s, hook.retries) == (
        ("torrent-finished",), ("/bin/true",), "", 60.0, 3)


@pytest.mark.parametrize("text", ["[[hooks]]\n", '[[hooks]]\nprogram = ["/bin/true"]\nurl = "http://h/"\n'])
def test_a_hook_tells_exactly_one(tmp_path, text):
    with pytest.raises(ConfigError, match=r"settings\.toml:1: hooks needs a program or a url, and not both"):
        loaded(tmp_path, text)


def test_the_hook_that_is_wrong_is_the_one_that_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"settings\.toml:3: hooks needs a program"):
        loaded(tmp_path, GOOD + "[[hooks]]\n")


@pytest.mark.parametrize(("line", "words"), [
    ('events = ["torrent-finish"]', "holds 'torrent-finish', which is none of torrent-added"),
    ('events = ["piece-verified"]', "holds 'piece-verified', which is none of"),
    ("events = []", "must be a list of events"),
    ('events = "torrent-finished"', "must be a list of events"),
    ("labels = [1]", "must be text"),
    ('labels = [""]', "holds an empty label"),
    ("retries = 11", "must be between 0 and 10"),
    ("concurrency = 0", "must be between 1 and 8"),
    ("timeout_s = 0", "must be between 1 s"),
])
def test_what_a_hook_cannot_have_is_said(tmp_path, line, words):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"{GOOD}{line}\n")
    assert words in caught.value.detail and "settings.toml:3" in caught.value.detail


@pytest.mark.parametrize("value", [
    ["true"], ["./true"], ["~/true"], ["/bin/echo", "a\0b"], ["/bin/echo", "\ud800"], ["/bin/echo", 1], "/bin/true",
    ["/bin/echo", "x" * (33 << 10)], [""],
])
def test_a_command_that_cannot_be_run_is_refused(value):
    with pytest.raises(ValueError, match="must|holds"):
        hookvalues.command(value)


def test_arguments_are_kept_as_they_are():
    words = ["/bin/echo", "$(reboot)", "a b", "", "ü", "'"]
    assert hookvalues.command(words) == tuple(words)


@pytest.mark.parametrize("value", [
    "ftp://h/", "http://", "http:///path", "//h/", "h", "http://u:p@h/", "http://u@h/", "http://h/#x", "http://h:0/",
    "http://h:99999/", "http://h/a b", "http://h/\n", "http://h\r\nX: y/", "http://hé/", "file:///etc/passwd", 1, None,
    "http://[::1", "http://h/" + "a" * 5000,
])
def test_an_address_that_cannot_be_posted_to_is_refused(value):
    with pytest.raises(ValueError, match="must be a URL"):
        hookvalues.web_address(value)


@pytest.mark.parametrize("value", [
    "", "http://h", "https://h.example/a?b=c", "http://127.0.0.1:8080/", "http://[::1]:80/x", "HTTP://h/%20",
])
def test_other_addresses_are_kept(value):
    assert hookvalues.web_address(value) == value
