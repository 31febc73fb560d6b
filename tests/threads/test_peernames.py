"""Peers by name: what the DNS says, asked of a name server on loopback."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from blobtorrent.discovery.messages import PeersResolved, ResolvePeers
from blobtorrent.discovery.outcall import Outcalls
from blobtorrent.model.address import Endpoint
from blobtorrent.network import resolver
from blobtorrent.network.binding import Binding
from blobtorrent.protocol.dns import Kind
from blobtorrent.runtime.mailbox import Mailbox

WAIT_S = 10.0
FLEET = "_bittorrent._tcp.fleet.test"


def wire_name(name):
    return b"".join(bytes((len(label),)) + label.encode() for label in name.split(".") if label) + b"\0"


def service(port, host, priority=0, weight=0):
    return struct.pack(">HHH", priority, weight, port) + wire_name(host)


class NameServer:
    """Answers what is in `records`, by name and kind, as the bytes of each record; notes what it was asked."""

    def __init__(self, records):
        self.asked = []
        self._records = records
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(WAIT_S)
        self._sock.close()

    def _serve(self):
        while True:
            data, address = self._sock.recvfrom(4096)
            if not data:
                return
            labels, at = [], 12
            while data[at]:
                labels.append(data[at + 1:at + 1 + data[at]].decode())
                at += 1 + data[at]
            name, kind = ".".join(labels), struct.unpack_from(">H", data, at + 1)[0]
            self.asked.append((name, kind))
            found = self._records.get((name, kind), ())
            answers = [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(record)) + record for record in found]
            head = data[:2] + struct.pack(">HHHHH", 0x8180, 1, len(answers), 0, 0)
            self._sock.sendto(head + data[12:at + 5] + b"".join(answers), address)


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Asks for a name, the records being those; gives the answer and what the server was asked."""
    opened = []

    def asking(name, records, hosts=""):
        server = NameServer(records)
        opened.append(server)
        (tmp_path / "hosts").write_text(hosts)
        (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        monkeypatch.setattr(resolver, "HOSTS", tmp_path / "hosts")
        monkeypatch.setattr(resolver, "SERVERS", tmp_path / "resolv.conf")
        monkeypatch.setattr(resolver, "PORT", server.port)
        answers = Mailbox("core")
        outcalls = Outcalls(binding=Binding())
        outcalls.start()
        try:
            outcalls.mailbox.post(ResolvePeers(name, answers))
            answer = answers.get(WAIT_S)
        finally:
            assert outcalls.stop(WAIT_S)
        assert isinstance(answer, PeersResolved) and answer.name == name
        return answer, server.asked

    yield asking
    for server in opened:
        server.close()


def test_an_address_needs_nobody(ask):
    answer, asked = ask("[::1]:7000", {})
    assert answer.endpoints == (Endpoint("::1", 7000),) and not asked


def test_a_host_is_looked_up(ask):
    answer, _ = ask("localhost:7000", {})
    assert Endpoint("127.0.0.1", 7000) in answer.endpoints and answer.error is None


def test_all_hosts_of_a_service_are_peers_the_preferred_ones_first(ask):
    answer, asked = ask(FLEET, {(FLEET, Kind.SRV): [
        service(7003, "127.0.0.3", priority=9), service(7001, "127.0.0.1", weight=1),
        service(7002, "127.0.0.2", weight=5),
    ]})
    assert answer.endpoints == tuple(Endpoint(f"127.0.0.{port - 7000}", port) for port in (7002, 7001, 7003))
    assert asked == [(FLEET, Kind.SRV)]


def test_a_host_of_a_service_that_nobody_knows_leaves_the_others(ask):
    answer, _ = ask(FLEET, {(FLEET, Kind.SRV): [service(7001, "gone.invalid"), service(7002, "127.0.0.2")]})
    assert answer.endpoints == (Endpoint("127.0.0.2", 7002),)


@pytest.mark.parametrize("records", [{}, {(FLEET, Kind.SRV): [service(0, "127.0.0.1"), service(7000, "")]}])
def test_a_service_that_is_not_there_is_an_error(ask, records):
    answer, _ = ask(FLEET, records)
    assert answer.endpoints == () and answer.error.code == "net.no-such-service"


def test_a_host_that_is_not_there_is_an_error(ask):
    answer, _ = ask("nobody.invalid:7000", {})
    assert answer.endpoints == () and answer.error.code == "net.no-such-host"
