"""Proxies for tests: SOCKS 5 and HTTP CONNECT in threads, which keep what they were asked; and dante, a real one."""

from __future__ import annotations

import ipaddress
import select
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType

from blobtorrent.protocol.proxy.socks5 import read_address, wrap_datagram
from tests.support.peers.program import free_port

TIMEOUT_S = 20.0
CHUNK = 65536


class TestProxy:
    """Used as a context manager. `asked` are the places that it was asked for, by name as they were given.

    `kind` is "socks5" or "http"; with a `login` (user, password) it wants that one. `refusal` is what it says instead
    of a connection: a result of SOCKS, or a status of HTTP; `relay_refusal` the same of a relay for datagrams, and
    `names` where it finds hosts that only it knows.
    """

    __test__ = False                   # pytest: this is no test

    def __init__(self, kind: str, login: tuple[str, str] | None = None, refusal: int = 0, *,
                 relay_refusal: int = 0, names: Mapping[str, str] = MappingProxyType({})) -> None:
        self.relays: list[socket.socket] = []              # the connections that relays were asked for on
        self.relayed: list[tuple[str, int]] = []           # where datagrams were sent
        self.asked: list[tuple[str, int]] = []
        self.callers: list[tuple[str, int]] = []           # what the other ends see of the connections: not the client
        self._serve = {"socks5": self._serve_socks, "http": self._serve_http}[kind]
        self._login = login
        self._refusal = refusal
        self._relay_refusal = relay_refusal
        self._names = names
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._is_open = True
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{kind}://127.0.0.1:{self.port}"

    def __enter__(self) -> TestProxy:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        self._listener.close()

    def _accept(self) -> None:
        while self._is_open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._take, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _take(self, client: socket.socket) -> None:
        with client:
            client.settimeout(TIMEOUT_S)
            try:
                other = self._serve(client)
                if other is not None:
                    with other:
                        self._pass_on(client, other)
            except OSError:
                return

    def _serve_socks(self, client: socket.socket) -> socket.socket | None:
        _, count = _exactly(client, 2)
        methods = _exactly(client, count)
        wanted = 0 if self._login is None else 2
        if wanted not in methods:
            client.sendall(b"\x05\xff")
            return None
        client.sendall(bytes((5, wanted)))
        if self._login is not None:
            words = []
            _exactly(client, 1)
            for _ in range(2):
                words.append(_exactly(client, _exactly(client, 1)[0]).decode())
            is_right = tuple(words) == self._login
            client.sendall(bytes((1, not is_right)))
            if not is_right:
                return None
        _, command, _, kind = _exactly(client, 4)
        if command == 3:
            assert _exactly(client, 6) == bytes(6)
            self._relay(client)
            return None
        assert command == 1
        if kind == 3:
            host = _exactly(client, _exactly(client, 1)[0]).decode()
        else:
            host = str(ipaddress.ip_address(_exactly(client, 4 if kind == 1 else 16)))
        port = int.from_bytes(_exactly(client, 2), "big")
        self.asked.append((host, port))
        result, other = self._refusal, None
        if not result:
            try:
                other = self._connect(host, port)
            except ConnectionRefusedError:
                result = 5
        client.sendall(bytes((5, result, 0, 1)) + bytes(6))
        return other

    def _relay(self, client: socket.socket) -> None:
        if self._relay_refusal:
            client.sendall(bytes((5, self._relay_refusal, 0, 1)) + bytes(6))
            return
        with (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside,
              socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside):
            for sock in (inside, outside):
                sock.bind(("127.0.0.1", 0))
            self.relays.append(client)
            # Unspecified, as of a proxy that does not know how it is reached.
            client.sendall(b"\x05\0\0\x01" + bytes(4) + inside.getsockname()[1].to_bytes(2, "big"))
            ours: tuple[str, int] | None = None
            while self._is_open:
                ready, _, _ = select.select([client, inside, outside], [], [], 0.1)
                if client in ready and not client.recv(1):
                    return
                if inside in ready:
                    data, ours = inside.recvfrom(CHUNK)
                    read = read_address(data, 3)
                    assert read is not None
                    host, port, end = read
                    self.relayed.append((host, port))
                    outside.sendto(data[end:], (self._names.get(host, host), port))
                if outside in ready:
                    data, source = outside.recvfrom(CHUNK)
                    if ours is not None:
                        inside.sendto(wrap_datagram(data, *source), ours)

    def _serve_http(self, client: socket.socket) -> socket.socket | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += _exactly(client, 1)
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        assert method == "CONNECT"
        host, _, port = target.rpartition(":")
        self.asked.append((host.strip("[]"), int(port)))
        if self._login is not None:
            import base64

            words = base64.b64encode(":".join(self._login).encode())
            if b"Proxy-Authorization: Basic " + words not in head.split(b"\r\n"):
                client.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
                return None
        if self._refusal:
            client.sendall(b"HTTP/1.1 %d No\r\n\r\n" % self._refusal)
            return None
        other = self._connect(host.strip("[]"), int(port))
        client.sendall(b"HTTP/1.1 200 Connected\r\nVia: test\r\n\r\n")
        return other

    def _connect(self, host: str, port: int) -> socket.socket:
        other = socket.create_connection((host, port), timeout=TIMEOUT_S)
        self.callers.append(other.getsockname()[:2])
        return other

    def _pass_on(self, client: socket.socket, other: socket.socket) -> None:
        while self._is_open:
            ready, _, _ = select.select([client, other], [], [], 0.1)
            for sock in ready:
                data = sock.recv(CHUNK)
                if not data:
                    return
                (other if sock is client else client).sendall(data)


def dante_configuration(folder: Path) -> tuple[Path, int]:
    """A configuration for danted that listens on loopback and lets everybody through, and its port."""
    port = free_port()
    path = folder / "danted.conf"
    path.write_text(
        f"logoutput: {folder}/danted.log\ninternal: 127.0.0.1 port = {port}\nexternal: 127.0.0.1\n"
        "socksmethod: none\nclientmethod: none\nuser.privileged: root\nuser.unprivileged: nobody\n"
        "client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 log: error }\n"
        "socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 log: connect error iooperation }\n")
    return path, port


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise OSError("closed")
        data += part
    return data
