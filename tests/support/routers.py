"""Routers that pass ports on, as far as clients can tell: NAT-PMP and PCP by the RFCs, and miniupnpd, a real one."""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
from pathlib import Path

from tests.support.twoways import TwoWays

INSIDE = "10.1.0.1"                    # of the router
OUTSIDE = "11.22.33.44"
_TCP, _UDP = 6, 17


class TestRouter:
    """Answers NAT-PMP (version 0) and PCP (version 2) in the world's namespace. Used as a context manager.

    `mappings` is what it passes on: (protocol number, port) -> (lifetime, client). Outside the port is 10000 higher.
    Without `speaks_pcp` it refuses that version, as older routers do; the first `drops` datagrams get lost.
    """

    __test__ = False                   # pytest: this is no test

    def __init__(self, ways: TwoWays, *, speaks_pcp: bool = True, drops: int = 0) -> None:
        self.mappings: dict[tuple[int, int], tuple[int, str]] = {}
        self.received = 0
        self._speaks_pcp = speaks_pcp
        self._drops = drops
        self._socket = ways.world.call(_open_socket)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._is_open = True

    def __enter__(self) -> TestRouter:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._is_open = False
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while self._is_open:
            try:
                data, client = self._socket.recvfrom(1100)
            except TimeoutError:
                continue
            self.received += 1
            if self.received > self._drops:
                self._socket.sendto(b"\xffnoise", client)
                self._socket.sendto(self._answer(data, client[0]), client)

    def _answer(self, data: bytes, client: str) -> bytes:
        if data[0] == 0:
            return self._answer_natpmp(data, client)
        if not self._speaks_pcp:
            return struct.pack(">BBHI", 0, 0x80, 1, 1000)
        assert (data[0], data[1], len(data)) == (2, 1, 60)
        assert data[8:24] == bytes(10) + b"\xff\xff" + socket.inet_aton(client)
        lifetime_s, nonce, protocol = struct.unpack_from(">I", data, 4)[0], data[24:36], data[36]
        port = struct.unpack_from(">H", data, 40)[0]
        external = self._change(protocol, port, lifetime_s, client)
        return (struct.pack(">BBBBII12x", 2, 0x81, 0, 0, lifetime_s, 1000) + nonce
                + struct.pack(">B3xHH", protocol, port, external) + bytes(10) + b"\xff\xff" + socket.inet_aton(OUTSIDE))

    def _answer_natpmp(self, data: bytes, client: str) -> bytes:
        if data == b"\0\0":
            return struct.pack(">BBHI", 0, 0x80, 0, 1000) + socket.inet_aton(OUTSIDE)
        operation, port, _, lifetime_s = struct.unpack(">xBxxHHI", data)
        external = self._change({1: _UDP, 2: _TCP}[operation], port, lifetime_s, client)
        return struct.pack(">BBHIHHI", 0, 0x80 | operation, 0, 1000, port, external, lifetime_s)

    def _change(self, protocol: int, port: int, lifetime_s: int, client: str) -> int:
        if not lifetime_s:
            self.mappings.pop((protocol, port), None)
            return 0
        self.mappings[protocol, port] = (lifetime_s, client)
        return port + 10000


class Miniupnpd:
    """miniupnpd in the world's namespace. Used as a context manager."""

    def __init__(self, ways: TwoWays, program: str, folder: Path) -> None:
        for words in (("link", "add", "ext0", "type", "veth", "peer", "name", "ext1"),
                      ("link", "set", "ext1", "up"), ("addr", "add", f"{OUTSIDE}/24", "dev", "ext0"),
                      ("link", "set", "ext0", "up")):
            subprocess.run([*ways.world.prefix, "ip", *words], check=True)
        configuration = folder / "miniupnpd.conf"
        configuration.write_text(
            f"ext_ifname=ext0\next_ip={OUTSIDE}\nlistening_ip=w-plain0\nport=5555\nenable_natpmp=yes\nenable_upnp=yes\n"
            f"lease_file={folder}/leases\nuuid=00000000-0000-0000-0000-000000000001\n"
            "allow 1024-65535 10.1.0.0/24 1024-65535\n")
        self._command = [*ways.world.prefix, program, "-d", "-f", str(configuration), "-P", f"{folder}/pid"]
        self.log = folder / "miniupnpd.log"

    def __enter__(self) -> Miniupnpd:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        return self

    def __exit__(self, *raised: object) -> None:
        self._process.terminate()
        self._process.wait()


def _open_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0.1)
    sock.bind((INSIDE, 5351))
    return sock
