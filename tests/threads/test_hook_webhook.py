"""Events posted to real servers: well-behaved, failing, slow, and hostile ones."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import time
from pathlib import Path

import pytest

from blobtorrent.config.values import InterfaceSpec, ProxySpec
from blobtorrent.interface.eventjson import Told, tell
from blobtorrent.interface.hooks.outcome import FAILED, OK, REFUSED, TIMED_OUT, Outcome
from blobtorrent.interface.hooks.webhook import post_event
from blobtorrent.model.events import TorrentFinished
from blobtorrent.network.binding import ANYWHERE, Binding
from blobtorrent.network.proxy import Proxy
from blobtorrent.runtime.clock import SystemClock
from tests.support.proxies import TestProxy
from tests.support.rest import info_hash, status_of
from tests.support.webserver import WebServer

PATIENCE_S = 10.0


def told(name: str = "one") -> Told:
    return tell(
        TorrentFinished(info_hash(1), 5), status_of(1, name=name), number=3, event_id="ab-3", wall=1.0)


def post(
    url: str, *, secret_file: Path | None = None, timeout_s: float = PATIENCE_S, event: Told | None = None,
    binding: Binding = ANYWHERE,
) -> Outcome:
    return post_event(url, event or told(), secret_file=secret_file, timeout_s=timeout_s, clock=SystemClock(),
                      binding=binding)


def test_an_event_is_posted_as_json_and_says_what_it_is():
    with WebServer() as server:
        assert post(server.url) == Outcome(OK)
    (request,) = server.posts
    assert request.line == "POST /hook?key=value HTTP/1.1"
    assert request.json == json.loads(told().json)
    headers = request.headers
    assert headers["content-type"] == "application/json"
    assert (headers["x-blobtorrent-event"], headers["x-blobtorrent-id"]) == ("torrent-finished", "ab-3")
    assert headers["host"] == server.url.split("/")[2]
    assert "x-blobtorrent-signature" not in headers and headers["user-agent"].startswith("BlobTorrent/")


def test_what_is_posted_is_signed_with_the_secret(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hush\n")
    with WebServer() as server:
        post(server.url, secret_file=secret)
    (request,) = server.posts
    expected = hmac.new(b"hush", request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-blobtorrent-signature"] == f"sha256={expected}"
    assert not any("hush" in value for value in request.headers.values())


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_nothing_is_posted_unsigned_when_the_secret_cannot_be_had(tmp_path, content):
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_text(content)
    with WebServer() as server:
        assert post(server.url, secret_file=secret).kind == FAILED
    assert server.posts == []


@pytest.mark.parametrize(("status", "kind"), [
    (200, OK), (202, OK), (400, REFUSED), (401, REFUSED), (404, REFUSED), (410, REFUSED), (408, FAILED), (429, FAILED),
    (500, FAILED), (503, FAILED),
])
def test_the_status_tells_whether_another_try_makes_sense(status, kind):
    with WebServer(status) as server:
        assert post(server.url).kind == kind


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status):
    with WebServer() as elsewhere, WebServer(status, location=elsewhere.url) as server:
        assert post(server.url) == Outcome(REFUSED, f"answered with status {status}")
    assert elsewhere.posts == []


@pytest.mark.parametrize("manner", ["silent", "drips"])
def test_a_server_that_does_not_answer_in_time_is_left(manner):
    with WebServer(**{manner: True}) as server:
        begun_s = time.monotonic()
        assert post(server.url, timeout_s=0.5).kind == TIMED_OUT
        assert time.monotonic() - begun_s < 5.0


def test_a_server_that_is_not_there_and_one_that_speaks_no_http_are_failures():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert post(f"http://127.0.0.1:{port}/").kind == FAILED
    assert post("http://name.invalid/").kind == FAILED
    with WebServer(wrap=_garbling) as server:
        assert post(server.url).kind == FAILED


def test_an_answer_without_end_is_not_taken_in():
    with WebServer(wrap=_flooding) as server:
        assert post(server.url, timeout_s=5.0).kind in (OK, FAILED)


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", "\ud800", "é" * 1000, '"}'])
def test_a_foreign_name_stays_in_the_body(name):
    with WebServer() as server:
        assert post(server.url, event=told(name)).kind == OK
    (request,) = server.posts
    assert "x-evil" not in request.headers
    assert request.json["name"] == name.replace("\ud800", "?")


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))

    def wrap(sock: socket.socket) -> socket.socket:
        return context.wrap_socket(sock, server_side=True)

    with WebServer(wrap=wrap) as server:
        outcome = post(server.url.replace("http:", "https:"))
    assert (outcome.kind, server.posts) == (FAILED, [])
    assert "CERTIFICATE" in outcome.detail.upper()


def _garbling(sock: socket.socket) -> socket.socket:
    sock.sendall(b"220 smtp.example ESMTP\r\n")
    return sock


def _flooding(sock: socket.socket) -> socket.socket:
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"fffff\r\n" + b"x" * 200_000)
    return sock


def _self_signed(folder: Path) -> Path:
    """A file with the key and the certificate of 127.0.0.1."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize("host", ["hooks.example", "8.8.8.8"])
def test_events_for_the_internet_take_the_way_of_all_traffic(host):
    with TestProxy("socks5", refusal=2) as proxy:
        strict = Binding(proxy=Proxy(ProxySpec("socks5", "127.0.0.1", proxy.port)))
        assert post(f"http://{host}/hook", binding=strict).kind == FAILED
    assert proxy.asked == [(host, 80)]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_events_for_what_is_near_go_there_directly(host):
    nowhere = Binding(InterfaceSpec("nosuch0"), proxy=Proxy(ProxySpec("socks5", "127.0.0.1", 9)))
    with WebServer() as server:
        assert post(server.url.replace("127.0.0.1", host), binding=nowhere) == Outcome(OK)
