"""Request splitting: no text of a torrent, a tracker or a torrent's name ends a line of a request that we send."""

from __future__ import annotations

import pytest

from blobtorrent.discovery.httpcall import split_url, target_of
from blobtorrent.interface.rest.attachment import disposition
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.ids import PeerId
from blobtorrent.model.urls import TRACKER_SCHEMES, WEB_SEED_SCHEMES, usable_url
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.tracker.announce import AnnounceQuery
from blobtorrent.protocol.tracker.http import announce_url
from tests.support.oddtorrents import single, torrent

QUERY = AnnounceQuery(bytes(range(20)), PeerId(b"\r\n\r\nGET / HTTP/1.1\r\n"[:20].ljust(20, b"\n")), 6881, 0, 0, 1)
SPLITTERS = [
    f"http://tracker.example{where}" for where in (
        "/announce\r\nHost: evil", "/announce\nX: y", "/announce\rX", "/a%0d%0aX: y", "/a b", "/a\tb", "/a\0b",
        "/a?x=\r\n", "/a?x=1 HTTP/1.1\r\nX: y", "\r\n/announce", ":80\r\n/announce", "/\x85", "/\u2028X",
        "/#\r\nX", "/\x0bX", "/\x7f")
]


def is_one_line(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


@pytest.mark.parametrize("url", SPLITTERS)
def test_a_url_is_refused_or_becomes_one_word(url: str) -> None:
    for schemes in (TRACKER_SCHEMES, WEB_SEED_SCHEMES):
        kept = usable_url(url.encode(), schemes)
        assert kept is None or is_one_line(kept)
    try:
        parts = split_url(url)
    except BlobTorrentError:
        return
    assert is_one_line(target_of(parts)) and is_one_line(parts.netloc)


@pytest.mark.parametrize("url", SPLITTERS)
def test_an_announce_is_one_line_whatever_the_torrent_says(url: str) -> None:
    metainfo = parse_torrent(torrent(single(), announce=url.encode()))
    for tracker in (*(tracker for tier in metainfo.tiers for tracker in tier), url):
        try:
            asked = split_url(announce_url(tracker, QUERY))
        except BlobTorrentError:
            continue
        assert is_one_line(target_of(asked)) and is_one_line(asked.netloc)


@pytest.mark.parametrize("name", [
    'a"; filename="b', "a\r\nX: y", "a\nb", "\u202e.txt", "a\\b", "\x1b[2J", "\ud800", "x" * 5000])
def test_a_name_stays_in_the_header_of_its_file(name: str) -> None:
    text = disposition(name)[1]
    assert text.isascii() and text.isprintable()
    assert text.count('"') == 2 and "\\" not in text
