"""File names in a header: whatever a stranger put into a name, it is one header, and one file."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.interface.rest.attachment import disposition

FORM = re.compile(r"attachment; filename=\"([A-Za-z0-9._ ()+-]*)\"; filename\*=UTF-8''([A-Za-z0-9._~%-]*)")


@pytest.mark.parametrize(
    ("name", "plain", "encoded"),
    [
        ("a.torrent", "a.torrent", "a.torrent"), ('a";b', "a__b", "a%22%3Bb"),
        ("a\r\nX: b", "a__X_ b", "a%0D%0AX%3A%20b"),
        ("ä€", "__", "%C3%A4%E2%82%AC"), ("../../etc/passwd", ".._.._etc_passwd", "..%2F..%2Fetc%2Fpasswd"),
        ("", "", ""),
        ("\udcff", "_", "%3F"),
    ],
)
def test_a_name_is_written_twice(name, plain, encoded):
    header, value = disposition(name)
    assert (header, value) == ("Content-Disposition", f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")


@given(st.text(max_size=50))
def test_any_name_comes_through(name):
    found = FORM.fullmatch(disposition(name)[1])
    assert found is not None
    assert unquote(found[2]) == name
