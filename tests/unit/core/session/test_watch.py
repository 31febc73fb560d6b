"""Watch folders: when a file is ready, and what the file beside it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.watch import Find, Sighting, WatchScanner, read_sidecar
from blobtorrent.model.errors import Invalid

ONE = Sighting(100, 1, 7)
GROWN = Sighting(200, 2, 7)


def test_a_file_is_ready_when_two_looks_found_it_the_same():
    scanner = WatchScanner()
    looks = [scanner.look({"a.torrent": seen}) for seen in (ONE, GROWN, GROWN, GROWN)]
    assert looks == [[], [], [Find("a.torrent", None)], []]


def test_a_file_that_changed_after_it_was_found_is_found_again():
    scanner = WatchScanner()
    looks = [len(scanner.look({"a.torrent": seen})) for seen in (ONE, ONE, GROWN, GROWN, GROWN)]
    assert looks == [0, 1, 0, 1, 0]


def test_a_file_that_came_back_is_found_again():
    scanner = WatchScanner()
    there: dict[str, Sighting] = {"a.torrent": ONE}
    looks = [len(scanner.look(files)) for files in (there, there, {}, there, there)]
    assert looks == [0, 1, 0, 0, 1]


def test_a_file_that_could_not_be_dealt_with_is_found_at_every_look():
    scanner = WatchScanner()
    scanner.look({"a.torrent": ONE})
    for _ in range(3):
        (find,) = scanner.look({"a.torrent": ONE})
        scanner.forget(find)


def test_options_are_waited_for_while_they_are_written():
    scanner = WatchScanner()
    scanner.look({"a.torrent": ONE})
    assert scanner.look({"a.torrent": ONE, "a.toml": ONE}) == []
    assert scanner.look({"a.torrent": ONE, "a.toml": GROWN}) == []
    assert scanner.look({"a.torrent": ONE, "a.toml": GROWN}) == [Find("a.torrent", "a.toml")]


def test_other_files_and_hidden_ones_are_left_alone():
    names = ("b.torrent", "a.torrent", "a.json", "a.torrent.part", ".c.torrent", "x.toml", "torrent")
    files = dict.fromkeys(names, ONE)
    scanner = WatchScanner()
    scanner.look(files)
    assert scanner.look(files) == [Find("a.torrent", "a.json"), Find("b.torrent", None)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.toml", b'start = false\nlabels = ["x"]\ndownload_dir = "/srv"\n'),
        ("a.json", b'{"start": false, "labels": ["x"], "download_dir": "/srv"}'),
    ],
)
def test_options_are_read_from_toml_and_json(name, data):
    assert read_sidecar(name, data) == {"start": False, "labels": ("x",), "download_dir": Path("/srv")}


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.toml", b"start = ", "watch.bad-sidecar"), ("a.toml", b"\xff", "watch.bad-sidecar"),
        ("a.json", b"[]", "watch.bad-sidecar"), ("a.json", b"[" * 100_000, "watch.bad-sidecar"),
        ("a.json", b"{", "watch.bad-sidecar"), ("a.toml", b'strat = true\n', "option.unknown"),
        ("a.toml", b'start = "yes"\n', "option.bad-value"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_the_name_of_the_file(name, data, code):
    with pytest.raises(Invalid, match=name) as caught:
        read_sidecar(name, data)
    assert caught.value.code == code
