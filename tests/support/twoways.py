"""Two ways to the same world: a machine with the interfaces `plain0` and `tun0`, in network namespaces of a test's own.

    machine                                            world
    plain0 10.1.0.2, fd01::2 (the default route)  ---  10.1.0.1, fd01::1  \\
                                                                            10.7.0.1: peers, trackers, name servers
    tun0   10.9.0.2, fd09::2 (a second one)       ---  10.9.0.1, fd09::1  /
"""

from __future__ import annotations

import socket
import subprocess
import threading
from types import TracebackType

from tests.support.peers.namespace import NetworkNamespace

WORLD = "10.7.0.1"
_WAYS = {"plain0": ("10.1.0.", "fd01::", 0), "tun0": ("10.9.0.", "fd09::", 500)}   # networks, metric of the routes
_AT_ONCE = {"24": (), "64": ("nodad",)}                    # without asking whether somebody else has the address


class TwoWays:
    """Used as a context manager. Commands for the machine begin with `machine.prefix`."""

    def __enter__(self) -> TwoWays:
        self.machine = NetworkNamespace().__enter__()
        self.world = NetworkNamespace(WORLD).__enter__()
        for name in _WAYS:
            self.bring(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.world.__exit__()
        self.machine.__exit__()

    def bring(self, name: str) -> None:
        """Make an interface, with its route."""
        *networks, metric = _WAYS[name]
        ours, theirs = self.machine._holder.pid, self.world._holder.pid
        _ip("link", "add", name, "netns", str(ours), "type", "veth", "peer", "name", f"w-{name}", "netns", str(theirs))
        for space, device, host in ((self.machine, name, 2), (self.world, f"w-{name}", 1)):
            # The kernel itself talks on a link that comes up, of its link-local address: that is nobody's traffic.
            _run(space, "sysctl", "-qw", f"net.ipv6.conf.{device}.addr_gen_mode=1")
            for network in networks:
                bits = "64" if ":" in network else "24"
                _run(space, "ip", "addr", "add", f"{network}{host}/{bits}", "dev", device, *_AT_ONCE[bits])
            _run(space, "ip", "link", "set", device, "up")
        for network in networks:
            _run(self.machine, "ip", "route", "add", "default", "via", f"{network}1", "dev", name,
                 "metric", str(metric or 1))

    def take(self, name: str) -> None:
        """The interface is gone, as that of a VPN whose program ended."""
        _run(self.machine, "ip", "link", "del", name)


class Capture:
    """Used as a context manager: keeps every IP packet, of both versions, that comes to the world by one way.

    Not those with which the kernel itself tells that a connection is no more or that nobody takes datagrams, or looks
    for a neighbour: they belong to no socket and thus to no interface. It was alive all the time, or the test fails.
    """

    def __init__(self, ways: TwoWays, name: str) -> None:
        self.packets: list[bytes] = []
        self._socket = ways.world.call(lambda: _open_capture(f"w-{name}"))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._is_open = True
        self._is_deaf = False

    def __enter__(self) -> Capture:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._thread.join()
        self._socket.close()
        if error is None:
            assert not self._is_deaf, "the capture ended early"

    def _read(self) -> None:
        while self._is_open:
            try:
                packet, (_, _, direction, *_) = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            except OSError:            # the device is gone
                self._is_deaf = True
                return
            if direction != _OUTGOING and not _is_of_the_kernel(packet):
                self.packets.append(packet)


_ALL = 0x0003                          # protocols; ARP is told apart by its first byte
_OUTGOING = 4                          # as this side sends it
_TCP, _RESET = 6, 0x04
_ICMP, _UNREACHABLE = 1, 3
_ICMPV6, _HOP_BY_HOP = 58, 0


def _is_of_the_kernel(packet: bytes) -> bool:
    version = packet[0] >> 4
    if version == 6:
        next_header = packet[6]
        return next_header in (_ICMPV6, _HOP_BY_HOP) or next_header == _TCP and bool(packet[40 + 13] & _RESET)
    header_bytes = (packet[0] & 0x0F) * 4
    return (version != 4 or packet[9] == _ICMP and packet[header_bytes] == _UNREACHABLE
            or packet[9] == _TCP and bool(packet[header_bytes + 13] & _RESET))


def _open_capture(device: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL))
    sock.settimeout(0.1)
    sock.bind((device, _ALL))
    return sock


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _run(space: NetworkNamespace, *words: str) -> None:
    subprocess.run([*space.prefix, *words], check=True)
