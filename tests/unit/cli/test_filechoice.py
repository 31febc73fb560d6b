"""Which files an option means."""

from __future__ import annotations

import pytest

from blobtorrent.cli.filechoice import chosen_files
from blobtorrent.model.errors import Invalid, NotFound

FILES = [
    {"number": number, "path": path.split("/")}
    for number, path in ((0, "show/e01.mkv"), (2, "show/e02.mkv"), (3, "show/extras/a.nfo"), (9, "show/READ[1].nfo"))
]


@pytest.mark.parametrize(
    ("word", "numbers"),
    [
        ("0", [0]), ("2,9", [2, 9]), ("0-3", [0, 2, 3]), ("1-2,9", [2, 9]),
        ("*.nfo", [3, 9]), ("show/extras/*", [3]), ("e0?.mkv", [0, 2]), ("*", [0, 2, 3, 9]), ("READ[[]1].nfo", [9]),
    ],
)
def test_files_are_meant_by_number_or_pattern(word, numbers):
    assert chosen_files(FILES, word) == numbers


@pytest.mark.parametrize("word", ["1", "*.NFO", "extras", "4-8", "", "-1"])
def test_what_means_no_file_is_refused(word):
    with pytest.raises(NotFound):
        chosen_files(FILES, word)


def test_a_run_goes_up():
    with pytest.raises(Invalid, match="3-2"):
        chosen_files(FILES, "0,3-2")
