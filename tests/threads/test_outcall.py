"""Announces over real sockets on loopback, and the bounds of the HTTP client below them."""

from __future__ import annotations

import datetime
import gzip
import socket
import ssl
import threading
import zlib
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from blobtorrent.discovery import http_tracker
from blobtorrent.discovery.connections import Connections
from blobtorrent.discovery.httpcall import Deadline
from blobtorrent.discovery.httpget import http_get
from blobtorrent.discovery.messages import (
    Announce,
    AnnounceDone,
    HostResolved,
    Origin,
    ResolveHost,
    Scrape,
    ScrapeDone,
)
from blobtorrent.discovery.outcall import Outcalls
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.protocol import bencode
from blobtorrent.protocol.tracker.announce import AnnounceEvent, AnnounceQuery, is_tracker_path
from blobtorrent.runtime.clock import FakeClock, SystemClock
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.httpserver import HttpServer, QuietHandler

WAIT_S = 10.0
TORRENT = InfoHash(v1=bytes(range(0, 260, 13)))
QUERY = AnnounceQuery(
    wire_hash=TORRENT.v1, peer_id=PeerId(b"-BQ0100-abcdefghijkl"), port=6881, uploaded=0, downloaded=0, left=5,
    event=AnnounceEvent.STARTED,
)
PEERS = bencode.encode({"interval": 900, "peers": bytes((127, 0, 0, 1, 0, 80))})


class FakeServer(HttpServer):
    """Answers a GET of each path in `answers` with (status, headers, body); notes what was asked."""

    def __init__(self, answers, tls=None):
        self.requests = []
        server = self

        class Handler(QuietHandler):
            def do_GET(self):
                server.requests.append((self.path, dict(self.headers)))
                status, headers, body = answers[urlsplit(self.path).path]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler)
        self.server.handle_error = lambda *_: None     # a client that breaks off is part of the tests
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)

    def url(self, path="/announce"):
        return f"{self.origin}{path}"


@pytest.fixture
def outcalls():
    outcalls = Outcalls(ANYWHERE)
    outcalls.start()
    yield outcalls
    assert outcalls.stop(WAIT_S)


def announce(outcalls, url, timeout_s=WAIT_S):
    box = Mailbox("test")
    outcalls.mailbox.post(Announce(TORRENT, url, QUERY, box, timeout_s))
    done = box.get(WAIT_S)
    assert (done.info_hash, done.url, done.query) == (TORRENT, url, QUERY)
    return done


def get(url, timeout_s=WAIT_S, max_bytes=1000, on_loopback=lambda path: True, binding=ANYWHERE, **rules):
    return http_get(url, Deadline(SystemClock(), timeout_s), max_bytes=max_bytes, on_loopback=on_loopback,
                    binding=binding, **rules)


def test_an_announce_brings_peers(outcalls):
    with FakeServer({"/announce": (200, {}, PEERS)}) as server:
        done = announce(outcalls, server.url("/announce?passkey=x"))
    assert done.error is None
    assert done.endpoints == (Endpoint("127.0.0.1", 80),)
    assert done.reply.interval_s == 900
    ((path, headers),) = server.requests
    fields = parse_qs(urlsplit(path).query, encoding="latin-1")
    assert fields["passkey"] == ["x"] and fields["info_hash"][0].encode("latin-1") == TORRENT.v1
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert headers["User-Agent"].startswith("BlobTorrent/")


def test_peers_given_by_name_are_looked_up(outcalls):
    peers = bencode.encode({"peers": [{"ip": "localhost", "port": 7}, {"ip": "127.0.0.1", "port": 7}]})
    with FakeServer({"/announce": (200, {}, peers)}) as server:
        done = announce(outcalls, server.url())
    assert Endpoint("127.0.0.1", 7) in done.endpoints
    assert len(set(done.endpoints)) == len(done.endpoints)
    assert all(ip_address(endpoint.host).is_loopback for endpoint in done.endpoints)


@pytest.mark.parametrize(("seconds", "looked_up"), [(0.0, http_tracker.MAX_NAMES), (4.0, 3), (11.0, 1)])
def test_few_names_are_looked_up_and_only_while_there_is_time(monkeypatch, seconds, looked_up):
    clock, asked = FakeClock(), []

    def look_up(name, port, deadline, binding):
        asked.append(name)
        clock.advance(seconds)
        return [Endpoint("8.8.8.8", port)]

    monkeypatch.setattr(http_tracker, "look_up", look_up)
    peers = bencode.encode({"peers": [{"ip": f"host-{number}.test", "port": 7} for number in range(50)]})
    trackers = http_tracker.HttpTrackers(clock, ANYWHERE)
    with FakeServer({"/announce": (200, {}, peers)}) as server:
        done = trackers.announce(Announce(TORRENT, server.url(), QUERY, Mailbox("test"), 20.0))
    assert (len(asked), done.endpoints) == (looked_up, (Endpoint("8.8.8.8", 7),))


