"""Which torrents a command means."""

from __future__ import annotations

import io
from typing import Any

import pytest

from blobtorrent.cli.selection import select, select_one
from blobtorrent.model.errors import Invalid, NotFound

HASHES = ("aaaa1" + "0" * 35, "aaaa2" + "0" * 35, "bbbb" + "0" * 36)
NAMES = ("one", "same", "same")


class ListedDaemon:
    """Has three torrents, the last of them a hybrid, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def get(self, path: str, fields: str) -> Any:
        assert (path, fields) == ("/v1/torrents", "hash,info_hash_v1,info_hash_v2,name")
        self.asked += 1
        return {"torrents": [
            {"hash": digits, "info_hash_v1": digits, "info_hash_v2": "cccc" * 16 if number == 2 else None, "name": name}
            for number, (digits, name) in enumerate(zip(HASHES, NAMES))
        ]}


@pytest.mark.parametrize(
    ("word", "place"), [("one", 0), ("aaaa1", 0), ("AAAA2", 1), ("bbbb", 2), ("cccccc", 2), (HASHES[1].upper(), 1)]
)
def test_a_torrent_is_named_by_hash_beginning_or_name(word, place):
    assert select(ListedDaemon(), [word]) == [HASHES[place]]


@pytest.mark.parametrize(
    ("word", "error"), [("aaaa", Invalid), ("same", Invalid), ("bbb", NotFound), ("two", NotFound), ("", NotFound)]
)
def test_what_names_none_or_several_is_refused(word, error):
    with pytest.raises(error):
        select(ListedDaemon(), [word])


def test_whole_hashes_need_no_list():
    daemon = ListedDaemon()
    assert select(daemon, ["f" * 40, "e" * 64, "F" * 40]) == ["f" * 40, "e" * 64]
    assert daemon.asked == 0


def test_a_hyphen_stands_for_the_first_words_of_the_lines_of_stdin(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{HASHES[2]}  what it is called\n\n  one\n"))
    assert select(ListedDaemon(), [HASHES[1], "-"]) == [HASHES[1], HASHES[2], HASHES[0]]


def test_one_torrent_is_one(monkeypatch):
    assert select_one(ListedDaemon(), "one") == HASHES[0]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{HASHES[2]}\n{HASHES[1]}\n"))
    with pytest.raises(Invalid, match="2 torrents"):
        select_one(ListedDaemon(), "-")
    with pytest.raises(Invalid, match="0 torrents"):
        select_one(ListedDaemon(), "-")


def test_the_daemon_is_asked_once_for_all_words():
    daemon = ListedDaemon()
    assert select(daemon, ["one", "bbbb", "one"]) == [HASHES[0], HASHES[2]]
    assert daemon.asked == 1
