"""XSS by the text of torrents, peers and trackers: what a browser or a parser is given of it is text, nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from blobtorrent.interface.rest.attachment import disposition
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.xmlanswer import render_answer, render_fault
from tests.support.chromium import BROWSER, Chromium
from tests.support.rest import TOKEN, RestRig, request_on, status_of
from tests.support.tools import require_tool

NAMES = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'-alert(1)-'", "</title><svg onload=alert(1)>",
    "<![CDATA[x]]>", "]]>", "&lt;b&gt;", "&#60;script&#62;", "<!-- -->", "javascript:alert(1)", "a\0<b>", "\ud800<i>",
    "\x0b\x1b\x07<u>", "\ufffe\uffff", "{{7*7}}", "${alert(1)}", "\u2028alert(1)", "</textarea><script src=//evil>",
    "<a\n>",
]




@pytest.mark.parametrize("name", NAMES)
def test_rest_tells_it_as_json_and_says_that_it_is_no_page(name: str) -> None:
    with RestRig() as rig:
        rig.session.show(status_of(1, name=name, labels=(name[:50],), error_code="x.y", error_detail=name))
        asked = ["/v1/torrents", f"/v1/torrents/{1:040x}", f"/v1/{quote(name, errors='replace')}",
                 f"/v1/torrents?state={quote(name, errors='replace')}"]
        for path in asked:
            answer = rig.request("GET", path)
            assert answer.headers["content-type"].startswith(("application/json", "application/problem+json"))
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"] == "default-src 'none'"
            assert "access-control-allow-origin" not in answer.headers
            assert answer.body.isascii()
            assert answer.json
        told = rig.request("GET", "/v1/torrents").json["torrents"][0]["name"]
        assert told.encode("utf-8", "replace") == name.encode("utf-8", "replace") or "\ufffd" in told


@pytest.mark.parametrize("name", NAMES)
def test_xml_of_it_is_text_in_one_element(name: str) -> None:
    for parts in (render_answer([name, [name], {"key": name}]), render_fault(Fault(-503, name))):
        document = b"".join(parts)
        tree = ElementTree.fromstring(document)
        tags = {element.tag for element in tree.iter()}
        assert tags <= {"methodResponse", "params", "param", "fault", "value", "array", "data", "struct", "member",
                        "name", "string", "i4"}
        assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", document)
        assert b"<!" not in document


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_offered_under_a_name_that_ends_no_header(name: str) -> None:
    text = disposition(name)[1]
    assert text.isascii() and text.isprintable() and text.count('"') == 2
    assert text.startswith("attachment; ")


@pytest.mark.interop
@pytest.mark.slow
def test_a_browser_that_opens_an_answer_runs_none_of_it(tmp_path: Path) -> None:
    require_tool(BROWSER)
    with RestRig() as rig, Chromium(tmp_path) as browser:
        rig.session.show(*(status_of(number, name=name) for number, name in enumerate(NAMES, 1)))
        base = f"http://owner:{TOKEN}@127.0.0.1:{rig.port}"
        for path in ("/v1/torrents", f"/v1/{quote(NAMES[0])}", f"/v1/torrents/{1:040x}"):
            browser.page.open(base + path)
            assert "json" in browser.page.value("document.contentType")
            assert browser.page.value("document.scripts.length + document.images.length + "
                                      "document.querySelectorAll('svg, iframe, a').length") == 0
        with rig.connect() as sock:
            assert request_on(sock, "GET", "/v1/session").status == 200
