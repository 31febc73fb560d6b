"""TLS validation: whoever cannot prove to be the host that was called is sent nothing, by no part of the program."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from blobtorrent.config.cautions import unchecked_servers
from blobtorrent.config.load import load
from blobtorrent.config.schema import NetworkSettings
from blobtorrent.core.session.explain import explain
from blobtorrent.core.session.gateway import SESSION_KEY
from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.situation import Situation
from blobtorrent.core.session.sources import read_source
from blobtorrent.daemon.assemble import Engine
from blobtorrent.discovery.http_tracker import HttpTrackers
from blobtorrent.discovery.messages import Announce
from blobtorrent.interface.eventjson import tell
from blobtorrent.interface.hooks.outcome import FAILED, OK
from blobtorrent.interface.hooks.webhook import post_event
from blobtorrent.interface.rest.encode import SESSION
from blobtorrent.model.errors import NetworkError, TrackerError
from blobtorrent.model.events import TorrentFinished
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.network.binding import Binding
from blobtorrent.network.policy import web_policy_of
from blobtorrent.network.webpolicy import WebPolicy
from blobtorrent.protocol.tracker.announce import AnnounceQuery
from blobtorrent.runtime.clock import SystemClock
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.httpserver import HttpServer, QuietHandler
from tests.support.rest import info_hash, status_of
from tests.support.sessions import SessionRig

WAIT_S = 10.0
HOST = "127.0.0.1"
TORRENT = InfoHash(v1=b"h" * 20)
QUERY = AnnounceQuery(TORRENT.v1, PeerId(b"p" * 20), 6881, 0, 0, 1)
DAY = datetime.timedelta(1)


class Authority:
    """One that the program is told to trust."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "own authority")])
        self.certificate = certificate(self.name, self, self.key, is_authority=True)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def certificate(subject: x509.Name, issuer: Authority | None, key: ec.EllipticCurvePrivateKey, *, host: str = HOST,
                begins: datetime.timedelta = -DAY, ends: datetime.timedelta = DAY,
                is_authority: bool = False) -> x509.Certificate:
    """Signed by the issuer, or without one by its own key."""
    now = datetime.datetime.now(datetime.timezone.utc)
    signer = key if issuer is None or is_authority else issuer.key
    name = subject if issuer is None else issuer.name
    names: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)]
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now + begins).not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            # Python 3.13 and later want these of any chain (RFC 5280).
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .add_extension(x509.KeyUsage(
                digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority,
                content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
                encipher_only=False, decipher_only=False), critical=True)
            .sign(signer, hashes.SHA256()))


class Case(NamedTuple):
    host: str = HOST
    begins: datetime.timedelta = -DAY
    ends: datetime.timedelta = DAY
    issuer: str = "trusted"            # "trusted", "unknown" or "self"
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED


CASES = {
    "expired": Case(begins=-3 * DAY, ends=-DAY), "not yet valid": Case(begins=DAY, ends=2 * DAY),
    "wrong address": Case(host="127.0.0.2"), "wrong name": Case(host="evil.example"), "any name": Case(host="*"),
    "self-signed": Case(issuer="self"), "of an authority that nobody vouches for": Case(issuer="unknown"),
    "TLS 1.0": Case(newest=ssl.TLSVersion.TLSv1), "TLS 1.1": Case(newest=ssl.TLSVersion.TLSv1_1),
}


