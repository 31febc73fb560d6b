"""Torrents as the daemon tells of them."""

from __future__ import annotations

import pytest

from blobtorrent.cli.top.torrent import FIELDS, read_torrent
from blobtorrent.model.errors import NetworkError
from tests.support.fakedaemon import torrent as told


def test_all_that_is_read_is_asked_for():
    asked = {name: value for name, value in told(1).items() if name in FIELDS.split(",")}
    assert read_torrent(asked) == read_torrent(told(1))
    assert len(asked) == len(FIELDS.split(","))


def test_foreign_text_is_harmless():
    torrent = read_torrent(told(
        1, name="a\x1b[2Jb\n\u202e", labels=["\x07x"], held_by="q\r", error={"code": "c", "message": "\x9b1m"},
        download_dir="/\x00"))
    assert torrent.name == r"a\x1b[2Jb\x0a\u202e"
    assert (torrent.labels, torrent.held_by, torrent.error) == ((r"\x07x",), r"q\x0d", r"\x9b1m")
    assert torrent.download_dir == r"/\x00"


@pytest.mark.parametrize("fields", [
    {"hash": "../../settings"}, {"hash": None}, {"name": 7}, {"size_bytes": "many"}, {"ratio": None}, {"labels": 3},
    {"error": "text"}, {"labels": [1]}, {"eta_s": "soon"},
])
def test_what_cannot_be_a_torrent_is_refused(fields):
    with pytest.raises(NetworkError) as caught:
        read_torrent(told(1, **fields))
    assert caught.value.code == "client.bad-answer"


def test_a_check_has_a_progress_of_its_own():
    assert read_torrent(told(1, state="checking", checked_bytes=7)).progress == (7, 1000)
    assert read_torrent(told(1, state="moving", moved_bytes=8)).progress == (8, 1000)
    assert read_torrent(told(1, done_bytes=9, wanted_bytes=10)).progress == (9, 10)
