"""The manual page of the REST interface knows every resource and every field of a torrent."""

from __future__ import annotations

import re

from blobtorrent.interface.rest.encode import torrent_fields
from blobtorrent.interface.rest.router import routes_of
from tests.support.rest import PlayedSession, status_of
from tests.support.source import ROOT

PAGE = ROOT / "man" / "blobtorrent-rest.7"


def test_the_page_explains_exactly_the_resources_that_there_are():
    explained = set(re.findall(r"^\.It Sy ([A-Z]+) Pa (\S+)$", PAGE.read_text(), re.MULTILINE))
    routes = routes_of(PlayedSession().gateway)
    assert explained == {(route.method, route.pattern.replace("{}", "{hash}")) for route in routes}


def test_the_page_names_exactly_the_fields_of_a_torrent():
    section = PAGE.read_text().partition(".Ss A torrent\n")[2].partition("\n.Sh ")[0]
    lines = re.findall(r"^\.Li (.*)$", section, re.MULTILINE)
    named = {word for line in lines for word in line.split() if word not in ",."}
    assert named - {"code", "message"} == torrent_fields(status_of(1), wall=0.0).keys()