@pytest.mark.parametrize(("status", "body", "code"), [
    (200, b"<html>", "tracker.bad-reply"),
    (404, b"<html>", "tracker.http-status"),
    (200, bencode.encode({"failure reason": "no"}), "tracker.refused"),
    (403, bencode.encode({"failure reason": "no"}), "tracker.refused"),
])
def test_a_tracker_that_does_not_help_is_an_error_with_a_code(outcalls, status, body, code):
    with FakeServer({"/announce": (status, {}, body)}) as server:
        done = announce(outcalls, server.url())
    assert done.error.code == code
    assert done.reply is None
    assert sum(outcalls.announce_times.read().counts) == 1


@pytest.mark.parametrize(("url", "code"), [
    ("udp://127.0.0.1:1/announce", "tracker.bad-url"),
    ("http://127.0.0.1:1/announce", "tracker.unreachable"),
    ("http://0.0.0.0:1/announce", "tracker.forbidden-address"),
    ("http://169.254.169.254/announce", "tracker.forbidden-address"),
    ("http://127.0.0.1:1/shutdown", "tracker.forbidden-address"),
    ("http://127.0.0.1:1/announce/../shutdown", "tracker.forbidden-address"),
    ("http://2130706433:1/shutdown", "tracker.forbidden-address"),             # 127.0.0.1 as one number
    ("http://[::ffff:127.0.0.1]:1/shutdown", "tracker.forbidden-address"),
])
def test_an_announce_that_goes_nowhere_is_answered_with_the_reason(outcalls, url, code):
    assert announce(outcalls, url).error.code == code


def test_a_tracker_that_drips_does_not_hold_a_thread(outcalls):
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def drip():
            sock, _ = server.accept()
            with sock:
                sock.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stop.wait(0.02):
                    try:
                        sock.sendall(b"X-Slow: 1\r\n")
                    except OSError:
                        return

        dripping = threading.Thread(target=drip)
        dripping.start()
        done = announce(outcalls, f"http://127.0.0.1:{server.getsockname()[1]}/announce", timeout_s=0.3)
        stop.set()
        dripping.join()
    assert done.error.code == "tracker.timed-out"


def test_redirects_are_followed_but_not_for_ever():
    answers = {f"/{step}": (302, {"Location": f"/{step + 1}"}, b"") for step in range(9)}
    answers["/3"] = (200, {}, b"here")
    with FakeServer(answers) as server:
        assert get(server.url("/0")).body == b"here"
        with pytest.raises(NetworkError) as caught:
            get(server.url("/4"))
    assert caught.value.code == "net.too-many-redirects"


@pytest.mark.parametrize(("location", "code"), [
    ("ftp://127.0.0.1/", "net.bad-url"),
    ("file:///etc/passwd", "net.bad-url"),
    ("http://[", "net.bad-url"),
    ("http://a%0d%0ab/", "net.bad-url"),
    ("http://169.254.169.254/latest", "net.forbidden-address"),
    ("/elsewhere", "net.forbidden-address"),
])
def test_redirects_lead_only_where_they_may(location, code):
    answers = {"/announce": (302, {"Location": location}, b"")}
    with FakeServer(answers) as server, pytest.raises(NetworkError) as caught:
        get(server.url(), on_loopback=is_tracker_path)
    assert caught.value.code == code


def test_a_gzipped_answer_is_unpacked_whatever_the_headers_say():
    with FakeServer({"/": (200, {}, gzip.compress(b"plain"))}) as server:
        assert get(server.url("/")).body == b"plain"


@pytest.mark.parametrize("body", [bytes(1001), gzip.compress(bytes(1001))])
def test_a_large_answer_is_cut_off(body):
    with FakeServer({"/": (200, {}, body)}) as server:
        assert get(server.url("/"), max_bytes=1001).body == bytes(1001)
        with pytest.raises(NetworkError) as caught:
            get(server.url("/"), max_bytes=1000)
    assert caught.value.code == "net.too-large"


def test_an_answer_that_inflates_without_end_is_cut_off():
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = deflate.compress(bytes(64 << 20)) + deflate.flush()
    with FakeServer({"/": (200, {}, bomb)}) as server, pytest.raises(NetworkError) as caught:
        get(server.url("/"), max_bytes=1 << 20)
    assert caught.value.code == "net.too-large"


@pytest.mark.parametrize("said", [
    b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
])
def test_what_does_not_speak_http_is_told_from_what_does(said):
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            sock, _ = server.accept()
            with sock:
                sock.recv(4096)
                sock.sendall(said)

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(NetworkError) as caught:
            get(f"http://127.0.0.1:{server.getsockname()[1]}/")
        answering.join()
    assert caught.value.code == "net.bad-http"


