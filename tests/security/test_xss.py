"""XSS by the text of torrents, peers and trackers: what a browser or a parser is given of it is text, nothing else."""

from __future__ import annotations

import http.client
import json
import re
import xmlrpc.client
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from blobtorrent.interface.rest.attachment import disposition
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.xmlanswer import render_answer, render_fault
from tests.support import foreignwords
from tests.support.chromium import BROWSER, Chromium
from tests.support.payload import KIB, make_sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import free_port, wait_until
from tests.support.peers.tracker import ListTracker
from tests.support.rest import TOKEN, RestRig, request_on, status_of
from tests.support.rpc import body_of, exchange, framed
from tests.support.tools import require_tool

NAMES = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'-alert(1)-'", "</title><svg onload=alert(1)>",
    "<![CDATA[x]]>", "]]>", "&lt;b&gt;", "&#60;script&#62;", "<!-- -->", "javascript:alert(1)", "a\0<b>", "\ud800<i>",
    "\x0b\x1b\x07<u>", "\ufffe\uffff", "{{7*7}}", "${alert(1)}", "\u2028alert(1)", "</textarea><script src=//evil>",
    "<a\n>",
]
PATIENCE_S = 60.0
SETTINGS = """
[network]
interface = "127.0.0.1"
allow_loopback = true
port_mapping = "off"
[dht]
enabled = false
[lsd]
enabled = false
[rtorrent]
listen = ["unix:rpc.sock"]
http_listen = ["127.0.0.1:{port}"]
"""
ELEMENTS = {
    "methodResponse", "params", "param", "fault", "value", "array", "data", "struct", "member", "name", "string", "i4",
    "i8"}


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
        assert {element.tag for element in tree.iter()} <= ELEMENTS
        assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", document)
        assert b"<!" not in document


def test_what_strangers_say_comes_out_of_a_daemon_as_the_text_that_it_is(tmp_path: Path) -> None:
    """All the way: a torrent's names, a tracker's complaint and a peer's name of itself, by every door that tells."""
    port = free_port()
    with ListTracker() as tracker:
        tracker.failure = foreignwords.TROUBLE
        files = [(f"{foreignwords.FOLDER}/x.bin", 20_000), (foreignwords.FILE, 20_000)]
        sample = make_sample(tmp_path / "sample", foreignwords.NAME, files, 16 * KIB, trackers=[tracker.url])
        foreignwords.with_comment(sample.torrent)
        one = f"/v1/torrents/{sample.info_hash.hex()}"
        with Daemon(tmp_path / "daemon", settings=SETTINGS.format(port=port)) as daemon, \
                foreignwords.NamedSeed(sample) as seed:
            daemon.call("POST", "/v1/torrents", {
                "source": str(sample.torrent), "labels": [foreignwords.LABEL], "peers": [seed.endpoint]})
            wait_until(lambda: daemon.call("GET", f"{one}/peers")["peers"], PATIENCE_S, "the peer")
            wait_until(lambda: foreignwords.TROUBLE in daemon.call("GET", f"{one}/trackers")["trackers"][0]["result"],
                       PATIENCE_S, "the tracker's complaint")
            check_rest(daemon, one)
            check_rpc(daemon, port, sample.info_hash.hex().upper())
            assert "Traceback" not in daemon.output()


def check_rest(daemon: Daemon, one: str) -> None:
    told: dict[str, Any] = {path: json.loads(daemon.get(f"{one}{path}").decode("ascii"))
                            for path in ("", "/files", "/peers", "/trackers", "/why")}
    assert told[""]["name"] == foreignwords.NAME and told[""]["labels"] == [foreignwords.LABEL]
    assert [file["path"][1:] for file in told["/files"]["files"]] == [
        [foreignwords.FOLDER, "x.bin"], [foreignwords.FILE]]
    assert told["/peers"]["peers"][0]["client"] == foreignwords.CLIENT
    assert foreignwords.TROUBLE in told["/trackers"]["trackers"][0]["result"]


def check_rpc(daemon: Daemon, port: int, digits: str) -> None:
    """SCGI and HTTP, XML and JSON: the same values, and of XML nothing but the elements of an answer."""
    calls = {
        "d.multicall2": ("", "main", "d.name=", "d.message=", "d.custom1=", "d.base_path="),
        "f.multicall": (digits, "", "f.path=", "f.frozen_path="),
        "p.multicall": (digits, "", "p.client_version=", "p.id_html="),
        "t.multicall": (digits, "", "t.url=", "t.group="),
    }
    wanted = {"d.multicall2": (foreignwords.NAME, foreignwords.TROUBLE), "f.multicall": (foreignwords.FILE,),
              "p.multicall": (foreignwords.CLIENT,), "t.multicall": ()}
    socket_path = f"unix:{daemon.runtime / 'rpc.sock'}"
    for name, parameters in calls.items():
        call = xmlrpc.client.dumps(parameters, name).encode()
        by_scgi = body_of(exchange(socket_path, framed(call)))
        http_call = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        http_call.request("POST", "/RPC2", call, {"Content-Type": "text/xml"})
        by_http = http_call.getresponse().read()
        http_call.close()
        order = json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": parameters}).encode()
        by_json = json.loads(body_of(exchange(socket_path, framed(order, {"CONTENT_TYPE": "application/json"}))))
        for document in (by_scgi, by_http):
            assert {element.tag for element in ElementTree.fromstring(document).iter()} <= ELEMENTS
            assert b"<!" not in document and not re.search(rb"<(img|svg|script|details|a|b)\b", document)
            ((rows,), _) = xmlrpc.client.loads(document)
            assert rows == by_json["result"], name
        texts = [str(text) for row in by_json["result"] for text in row]
        for words in wanted[name]:
            assert any(words in text for text in texts), (words, texts)


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
