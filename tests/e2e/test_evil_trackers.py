"""Trackers and torrents that made other programs end, swallow memory or answer rubbish: here they are told of, and all
goes on."""

from __future__ import annotations

import base64
import gzip
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import bencodepy
import pytest

from tests.support.httpserver import HttpServer, QuietHandler
from tests.support.payload import KIB, MIB
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.peers.rtorrent import scgi_answer

TOLD_S = 60.0
MOST_MORE_BYTES = 20 * MIB
BOMB_BYTES = 512 * MIB
RUDE = "no \x00\x01\x08\x0b\x1b[2J\x7f \ud7ff <&]]> \ufffe such torrent".encode()
PIECES = bytes(20)

ODD_INFOS: dict[str, dict[str, Any]] = {
    "piece length of 4 GiB": {"name": "a", "piece length": 1 << 32, "length": 100, "pieces": PIECES},
    "piece length of nothing": {"name": "a", "piece length": 0, "length": 100, "pieces": PIECES},
    "piece length below nothing": {"name": "a", "piece length": -1, "length": 100, "pieces": PIECES},
    "length beyond all disks": {"name": "a", "piece length": 16 * KIB, "length": 1 << 62, "pieces": PIECES},
    "the same path twice": {"name": "a", "piece length": 16 * KIB, "pieces": PIECES, "files": [
        {"length": 5, "path": ["b", "c"]}, {"length": 7, "path": ["b", "c"]}]},
    "a path that is a folder, too": {"name": "a", "piece length": 16 * KIB, "pieces": PIECES, "files": [
        {"length": 5, "path": ["b"]}, {"length": 7, "path": ["b", "c"]}]},
}


class EvilTracker(HttpServer):
    """Answers every announce with these headers and no others, and these bytes. A context."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        class Handler(QuietHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass               # it has read enough

        super().__init__(Handler)
        self.url = f"{self.origin}/announce"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    work = tmp_path_factory.mktemp("evil")
    with ExitStack() as stack:
        yield stack.enter_context(Daemon(
            work / "daemon", "--set", "lsd.enabled=false", "--set", "dht.enabled=false", "--set",
            "storage.memory_budget='16 MiB'", runtime=work / "run"))


def _add(daemon: Daemon, info: dict[str, Any], url: str = "") -> Any:
    metafile = {"info": info, **({"announce": url} if url else {})}
    return daemon.call("POST", "/v1/torrents", {"metainfo": base64.b64encode(bencodepy.encode(metafile)).decode()})


def _announced(daemon: Daemon, digits: str) -> dict[str, Any]:
    """What became of the announce that failed."""
    def told() -> dict[str, Any]:
        (tracker,) = daemon.call("GET", f"/v1/torrents/{digits}/trackers")["trackers"]
        found: dict[str, Any] = tracker
        return found

    wait_until(lambda: told()["error_code"], TOLD_S, "the announce", 0.1)
    return told()


@pytest.mark.parametrize("form", ["gzip", "long", "endless length"])
def test_a_huge_answer_of_a_tracker_takes_no_memory_and_is_told_of(daemon: Daemon, form: str) -> None:
    body = gzip.compress(bytes(BOMB_BYTES), 1) if form == "gzip" else b"d8:intervali1800e5:peers" + (
        b"99999999999:" if form == "endless length" else b"60000000:") + bytes(60_000_000)
    headers = {"Content-Encoding": "gzip"} if form == "gzip" else {}
    before_bytes = daemon.peak_rss_bytes()
    with EvilTracker(headers, body) as tracker:
        added = _add(daemon, {"name": form, "piece length": 16 * KIB, "length": 100, "pieces": PIECES}, tracker.url)
        told = _announced(daemon, added["hash"])
    assert told["error_code"].startswith("tracker."), told
    assert daemon.peak_rss_bytes() - before_bytes < MOST_MORE_BYTES
    daemon.call("DELETE", f"/v1/torrents/{added['hash']}")


def test_control_characters_in_a_trackers_reason_make_no_ill_formed_answer(daemon: Daemon) -> None:
    """Those of ASCII, a terminal's, an end of CDATA, and one that XML does not know at all."""
    with EvilTracker({}, bencodepy.encode({b"failure reason": RUDE})) as tracker:
        added = _add(daemon, {"name": "rude", "piece length": 16 * KIB, "length": 100, "pieces": PIECES}, tracker.url)
        _announced(daemon, added["hash"])
        rpc = daemon.runtime / "rpc.sock"
        for command, *arguments in (("d.message", added["hash"].upper()),
                                    ("d.multicall2", "", "main", "d.hash=", "d.message="),
                                    ("t.multicall", added["hash"].upper(), "", "t.url=", "t.latest_event=")):
            document = ElementTree.fromstring(scgi_answer(rpc, command, *arguments))
            assert document.find("fault") is None
            text = "".join(document.itertext())
            assert not any(ord(character) < 32 and character not in "\t\r\n" for character in text)
        assert "such torrent" in "".join(ElementTree.fromstring(
            scgi_answer(rpc, "d.message", added["hash"].upper())).itertext())
        assert "\x1b" not in daemon.output() and "\x00" not in daemon.output()
    daemon.call("DELETE", f"/v1/torrents/{added['hash']}")


@pytest.mark.parametrize("odd", ODD_INFOS)
def test_a_torrent_that_ended_other_programs_is_refused_or_told_of(daemon: Daemon, odd: str, tmp_path: Path) -> None:
    before_bytes = daemon.rss_bytes()
    told = _add(daemon, ODD_INFOS[odd])
    if "code" in told:
        assert told["status"] in (400, 422) and told["detail"]
    else:                              # names that clash may be told apart on the disk
        digits = told["hash"]
        wait_until(lambda: daemon.call("GET", f"/v1/torrents/{digits}")["state"] == "downloading", TOLD_S, "its start")
        assert daemon.call("DELETE", f"/v1/torrents/{digits}?with_data=true") is None
    assert daemon.call("GET", "/v1/health/live")["status"] == "ok"
    assert daemon.rss_bytes() - before_bytes < MOST_MORE_BYTES
    assert "ERROR" not in daemon.output()
