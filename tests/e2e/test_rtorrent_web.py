"""Calls over HTTP by their settings in rTorrent: whom a tracker's certificate must be from, and their own proxy."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.certificates import certify
from tests.support.payload import KIB, make_sample
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon
from tests.support.proxies import TestProxy


class Tracker(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.asked = 0
        super().__init__(("127.0.0.1", 0), Announced)

    def handle_error(self, request: object, client_address: object) -> None:
        """Who does not trust us breaks off."""


class Announced(http.server.BaseHTTPRequestHandler):
    server: Tracker

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"d8:intervali900e5:peers0:e")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def tracker_with(own: Path | None = None) -> Iterator[tuple[Tracker, str]]:
    """One that runs, and where it is; with a certificate over HTTPS."""
    with Tracker() as tracker:
        if own is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(own)
            tracker.socket = context.wrap_socket(tracker.socket, server_side=True)
        thread = threading.Thread(target=tracker.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield tracker, f"{'https' if own else 'http'}://127.0.0.1:{tracker.server_address[1]}/announce"
        finally:
            tracker.shutdown()
            thread.join()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RpcDaemon]:
    with RpcDaemon(tmp_path / "daemon") as running:
        yield running


def test_a_tracker_is_asked_once_its_certificate_is_trusted(daemon: RpcDaemon, tmp_path: Path) -> None:
    own, authority = certify(tmp_path)
    with tracker_with(own) as (tracker, url):
        sample = make_sample(tmp_path, "sample", 20_000, 16 * KIB, trackers=[url])
        wanted = sample.info_hash.hex().upper()
        daemon.ask("load.start", "", str(sample.torrent))
        wait_until(lambda: int(str(daemon.ask("t.failed_counter", f"{wanted}:t0"))) > 0, PATIENCE_S, "the refusal")
        assert tracker.asked == 0
        daemon.ask("network.http.cacert.set", "", str(authority))
        assert daemon.ask("network.http.cacert", "") == str(authority)
        daemon.ask("d.tracker_announce", wanted)
        wait_until(lambda: tracker.asked == 1, PATIENCE_S, "an announce")


def test_a_tracker_is_asked_unchecked_and_a_warning_says_so(daemon: RpcDaemon, tmp_path: Path) -> None:
    own, _ = certify(tmp_path)
    daemon.ask("network.http.ssl_verify_peer.set", "", 0)
    daemon.wait_logged("certificates of HTTPS servers are not checked")
    with tracker_with(own) as (tracker, url):
        sample = make_sample(tmp_path, "sample", 20_000, 16 * KIB, trackers=[url])
        daemon.ask("load.start", "", str(sample.torrent))
        wait_until(lambda: tracker.asked == 1, PATIENCE_S, "an announce")


def test_a_tracker_is_asked_by_the_proxy_of_calls_over_http(daemon: RpcDaemon, tmp_path: Path) -> None:
    with TestProxy("http") as proxy, tracker_with() as (tracker, url):
        daemon.ask("network.http.proxy_address.set", "", f"127.0.0.1:{proxy.port}")
        sample = make_sample(tmp_path, "sample", 20_000, 16 * KIB, trackers=[url])
        daemon.ask("load.start", "", str(sample.torrent))
        wait_until(lambda: tracker.asked == 1, PATIENCE_S, "an announce")
        assert proxy.asked == [("127.0.0.1", tracker.server_address[1])]