@pytest.mark.parametrize("said", [
    b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + bytes(3 << 20),
    b"X: " + b"x" * 70_000,
])
def test_an_answer_that_breaks_its_framing_is_refused_and_told(outcalls, said):
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            sock, _ = server.accept()
            with sock:
                sock.recv(4096)
                try:
                    sock.sendall(b"HTTP/1.1 200 OK\r\n" + said)
                except OSError:
                    pass

        answering = threading.Thread(target=answer)
        answering.start()
        done = announce(outcalls, f"http://127.0.0.1:{server.getsockname()[1]}/announce")
        answering.join()
    assert done.error.code == "tracker.bad-reply"


class BrokenBinding:
    def __getattr__(self, name):
        raise RuntimeError("a failure of ours")


def test_whoever_asks_is_answered_whatever_happens():
    outcalls, box = Outcalls(BrokenBinding()), Mailbox("test")
    outcalls.start()
    outcalls.mailbox.post(Announce(TORRENT, "http://tracker.invalid/announce", QUERY, box))
    outcalls.mailbox.post(Scrape("http://tracker.invalid/announce", (TORRENT.v1,), box))
    outcalls.mailbox.post(ResolveHost("tracker.invalid", 80, box))
    answers = {type(answer): answer.error.code for answer in (box.get(WAIT_S) for _ in range(3))}
    assert outcalls.stop(WAIT_S)
    assert answers == {AnnounceDone: "tracker.failed", ScrapeDone: "tracker.failed", HostResolved: "net.failed"}


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime(2024, 1, 1)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(today).not_valid_after(today + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with FakeServer({"/": (200, {}, b"secret")}, tls=context) as server, pytest.raises(NetworkError) as caught:
        get(f"https://127.0.0.1:{server.port}/")
    assert caught.value.code == "net.tls"
    assert server.requests == []


def test_the_parts_of_a_call_share_one_deadline():
    clock = FakeClock()
    deadline = Deadline(clock, 10.0)
    clock.advance(9.0)
    assert deadline.left_s() == pytest.approx(1.0)
    clock.advance(1.0)
    with pytest.raises(NetworkError) as caught:
        deadline.left_s()
    assert caught.value.code == "net.timed-out"


def test_hosts_that_do_not_answer_hold_up_nobody(outcalls):
    box = Mailbox("test")
    with FakeServer({"/announce": (200, {}, PEERS)}) as server:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/announce"
            for _ in range(10):
                outcalls.mailbox.post(Announce(TORRENT, url, QUERY, box, 10 * WAIT_S))
            assert announce(outcalls, server.url()).error is None
            assert not box.depth
            assert outcalls.threads <= 12
        assert {box.get(WAIT_S).error.code for _ in range(10)} == {"tracker.unreachable"}      # it is gone now


class KeepingServer(HttpServer):
    """Answers every request on a connection with PEERS and keeps the connection; counts both. With `closes_after` it
    closes a connection without a word after so many answers."""

    def __init__(self, closes_after=None):
        self.connections = self.requests = 0
        server = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                server.connections += 1
                self.answered = 0

            def do_GET(self):
                server.requests += 1
                self.answered += 1
                self.answer(PEERS)
                if self.answered == closes_after:
                    self.close_connection = True

        super().__init__(Handler)
        self.url = f"{self.origin}/announce"


def test_a_connection_is_used_again(outcalls):
    with KeepingServer() as server:
        for _ in range(50):
            assert announce(outcalls, server.url).error is None
    assert (server.connections, server.requests) == (1, 50)


def test_a_connection_that_was_closed_meanwhile_is_replaced(outcalls):
    with KeepingServer(closes_after=3) as server:
        for _ in range(30):
            assert announce(outcalls, server.url).error is None
    assert server.requests == 30
    assert 10 <= server.connections <= 30


def test_a_connection_is_not_used_again_for_a_path_that_may_not_be_asked():
    connections = Connections(SystemClock())
    with FakeServer({"/announce": (200, {"Content-Length": "2"}, b"de"), "/shutdown": (200, {}, b"")}) as server:
        assert get(server.url(), on_loopback=is_tracker_path, connections=connections).body == b"de"
        with pytest.raises(NetworkError) as caught:
            get(server.url("/shutdown"), on_loopback=is_tracker_path, connections=connections)
    assert caught.value.code == "net.forbidden-address"
    assert [path for path, _ in server.requests] == ["/announce"]
    connections.close()


def test_a_tracker_is_asked_from_the_family_that_is_wanted(outcalls):
    with FakeServer({"/announce": (200, {}, PEERS)}) as server:
        box = Mailbox("test")
        for origin in (Origin(4), Origin(4, "127.0.0.1"), Origin(6)):
            outcalls.mailbox.post(Announce(TORRENT, server.url(), QUERY, box, WAIT_S, origin))
        codes = {done.origin: done.error and done.error.code for done in (box.get(WAIT_S) for _ in range(3))}
    assert codes == {Origin(4): None, Origin(4, "127.0.0.1"): None, Origin(6): "tracker.no-address"}
