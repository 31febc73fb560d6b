"""A daemon with many torrents of one tracker: no burst at its start, and everybody hears that it leaves."""

from __future__ import annotations

import base64
import signal
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import bencodepy

from blobtorrent.core.session.announcequeue import PER_HOST, PER_HOST_LEAVING
from tests.support.httpserver import HttpServer, QuietHandler
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until

TORRENTS = 150
NETWORK_S = 0.02                       # on the way to the tracker and back
WAIT_S = 60.0


class BusyTracker(HttpServer):
    """Keeps connections, notes (event, info hash) of each announce, and how many it had to serve at once."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.connections = 0
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        tracker = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                tracker.connections += 1

            def do_GET(self) -> None:
                with tracker._lock:
                    tracker.at_once += 1
                    tracker.most_at_once = max(tracker.most_at_once, tracker.at_once)
                time.sleep(NETWORK_S)
                query = parse_qs(urlsplit(self.path).query, encoding="latin-1")
                body = bencodepy.encode({"interval": 1800, "peers": b"", "complete": 0, "incomplete": 1,
                                         "downloaded": 0})
                with tracker._lock:
                    tracker.at_once -= 1
                    tracker.told.append((query.get("event", [""])[0], query["info_hash"][0]))
                self.answer(body)

        super().__init__(Handler)
        self.url = f"{self.origin}/announce"

    def hashes(self, event: str) -> list[str]:
        return [info_hash for told, info_hash in self.told if told == event]


def torrent_file(number: int, url: str) -> str:
    info = {"name": f"t{number}", "length": 100, "piece length": 16384, "pieces": bytes((number % 256,)) * 20}
    return base64.b64encode(bencodepy.encode({"announce": url, "info": info})).decode()


def test_many_torrents_of_one_tracker_neither_burst_nor_leave_without_a_word(tmp_path: Path) -> None:
    with BusyTracker() as tracker:
        with Daemon(tmp_path, "--set", "dht.enabled=false") as daemon:
            for number in range(TORRENTS):
                daemon.call("POST", "/v1/torrents", {"metainfo": torrent_file(number, tracker.url)})
            wait_until(lambda: len(tracker.hashes("started")) == TORRENTS, WAIT_S, "all announces")
            assert tracker.most_at_once <= PER_HOST
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(WAIT_S) == 0
        assert sorted(tracker.hashes("stopped")) == sorted(tracker.hashes("started"))
        assert tracker.most_at_once <= PER_HOST_LEAVING
        before, tracker.most_at_once, tracker.connections = len(tracker.told), 0, 0

        with Daemon(tmp_path, "--set", "dht.enabled=false"):
            wait_until(lambda: len(tracker.told) == before + TORRENTS, WAIT_S, "all announces of the next run")
            assert tracker.most_at_once <= PER_HOST
            assert tracker.connections <= 2 * PER_HOST
