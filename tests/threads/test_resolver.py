"""Questions to name servers over real sockets: silent, dripping, lying ones, and families that have no way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blobtorrent.config.values import InterfaceSpec
from blobtorrent.model.errors import NetworkError, TimedOut
from blobtorrent.network import resolver
from blobtorrent.network.binding import ANYWHERE, GONE, Binding
from blobtorrent.network.outgoing import connect_to
from blobtorrent.protocol.dns import Kind
from blobtorrent.protocol.netlink import Answer
from tests.support.peers.program import free_port

NAME = "tracker.example"
TRY_S = 0.3
PATIENCE_S = 5.0


class Confined(Binding):
    """To IPv4 of this machine, without the kernel's help, which not everybody may ask for."""

    is_confined = True                 # type: ignore[assignment]
    is_there = True                    # type: ignore[assignment]
    sources = ("127.0.0.1",)           # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(survey=Answer)
        self.asked: list[str] = []

    def open_at(self, host: str, port: int, kind: int) -> socket.socket:
        self.asked.append(host)
        if ":" in host:
            raise NetworkError(GONE, "no address for IPv6")
        return ANYWHERE.open_at(host, port, kind)

    def stream_to(self, host: str, port: int) -> socket.socket:
        if ":" in host:
            raise NetworkError(GONE, "no address for IPv6")
        return ANYWHERE.stream_to(host, port)


def answer_to(question: bytes, *, is_cut: bool = False, padding: int = 0) -> bytes:
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
    flags = b"\x83\x80" if is_cut else b"\x81\x80"
    return question[:2] + flags + b"\0\1\0\1\0\0\0\0" + question[12:] + record + bytes(padding)


@contextmanager
def serving(by_datagram: Callable[[socket.socket, bytes, tuple[str, int]], None],
            by_stream: Callable[[socket.socket, bytes], None] | None = None) -> Iterator[int]:
    """Both on the same port, on threads."""
    port = free_port()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.create_server(("127.0.0.1", port)) as streams,
    ):
        datagrams.bind(("127.0.0.1", port))

        def answer_datagrams() -> None:
            while True:
                try:
                    question, source = datagrams.recvfrom(4096)
                    if question == b"end":
                        return
                    by_datagram(datagrams, question, source)
                except OSError:
                    return

        def answer_streams() -> None:
            while True:
                sock, _ = streams.accept()
                with sock:
                    try:
                        question = sock.recv(4096)[2:]
                        if question == b"":
                            return
                        assert by_stream is not None
                        by_stream(sock, question)
                    except OSError:
                        continue

        threads = [threading.Thread(target=answer_datagrams), threading.Thread(target=answer_streams)]
        for thread in threads:
            thread.start()
        yield port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", ("127.0.0.1", port))
        socket.create_connection(("127.0.0.1", port)).close()
        for thread in threads:
            thread.join()


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., object]:
    monkeypatch.setattr(resolver, "TRY_S", TRY_S)
    monkeypatch.setattr(resolver, "HOSTS", tmp_path / "none")

    def ask(port: int, *servers: str, left_s: Callable[[], float] = lambda: 60.0,
            binding: Binding | None = None) -> object:
        monkeypatch.setattr(resolver, "PORT", port)
        monkeypatch.setattr(resolver, "_servers", lambda **_: list(servers))
        return resolver.look_up(binding or Confined(), NAME, Kind.A, left_s)

    return ask


def test_a_name_is_looked_up(ask):
    with serving(lambda sock, question, source: sock.sendto(answer_to(question), source)) as port:
        assert ask(port, "127.0.0.1") == ("192.0.2.1",)


def say_it_is_cut(sock, question, source):
    sock.sendto(answer_to(question, is_cut=True), source)


def test_what_does_not_fit_a_datagram_is_asked_for_by_tcp(ask):
    def by_stream(sock, question):
        data = answer_to(question, padding=2000)
        sock.sendall(len(data).to_bytes(2, "big") + data[:100])
        sock.sendall(data[100:])

    with serving(say_it_is_cut, by_stream) as port:
        assert ask(port, "127.0.0.1") == ("192.0.2.1",)


def drip(sock, _question):
    sock.sendall(b"\x10\0")
    while True:
        sock.sendall(b"x")
        time.sleep(TRY_S / 4)


def test_a_server_that_drips_has_the_time_of_one_try(ask):
    with serving(say_it_is_cut, drip) as port:
        begun = time.monotonic()
        with pytest.raises(NetworkError) as caught:
            ask(port, "127.0.0.1")
        assert time.monotonic() - begun < PATIENCE_S
    assert caught.value.code == "net.no-such-host"


def test_strays_do_not_lengthen_a_try(ask):
    is_over = threading.Event()

    def by_datagram(sock, _question, source):
        for _ in range(int(2 * PATIENCE_S / TRY_S) * 4):               # far longer than it may take
            sock.sendto(b"nonsense", source)
            if is_over.wait(TRY_S / 4):
                return

    with serving(by_datagram) as port:
        begun = time.monotonic()
        with pytest.raises(NetworkError):
            ask(port, "127.0.0.1")
        is_over.set()
        assert time.monotonic() - begun < PATIENCE_S


def test_an_answer_beyond_reason_is_not_read(ask):
    with (
        serving(say_it_is_cut, lambda sock, question: sock.sendall(b"\xff\xff" + bytes(0xFFFF))) as port,
        pytest.raises(NetworkError) as caught,
    ):
        ask(port, "127.0.0.1")
    assert caught.value.code == "net.no-such-host"


def test_all_servers_together_have_the_time_of_the_call(ask):
    left = iter((1.0, 0.5))

    def left_s() -> float:
        for seconds in left:
            return seconds
        raise TimedOut("net.timed-out", "no complete answer in time")

    with pytest.raises(TimedOut):
        ask(free_port(), "127.0.0.1", "127.0.0.1", left_s=left_s)


def test_a_server_that_the_interface_has_no_way_to_is_passed_over(ask):
    binding = Confined()
    with serving(lambda sock, question, source: sock.sendto(answer_to(question), source)) as port:
        assert ask(port, "2001:db8::53", "127.0.0.1", binding=binding) == ("192.0.2.1",)
    assert binding.asked == ["0.0.0.0"]


def test_a_server_that_there_is_no_way_to_now_is_not_the_last(ask):
    class Flapping(Confined):
        def open_at(self, host: str, port: int, kind: int) -> socket.socket:
            sock = super().open_at(host, port, kind)
            if len(self.asked) == 1:
                sock.close()
                raise NetworkError(GONE, "just now")
            return sock

    with serving(lambda sock, question, source: sock.sendto(answer_to(question), source)) as port:
        assert ask(port, "127.0.0.1", binding=Flapping()) == ("192.0.2.1",)


def test_without_the_interface_it_is_to_blame_and_not_the_name(ask):
    gone = Binding(InterfaceSpec("nosuch0"), survey=Answer)
    for look_up in (lambda: ask(9, "127.0.0.1", binding=gone), lambda: resolver.resolve(gone, NAME, lambda: 1.0)):
        with pytest.raises(NetworkError) as caught:
            look_up()
        assert caught.value.code == GONE


def test_an_address_of_a_family_without_a_way_is_not_the_last_one(monkeypatch, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text(f"2001:db8::1 {NAME}\n127.0.0.1 {NAME}\n")
    monkeypatch.setattr(resolver, "HOSTS", hosts)
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect_to(Confined(), NAME, server.getsockname()[1], lambda: PATIENCE_S, lambda _: True).close()
