"""The bytes of a file over HTTP: only those that are verified, in the part that was asked for, from no other file."""

from __future__ import annotations

import os

import pytest

from blobtorrent.core.session.queries import ContentOf, FileContent
from blobtorrent.interface.rest.v1.content import FileBody
from blobtorrent.model.errors import Conflict, NotFound, StorageError
from tests.support.resources import Resources
from tests.support.rest import info_hash, status_of

PIECE = 10
BYTES = bytes(range(95))               # of the file; it begins in the middle of piece 1 of the torrent, and ends in 11
OFFSET = 15
URL = f"/v1/torrents/{info_hash(1).hex}/files/3/content"


def wire(*missing: int, pieces: int = 12) -> bytes:
    bits = "".join("0" if piece in missing else "1" for piece in range(pieces)).ljust(16, "0")
    return int(bits, 2).to_bytes(2, "big")


@pytest.fixture
def content(tmp_path):
    folder = tmp_path / "pack" / "sub"
    folder.mkdir(parents=True)
    (folder / "ä b.bin").write_bytes(BYTES)
    return FileContent(tmp_path, ("pack", "sub", "ä b.bin"), len(BYTES), OFFSET, PIECE, wire())


@pytest.fixture
def rest(content):
    resources = Resources()
    resources.session.show(status_of(1))
    resources.session.answers[ContentOf] = content
    return resources


def test_a_whole_file_is_sent_as_something_to_save(rest):
    told = rest.ask("GET", URL)
    assert (told.status, told.body) == (200, BYTES)
    assert told.headers["content-type"] == "application/octet-stream"
    assert told.headers["content-disposition"] == "attachment; filename=\"_ b.bin\"; filename*=UTF-8''%C3%A4%20b.bin"
    assert told.headers["accept-ranges"] == "bytes"
    assert rest.commands == [ContentOf(info_hash(1), 3)]


@pytest.mark.parametrize(("asked", "first", "last"), [("0-0", 0, 0), ("7-33", 7, 33), ("90-", 90, 94), ("-5", 90, 94)])
def test_a_part_is_sent_as_a_part(rest, asked, first, last):
    told = rest.ask("GET", URL, range=f"bytes={asked}")
    assert (told.status, told.body) == (206, BYTES[first : last + 1])
    assert told.headers["content-range"] == f"bytes {first}-{last}/95"


@pytest.mark.parametrize("first", range(0, 95, 7))
@pytest.mark.parametrize("missing", [1, 2, 7, 11])
def test_bytes_of_a_piece_that_is_not_verified_are_never_sent(rest, content, first, missing):
    rest.session.answers[ContentOf] = content._replace(have_wire=wire(missing))
    for last in range(first, 95, 9):
        told = rest.ask("GET", URL, range=f"bytes={first}-{last}")
        pieces = range((OFFSET + first) // PIECE, (OFFSET + last) // PIECE + 1)
        if missing in pieces:
            assert (told.status, told.code) == (409, "file.incomplete")
        else:
            assert (told.status, told.body) == (206, BYTES[first : last + 1])


def test_the_first_byte_that_is_not_there_is_named(rest, content):
    rest.session.answers[ContentOf] = content._replace(have_wire=wire(5, 6))
    assert "byte 35 of 95" in rest.ask("GET", URL).json["detail"]
    assert "byte 40 of 95" in rest.ask("GET", URL, range="bytes=40-90").json["detail"]


def test_a_range_beyond_the_end_is_refused_with_the_length(rest):
    told = rest.ask("GET", URL, range="bytes=95-")
    assert (told.status, told.headers["content-range"]) == (416, "bytes */95")


def test_the_bytes_of_a_torrent_never_change_and_so_does_their_tag(rest):
    tag = rest.ask("GET", URL).headers["etag"]
    assert rest.ask("GET", URL, if_none_match=tag).status == 304
    assert rest.ask("GET", URL, range="bytes=0-1", if_range=tag).status == 206
    assert rest.ask("GET", URL, range="bytes=0-1", if_range='"other"').status == 200


def test_an_empty_file_is_empty(rest, content):
    rest.session.answers[ContentOf] = content._replace(length=0, have_wire=wire(*range(12)))
    assert (rest.ask("GET", URL).status, rest.ask("GET", URL).body) == (200, b"")
    assert rest.ask("GET", URL, range="bytes=0-").status == 416


@pytest.mark.parametrize("number", ["-1", "x", "", "99999999999", "1.0", "%2e%2e", "%C2%B2"])
def test_what_is_no_number_is_no_file(rest, number):
    told = rest.ask("GET", f"/v1/torrents/{info_hash(1).hex}/files/{number}/content")
    assert (told.status, rest.commands) == (404, [])


@pytest.mark.parametrize("error", [NotFound("torrent.no-such-file", "no"), Conflict("torrent.moving", "moves")])
def test_what_the_session_refuses_is_told(rest, error):
    rest.session.refuse_with = error
    assert rest.ask("GET", URL).code == error.code


# ---- the file itself


def test_a_link_in_the_place_of_the_file_is_not_followed(rest, content, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(200))
    file = tmp_path.joinpath(*content.path)
    file.unlink()
    file.symlink_to(secret)
    assert rest.ask("GET", URL).status in (409, 507)
    file.unlink()
    file.parent.rmdir()
    file.parent.symlink_to(tmp_path)
    (tmp_path / "ä b.bin").write_bytes(bytes(200))
    assert rest.ask("GET", URL).status in (409, 507)


def test_a_pipe_in_the_place_of_the_file_keeps_nobody_waiting(rest, content, tmp_path):
    file = tmp_path.joinpath(*content.path)
    file.unlink()
    os.mkfifo(file)
    assert rest.ask("GET", URL).status in (409, 507)


def test_a_file_that_is_gone_or_short_is_incomplete(rest, content, tmp_path):
    file = tmp_path.joinpath(*content.path)
    file.write_bytes(BYTES[:50])
    assert rest.ask("GET", URL).code == "file.incomplete"
    assert rest.ask("GET", URL, range="bytes=0-49").status == 206
    file.unlink()
    assert rest.ask("GET", URL).code == "file.incomplete"


def test_a_body_keeps_hold_of_its_file_and_lets_go_of_it(content, tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    body = FileBody(content, range(5, 25))
    tmp_path.joinpath(*content.path).unlink()
    assert (body.length, body.read(8), body.read(100)) == (20, BYTES[5:13], BYTES[13:25])
    body.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_becomes_shorter_while_it_is_read_is_an_error_and_no_lie(content, tmp_path):
    body = FileBody(content, range(95))
    assert body.read(10) == BYTES[:10]
    os.truncate(tmp_path.joinpath(*content.path), 10)
    with pytest.raises(StorageError) as caught:
        body.read(10)
    assert caught.value.code == "storage.short-file"
    body.close()
