"""The manual page of the REST interface knows every resource, and every member of a torrent."""

from __future__ import annotations

import re

from blobtorrent.interface.rest.encode import TORRENT
from tests.support.resources import Resources
from tests.support.restmanual import PAGE, with_parts


def test_what_is_made_from_the_code_is_as_the_code() -> None:
    page = PAGE.read_text()
    assert page == with_parts(page), "run python -m tests.support.restmanual"


def test_the_page_explains_exactly_the_resources_that_there_are() -> None:
    explained = set(re.findall(r"^\.It Sy ([A-Z]+) Pa (\S+)$", PAGE.read_text(), re.MULTILINE))
    assert explained == {(route.method, route.pattern) for route in Resources().router.routes}


def test_the_page_names_exactly_the_members_of_a_torrent() -> None:
    section = PAGE.read_text().partition(".Ss A torrent\n")[2].partition("\n.Sh ")[0]
    assert re.findall(r"^\.It Li (\S+)$", section, re.MULTILINE) == list(TORRENT.readers)
