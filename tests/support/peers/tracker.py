"""Trackers: a tiny one inside the test that lists the peers it was told to, and opentracker, a real one."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Sequence
from ipaddress import IPv4Address
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import urlopen

import bencodepy

from tests.support.peers.client import LOOPBACK
from tests.support.peers.namespace import NetworkNamespace
from tests.support.peers.program import Program, free_port, wait_until

ANNOUNCE_INTERVAL_S = 1800


class ListTracker:
    """Answers every announce (BEP 3, 23) with one fixed list of "HOST:PORT"; keeps the events that it was told.
    While it has a `failure`, it answers with these words instead.

    With a `namespace` it listens on `address` in there. Port 0 is any.
    """

    def __init__(self, peers: Sequence[str] = (), *, address: str = LOOPBACK, port: int = 0,
                 namespace: NetworkNamespace | None = None) -> None:
        self.peers = tuple(peers)
        self.events: list[str] = []
        self.failure = ""
        tracker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                if not url.path.startswith("/scrape"):
                    tracker.events.append(parse_qs(url.query, encoding="latin-1").get("event", [""])[0])
                body = tracker._answer()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet: what matters is in `events`."""

        def listen() -> http.server.ThreadingHTTPServer:
            return http.server.ThreadingHTTPServer((address, port), Handler)

        self._server = namespace.call(listen) if namespace else listen()
        self.url = f"http://{address}:{self._server.server_address[1]}/announce"

    def __enter__(self) -> ListTracker:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self) -> bytes:
        if self.failure:
            return bytes(bencodepy.encode({"failure reason": self.failure}))
        compact = b"".join(IPv4Address(host).packed + int(port).to_bytes(2, "big")
                           for host, _, port in (peer.rpartition(":") for peer in self.peers))
        answer: bytes = bencodepy.encode({"interval": ANNOUNCE_INTERVAL_S, "peers": compact})
        return answer


class Opentracker(Program):
    """opentracker on one loopback port, for the torrents named: the build that distributions ship wants a whitelist.

    It changes its root to its home and its user to nobody, so both must be able to read there.
    """

    def __init__(self, info_hashes: Sequence[bytes]) -> None:
        self._port = free_port()
        super().__init__(["opentracker", "-i", LOOPBACK, "-p", str(self._port), "-P", str(self._port), "-d", ".",
                          "-w", "whitelist"])
        self.home.chmod(0o755)
        whitelist = self.home / "whitelist"
        whitelist.write_text("".join(f"{info_hash.hex()}\n" for info_hash in info_hashes))
        whitelist.chmod(0o644)
        self.url = f"http://{LOOPBACK}:{self._port}/announce"
        self.udp_url = f"udp://{LOOPBACK}:{self._port}/announce"
        self._last_hash = info_hashes[-1]

    def wait_ready(self) -> None:
        wait_until(self._serves, 10.0, "opentracker")

    def count(self, info_hash: bytes) -> tuple[int, int]:
        """(complete, incomplete) of a torrent, by scrape (BEP 48)."""
        escaped = "".join(f"%{byte:02x}" for byte in info_hash)
        with urlopen(f"http://{LOOPBACK}:{self._port}/scrape?info_hash={escaped}", timeout=5) as answer:
            files = bencodepy.decode(answer.read()).get(b"files") or {}
        for figures in files.values():
            return figures[b"complete"], figures[b"incomplete"]
        return 0, 0

    def _serves(self) -> bool:
        """It listens before it has read its whitelist: join the last torrent there, and leave it.

        Who only leaves would learn nothing: opentracker lets everybody leave, the torrents that it does not serve too.
        """
        if self.poll() is not None:
            raise RuntimeError(f"opentracker ended: {self.output()[-500:]}")
        return self._takes("started") and self._takes("stopped")

    def _takes(self, event: str) -> bool:
        query = urlencode({"info_hash": self._last_hash, "peer_id": b"-XX0004-" + bytes(12), "port": 1, "left": 1,
                           "uploaded": 0, "downloaded": 0, "event": event, "numwant": 0, "compact": 1})
        try:
            with urlopen(f"{self.url}?{query}", timeout=1) as answer:
                return b"failure reason" not in bencodepy.decode(answer.read())
        except OSError:
            return False
