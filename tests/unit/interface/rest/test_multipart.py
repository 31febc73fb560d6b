"""Forms with files: what is taken, and what two readers could understand differently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.interface.rest.http import Refused
from blobtorrent.interface.rest.multipart import MAX_FIELD_BYTES, MAX_PARTS, Form, is_form, read_form

TYPE = "multipart/form-data; boundary=xyz"
CURL = (
    b'--xyz\r\nContent-Disposition: form-data; name="download_dir"\r\n\r\n/srv\r\n'
    b'--xyz\r\nContent-Disposition: form-data; name="metainfo"; filename="a;b.torrent"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\nd4:info\r\n--xy\r\n\0e\r\n--xyz--\r\n"
)


def part(head: bytes, data: bytes = b"a") -> bytes:
    return b"--xyz\r\n" + head + b"\r\n\r\n" + data + b"\r\n"


def named(name: str, data: bytes = b"a") -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"'.encode(), data)


END = b"--xyz--\r\n"


def test_fields_and_files_are_told_apart():
    form = read_form(TYPE, CURL)
    assert form == Form({"download_dir": "/srv"}, {"metainfo": b"d4:info\r\n--xy\r\n\0e"})


@pytest.mark.parametrize(
    "content_type",
    [
        TYPE, 'multipart/form-data; boundary="xyz"', "Multipart/Form-Data;BOUNDARY=xyz",
        " multipart/form-data ;boundary=xyz ",
    ],
)
def test_the_boundary_is_found_however_it_is_written(content_type):
    assert is_form(content_type)
    assert read_form(content_type, named("a") + END).fields == {"a": "a"}


def test_only_forms_with_files_are_forms():
    assert not is_form("application/x-www-form-urlencoded")
    assert not is_form("multipart/mixed; boundary=xyz")
    assert not is_form("")


def test_a_part_may_be_empty_and_the_last_line_end_is_a_matter_of_taste():
    assert read_form(TYPE, named("a", b"") + b"--xyz--").fields == {"a": ""}


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=a; boundary=b",
     "multipart/form-data; boundary=xyz; charset=utf-8", 'multipart/form-data; boundary="xyz',
     "multipart/form-data; boundary=\xe9", "multipart/form-data; boundary=" + "a" * 71,
     'multipart/form-data; boundary="xyz "',
     "text/plain; boundary=xyz"],
)
def test_a_content_type_that_leaves_the_boundary_open_is_refused(content_type):
    with pytest.raises(Refused) as caught:
        read_form(content_type, CURL)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"", b"--xyz", b"--xyz\r\n", b"preamble\r\n" + CURL, CURL + b"epilogue", CURL[:-6], CURL[:60],
        named("a"), named("a") + b"--xyz--x", b"--xyz\n" + named("a")[7:] + END, named("a") + b"--xyz \r\n" + END,
        named("a") + named("a") + END, part(b"Content-Type: text/plain") + END, part(b"") + END, part(b"\r\n") + END,
        part(b'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64') + END,
        part(b'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"') + END,
        part(b'Content-Disposition: attachment; name="a"') + END, part(b"Content-Disposition: form-data; name=a") + END,
        part(b'Content-Disposition: form-data; name="a"; name="b"') + END,
        part(b"Content-Disposition: form-data") + END,
        part(b"Content-Disposition: form-data; name*=utf-8''a") + END,
        part(b'Content-Disposition: form-data; name="a\\"b"') + END,
        part(b'Content-Disposition: form-data; name=""') + END,
        part(b'Content-Disposition: form-data;\r\n name="a"') + END,
        part(b'Content-Disposition: form-data; name="\xff"') + END,
        named("a", b"\xff") + END, named("a", b"a" * (MAX_FIELD_BYTES + 1)) + END,
        b"".join(named(f"a{number}") for number in range(MAX_PARTS + 1)) + END,
        part(b'Content-Disposition: form-data; name="a"\r\nContent-Type: ' + b"a" * 5000) + END,
        named("a", b"b\r\n--xyzw"),
    ],
)
def test_what_could_be_misread_is_refused(body):
    with pytest.raises(Refused) as caught:
        read_form(TYPE, body)
    assert (caught.value.status, caught.value.code) == (400, "rest.bad-form")


def test_as_many_parts_as_allowed_are_read():
    form = read_form(TYPE, b"".join(named(f"a{number}") for number in range(MAX_PARTS)) + END)
    assert len(form.fields) == MAX_PARTS


@given(st.dictionaries(st.from_regex("[a-z]{1,8}", fullmatch=True), st.binary(max_size=64), min_size=1, max_size=5))
def test_every_file_comes_out_as_it_was_put_in(files):
    files = {name: data for name, data in files.items() if b"\r\n--xyz" not in b"\r\n" + data}
    body = b"".join(
        part(f'Content-Disposition: form-data; name="{name}"; filename=""'.encode(), data)
        for name, data in files.items()
    )
    if files:
        assert read_form(TYPE, body + END).files == files


WORDS = st.sampled_from([b"--xyz", b"\r\n", b"--", b'Content-Disposition: form-data; name="a"', b"a", b"\n"])


@given(st.lists(WORDS, max_size=20))
def test_whatever_comes_is_read_or_refused(pieces):
    try:
        read_form(TYPE, b"".join(pieces))
    except Refused as error:
        assert error.status == 400
