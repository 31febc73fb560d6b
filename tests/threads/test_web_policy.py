"""Whom certificates of HTTPS servers are trusted by, and what a change of that means for connections that are kept."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from blobtorrent.config.values import ProxySpec
from blobtorrent.discovery.connections import Connections
from blobtorrent.discovery.httpcall import Deadline
from blobtorrent.discovery.httpget import http_get
from blobtorrent.interface.eventjson import tell
from blobtorrent.interface.hooks.outcome import FAILED, OK
from blobtorrent.interface.hooks.webhook import post_event
from blobtorrent.model.errors import NetworkError
from blobtorrent.model.events import TorrentFinished
from blobtorrent.network.binding import Binding
from blobtorrent.network.proxy import Proxy
from blobtorrent.network.webpolicy import WebPolicy
from blobtorrent.runtime.clock import SystemClock
from tests.support.certificates import NAMED, certify
from tests.support.httpserver import HttpServer, QuietHandler
from tests.support.proxies import TestProxy
from tests.support.rest import info_hash, status_of

WAIT_S = 10.0
UNNAMED = "localhost"                  # the same place as NAMED


class Handler(QuietHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.body()
        self.answer(b"de")

    do_POST = do_GET


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return certify(tmp_path)[1]


@pytest.fixture
def port(authority: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.with_name("server.pem"))
    https = HttpServer(Handler)
    https.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who breaks off is part of the tests
    https.server.socket = context.wrap_socket(https.server.socket, server_side=True)
    with https:
        yield https.port


def get(host: str, port: int, binding: Binding, connections: Connections | None = None) -> bytes:
    return http_get(f"https://{host}:{port}/", Deadline(SystemClock(), WAIT_S), max_bytes=10,
                    on_loopback=lambda _: True, binding=binding, connections=connections).body


def refusal(host: str, port: int, web: WebPolicy) -> str:
    with pytest.raises(NetworkError) as caught:
        get(host, port, Binding(web=web))
    assert caught.value.code == "net.tls"
    return caught.value.detail


def test_an_authority_of_ones_own_is_trusted_for_the_names_that_it_vouches_for(port: int, authority: Path) -> None:
    web = WebPolicy(ca_file=str(authority))
    assert get(NAMED, port, Binding(web=web)) == b"de"
    assert "CERTIFICATE" in refusal(UNNAMED, port, web)
    assert get(UNNAMED, port, Binding(web=web._replace(trusts_names=True))) == b"de"


def test_names_that_do_not_matter_leave_the_authority_to_be_checked(port: int) -> None:
    assert "CERTIFICATE" in refusal(NAMED, port, WebPolicy(trusts_names=True))
    assert get(NAMED, port, Binding(web=WebPolicy(trusts_all=True))) == b"de"


def test_authorities_of_a_folder_are_found_by_their_hashes(port: int, authority: Path, tmp_path: Path) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    assert "CERTIFICATE" in refusal(NAMED, port, WebPolicy(ca_folder=str(folder)))
    for number in _subject_hashes(authority):
        (folder / f"{number:08x}.0").write_bytes(authority.read_bytes())
    assert get(NAMED, port, Binding(web=WebPolicy(ca_folder=str(folder)))) == b"de"


def _subject_hashes(authority: Path) -> Iterator[int]:
    """As `openssl x509 -hash` counts it: SHA-1 over the subject in canonical form, the first four bytes."""
    import hashlib

    subject = x509.load_pem_x509_certificate(authority.read_bytes()).subject.public_bytes()
    yield int.from_bytes(hashlib.sha1(subject[2:]).digest()[:4], "little")


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_authorities_that_cannot_be_read_vouch_for_nobody(port: int, tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "broken.pem"
    if text is not None:
        file.write_text(text)
    assert refusal(NAMED, port, WebPolicy(ca_file=str(file))).startswith(f"network.tls_ca_file: {file}: ")


def test_a_connection_that_was_made_without_checks_is_not_used_once_they_are_on(port: int) -> None:
    binding, connections = Binding(web=WebPolicy(trusts_all=True)), Connections(SystemClock())
    assert get(NAMED, port, binding, connections) == get(NAMED, port, binding, connections) == b"de"
    assert connections.reused == 1
    binding.web = WebPolicy()
    with pytest.raises(NetworkError):
        get(NAMED, port, binding, connections)
    assert connections.reused == 1
    connections.close()


def test_calls_take_their_own_proxy_and_not_the_one_of_other_connections(port: int, authority: Path) -> None:
    with TestProxy("http") as own, TestProxy("socks5") as common:
        web = WebPolicy(ca_file=str(authority), proxy=ProxySpec("http", "127.0.0.1", own.port))
        # A strict one leaves this way, too: it was named for that.
        binding = Binding(proxy=Proxy(ProxySpec("socks5", "127.0.0.1", common.port)), web=web)
        assert get(NAMED, port, binding) == b"de"
        assert (own.asked, common.asked) == ([(NAMED, port)], [])
        binding.web = web._replace(proxy=None)
        assert get(NAMED, port, binding) == b"de"
        assert (own.asked, common.asked) == ([(NAMED, port)], [(NAMED, port)])


def test_a_webhook_that_is_near_is_judged_as_all_servers_are(port: int, authority: Path) -> None:
    told = tell(TorrentFinished(info_hash(1), 5), status_of(1), number=3, event_id="ab-3", wall=1.0)

    def post(web: WebPolicy) -> str:
        return post_event(f"https://{NAMED}:{port}/", told, secret_file=None, timeout_s=WAIT_S, clock=SystemClock(),
                          binding=Binding(web=web)).kind

    assert (post(WebPolicy()), post(WebPolicy(ca_file=str(authority)))) == (FAILED, OK)
