"""HTTPS over the real server: who is proven to be there, what old clients get, and handshakes that never end."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from blobtorrent.cli.selfsigned import make_identity
from blobtorrent.config.values import HttpsSpec
from blobtorrent.interface.rest.connection import SECURE_S
from blobtorrent.interface.rest.crowd import MAX_PER_NETWORK
from blobtorrent.interface.rest.http import Response
from blobtorrent.interface.rest.tls import load_identity
from blobtorrent.model.errors import ConfigError
from blobtorrent.runtime.clock import FakeClock
from tests.support.bodies import Pushing, Reading, Serving, ask, receive_until, wait_for
from tests.support.rest import ANY_LOOPBACK_PORT, PATIENCE_S, RestRig, info_hash, read_all, request_on, status_of

HTTPS = HttpsSpec(ANY_LOOPBACK_PORT)


class Files:
    """A key and its certificate for `host`."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        self.renew(host)

    def renew(self, host: str = "127.0.0.1") -> None:
        identity = make_identity([host], 2)
        self.certificate.write_bytes(identity.certificate)
        self.key.write_bytes(identity.key)
        self.key.chmod(0o600)

    @property
    def load(self) -> partial[ssl.SSLContext]:
        return partial(load_identity, self.certificate, self.key)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def rig(files: Files) -> Iterator[Serving]:
    with Serving(HTTPS, identify=files.load) as running:
        yield running


def secured(rig: RestRig, files: Files, address: str = "127.0.0.1") -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=files.certificate)
    return context.wrap_socket(rig.connect(address), server_hostname="127.0.0.1")


def test_a_client_that_knows_the_certificate_is_served(rig, files):
    assert rig.server.addresses == (f"https:127.0.0.1:{rig.port}",)
    with secured(rig, files) as sock:
        assert sock.version() == "TLSv1.3"
        for _ in range(3):
            assert request_on(sock, "GET", "/v1/session").status == 200
        assert request_on(sock, "GET", "/v1/session", token=None).status == 401


def test_large_answers_and_bodies_arrive_whole(rig, files):
    rig.session.show(*(status_of(number, name="n" * 1000) for number in range(3000)))
    with secured(rig, files) as sock:
        answer = request_on(sock, "GET", "/v1/torrents")
        assert len(answer.json["torrents"]) == 3000
        body = b'{"metainfo":"' + b"A" * (3 << 20) + b'"}'
        refused = request_on(sock, "POST", "/v1/torrents", body, headers={"Content-Type": "application/json"})
        assert refused.json["code"].startswith("bencode.")


def test_bodies_are_sent_as_they_come(rig, files):
    pull = Reading(bytes(range(256)) * 8192)
    rig.response = Response(200, pull)
    with secured(rig, files) as sock:
        assert request_on(sock, "GET", "/body").body == bytes(range(256)) * 8192
    push = Pushing()
    rig.response = Response(200, push)
    with secured(rig, files) as sock:
        ask(sock)
        wait_for(lambda: push.sink)
        receive_until(sock, b"\r\n\r\n")
        rig.on_rest(lambda: push.sink.write(b"abc"))
        assert receive_until(sock, b"3\r\nabc\r\n")
        rig.on_rest(lambda: push.sink.write(bytes(4 << 20)))
        rig.on_rest(push.sink.close)
        assert len(receive_until(sock, b"0\r\n\r\n")) > 4 << 20
    push = Pushing()
    rig.response = Response(200, push)
    with secured(rig, files) as sock:
        ask(sock)
        wait_for(lambda: push.sink)
    wait_for(lambda: push.ended)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_older_protocols_are_not_spoken(rig):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    for newest, is_spoken in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        context.maximum_version = newest
        with rig.connect() as plain:
            try:
                context.wrap_socket(plain).close()
            except (ssl.SSLError, OSError):
                assert not is_spoken
            else:
                assert is_spoken


def test_who_speaks_plainly_to_it_gets_nothing(rig):
    answer = rig.raw(b"GET /v1/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"HTTP/1.1" not in answer
    with secured_anyhow(rig) as sock:
        assert request_on(sock, "GET", "/v1/health/live").status == 200


def secured_anyhow(rig: RestRig) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(rig.connect("127.0.0.200"))


def test_stuck_handshakes_keep_no_good_one_waiting(files):
    with Serving(HTTPS, identify=files.load, clock=FakeClock()) as rig, ExitStack() as stack:      # none is ever late
        for number in range(100):
            stuck = stack.enter_context(rig.connect(f"127.0.0.{number // (MAX_PER_NETWORK // 2) + 2}"))
            stuck.send(b"\x16\x03\x01\x02\x00"[:number % 6])
        took_s = []
        for _ in range(11):
            began_s = time.monotonic()
            with secured(rig, files) as sock:
                assert request_on(sock, "GET", "/v1/health/live").status == 200
            took_s.append(time.monotonic() - began_s)
        # Each would wait for those that are stuck; the machine may keep one or another waiting, too.
        assert sorted(took_s)[len(took_s) // 2] < 1.0, took_s


def test_a_handshake_has_a_deadline_that_dripping_does_not_move(files):
    clock = FakeClock()
    with Serving(HTTPS, identify=files.load, clock=clock) as rig, rig.connect() as sock:
        for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"[:int(SECURE_S)]:
            sock.send(bytes((byte,)))
            rig.settle()
            clock.advance(0.9)
        rig.settle()
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        clock.advance(1.1)
        rig.settle()
        assert read_all(sock) == b""


def test_the_client_hears_why_it_was_refused_and_then_the_end(rig, files):
    with secured(rig, files) as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        answer = read_all(sock)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"rest.bad-request" in answer


def test_another_certificate_is_shown_after_a_reload_and_no_connection_suffers(rig, files):
    with secured(rig, files) as before:
        old = before.getpeercert(binary_form=True)
        files.renew()
        rig.server.reload()
        with secured(rig, files) as after:
            assert after.getpeercert(binary_form=True) != old
            assert request_on(after, "GET", "/v1/session").status == 200
        assert request_on(before, "GET", "/v1/session").status == 200


def test_a_certificate_that_cannot_be_used_leaves_the_old_one(rig, files):
    good = files.certificate.read_bytes()
    files.certificate.write_text("no certificate")
    rig.server.reload()
    files.certificate.write_bytes(good)
    with secured(rig, files) as sock:
        assert request_on(sock, "GET", "/v1/session").status == 200


def test_without_a_certificate_that_can_be_used_nothing_is_opened(files, tmp_path):
    files.key.chmod(0o604)
    path = tmp_path / "rest.sock"
    rig = RestRig(path, HTTPS, identify=files.load)
    with pytest.raises(ConfigError) as caught:
        rig.server.start()
    assert caught.value.code == "tls.key-exposed"
    assert not path.exists()


def test_a_plain_and_an_encrypted_listener_live_side_by_side(files):
    with RestRig(ANY_LOOPBACK_PORT, HTTPS, identify=files.load) as rig:
        assert rig.request("GET", "/v1/session").status == 200
        port = int(rig.server.addresses[1].rpartition(":")[2])
        context = ssl.create_default_context(cafile=files.certificate)
        with context.wrap_socket(
            socket.create_connection(("127.0.0.1", port), PATIENCE_S), server_hostname="127.0.0.1"
        ) as sock:
            rig.session.show(status_of(1))
            assert request_on(sock, "GET", f"/v1/torrents/{info_hash(1).hex}").status == 200