class Server(HttpServer):
    """HTTPS with the certificate of a case. `heard` are the requests that got through to it."""

    def __init__(self, folder: Path, case: Case, authority: Authority) -> None:
        self.heard: list[str] = []
        server = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                server.heard.append(self.path)
                self.body()
                self.answer(b"de")

            do_POST = do_GET

        key = ec.generate_private_key(ec.SECP256R1())
        issuer = {"trusted": authority, "unknown": Authority(), "self": None}[case.issuer]
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
        shown = certificate(name, issuer, key, host=case.host, begins=case.begins, ends=case.ends)
        pem = folder / "server.pem"
        pem.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + shown.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        if case.newest is not ssl.TLSVersion.MAXIMUM_SUPPORTED:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = case.newest
        super().__init__(Handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        # The handshake is the thread's: one that fails must not end the listener.
        plain = self.server.get_request

        def get_request() -> tuple[socket.socket, object]:
            sock, address = plain()
            sock.settimeout(WAIT_S)
            try:
                return context.wrap_socket(sock, server_side=True), address
            except OSError:
                sock.close()
                raise

        self.server.get_request = get_request  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def web(authority: Authority, tmp_path: Path) -> WebPolicy:
    file = tmp_path / "authority.pem"
    file.write_bytes(authority.pem)
    return WebPolicy(ca_file=str(file))


def ask_all(url: str, binding: Binding) -> Iterator[bool]:
    """Whether each part of the program that speaks HTTPS was answered."""
    trackers = HttpTrackers(SystemClock(), binding)
    try:
        trackers.announce(Announce(TORRENT, f"{url}/announce", QUERY, Mailbox("test"), WAIT_S))
        yield True
    except TrackerError as error:
        yield error.code not in ("tracker.tls", "tracker.unreachable")
    finally:
        trackers.connections.close()
    try:
        yield read_source(f"{url}/x.torrent", binding=binding) == b"de"
    except NetworkError as error:
        assert error.code in ("net.tls", "net.reset")
        yield False
    told = tell(TorrentFinished(info_hash(1), 5), status_of(1), number=3, event_id="ab-3", wall=1.0)
    outcome = post_event(
        f"{url}/hook", told, secret_file=None, timeout_s=WAIT_S, clock=SystemClock(), binding=binding)
    assert outcome.kind in (OK, FAILED)
    yield outcome.kind == OK


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("name", CASES)
def test_a_server_that_cannot_prove_itself_is_told_nothing(
        tmp_path: Path, web: WebPolicy, authority: Authority, name: str) -> None:
    with Server(tmp_path, CASES[name], authority) as server:
        assert list(ask_all(f"https://{HOST}:{server.port}", Binding(web=web))) == [False] * 3
    assert server.heard == []


def test_one_that_can_is_served(tmp_path: Path, web: WebPolicy, authority: Authority) -> None:
    with Server(tmp_path, Case(), authority) as server:
        assert list(ask_all(f"https://{HOST}:{server.port}", Binding(web=web))) == [True] * 3
    assert len(server.heard) == 3


def test_of_a_host_that_need_not_prove_itself_nothing_is_checked_and_of_others_all(
        tmp_path: Path, authority: Authority) -> None:
    with Server(tmp_path, CASES["self-signed"], authority) as server:
        for hosts, is_told in (((HOST,), True), (("localhost", "tracker.example"), False), ((), False)):
            binding = Binding(web=web_policy_of(NetworkSettings(tls_unchecked_hosts=hosts)))
            assert list(ask_all(f"https://{HOST}:{server.port}", binding)) == [is_told] * 3
    assert len(server.heard) == 3


@pytest.mark.parametrize(("host", "is_checked"), [
    ("tracker.example", False), ("TRACKER.example", False), ("tracker.example.", False), ("127.0.0.9", False),
    ("a.tracker.example", True), ("example", True), ("tracker.example.evil.example", True), ("", True)])
def test_a_host_is_meant_as_a_whole(host: str, is_checked: bool) -> None:
    policy = web_policy_of(load(assignments=[
        "network.tls_unchecked_hosts=['Tracker.example', '127.0.0.9']"]).network)
    assert policy.for_host(host).trusts_all is not is_checked
    assert not policy.for_host(host).unchecked_hosts, "contexts are shared by all hosts of a kind"


@pytest.mark.parametrize(("given", "named"), [
    ({"tls_verify": False}, "network.tls_verify "),
    ({"tls_verify_host": False}, "network.tls_verify_host "),
    ({"tls_unchecked_hosts": ("tracker.example",)}, "tracker.example")])
def test_what_is_not_checked_is_said_by_the_session_and_by_why_and_at_the_start(
        caplog: pytest.LogCaptureFixture, given: dict[str, Any], named: str) -> None:
    rig = SessionRig(**{f"network__{key}": value for key, value in given.items()})
    status = rig.sessions.read(SESSION_KEY)
    assert status is not None and [named in text for text in status.warnings] == [True]
    (text,) = SESSION.object_of(status)["warnings"]
    causes = explain(Situation(
        status=status_of(1), state=TorrentState.STOPPED, session=status, now_s=0.0, wall=0.0)).causes
    assert [cause.text for cause in causes if cause.code == "tls.unchecked"] == [text]
    engine = Engine.__new__(Engine)    # what it says, without the threads
    engine._warned_of = ()
    with caplog.at_level("WARNING"):
        for _ in range(2):             # settings that were applied again
            engine._warn_of(unchecked_servers(NetworkSettings(**given)))
    assert [("DANGER" in record.getMessage(), record.levelname) for record in caplog.records] == [(True, "WARNING")]


def test_where_all_is_checked_nothing_is_said() -> None:
    assert unchecked_servers(NetworkSettings()) == ()


def test_nothing_is_trusted_by_default_and_the_system_vouches(tmp_path: Path, authority: Authority) -> None:
    with Server(tmp_path, Case(), authority) as server:
        assert list(ask_all(f"https://{HOST}:{server.port}", Binding())) == [False] * 3
    assert server.heard == []
