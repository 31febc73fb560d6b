"""Looks names up by the way that the policy leaves: the system's own look-up would ask by any. Blocking.

It knows /etc/hosts and the servers of /etc/resolv.conf. One on this machine, such as a stub of the system's, would ask
on by any way, so it is not asked. Numbers and ports of questions are chance, against forged answers.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from pathlib import Path

from blobtorrent.model.errors import FormatError, NetworkError
from blobtorrent.model.reach import Address
from blobtorrent.network.binding import GONE, Binding
from blobtorrent.network.outgoing import TimeLeft
from blobtorrent.protocol.dns import Kind, Reply, Service, ask, read_reply

PORT = 53
MAX_DATAGRAM = 4096
MAX_BY_TCP = 8192
TRY_S = 3.0                            # for one server, by whatever way; then the next
MAX_STRAYS = 64                        # datagrams that are no answer; then somebody tries to forge one
TRIES = 2                              # of all servers
MAX_SERVERS = 3                        # as resolv.conf(5)
HOSTS = Path("/etc/hosts")
SERVERS = Path("/etc/resolv.conf")
_NUMBER_BYTES = 2                      # a question begins with its number
_LENGTH_BYTES = 2                      # before a message on TCP


def resolve(binding: Binding, host: str, left_s: TimeLeft) -> list[Address]:
    """The addresses of a host that the policy has a way to, IPv6 first if any.

    Raises NetworkError ("net.no-such-host", "net.no-name-server", "net.interface-gone"), TimedOut.
    """
    known = _in_hosts(host)
    if known:
        return known
    _check_way(binding)
    versions = _versions(binding)
    kinds = [kind for kind, version in ((Kind.AAAA, 6), (Kind.A, 4)) if version in versions]
    found = [ipaddress.ip_address(text) for kind in kinds for text in look_up(binding, host, kind, left_s)
             if isinstance(text, str)]
    if not found:
        raise NetworkError("net.no-such-host", f"{host}: no address is known for this name")
    return found


def _check_way(binding: Binding) -> None:
    if not binding.is_there:
        raise NetworkError(GONE, f"network.interface: {binding.interface} is not there or has no address")


def _versions(binding: Binding) -> set[int]:
    return {ipaddress.ip_address(source).version for source in binding.sources}


def look_up(binding: Binding, name: str, kind: Kind, left_s: TimeLeft) -> tuple[str | Service, ...]:
    """The records of a name; none when it has none of the kind. Raises as `resolve` does."""
    _check_way(binding)
    try:
        question = ask(0, name, kind)
    except FormatError as error:
        raise NetworkError("net.no-such-host", error.detail) from None
    servers = _servers(with_own=not binding.is_confined)
    if binding.is_confined:
        servers = [server for server in servers if ipaddress.ip_address(server).version in _versions(binding)]
    if not servers:
        raise NetworkError("net.no-name-server", f"{SERVERS} names no server besides this machine, "
                           "which network.interface does not allow to ask: name one that the interface leads to")
    failure = NetworkError("net.no-such-host", f"{name}: no name server answers at {binding.interface}")
    for server in servers * TRIES:
        until = _Until(min(TRY_S, left_s()))
        try:
            reply = _ask(binding, server, os.urandom(_NUMBER_BYTES) + question[_NUMBER_BYTES:], until)
        except OSError:
            continue
        except NetworkError as error:  # no way to this one
            failure = error
            continue
        if not reply.has_failed:
            return reply.found
    left_s()
    raise failure


class _Until:
    """When a try ends, however little comes at a time."""

    def __init__(self, timeout_s: float) -> None:
        self._end_s = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Raises TimeoutError."""
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the name server does not answer in time")
        return left_s


def _ask(binding: Binding, server: str, question: bytes, until: _Until) -> Reply:
    """Raises OSError, NetworkError ("net.interface-gone", "net.cannot-confine")."""
    with binding.open_at("::" if ":" in server else "0.0.0.0", 0, socket.SOCK_DGRAM) as sock:
        sock.connect((server, PORT))
        sock.send(question)
        for _ in range(MAX_STRAYS):
            sock.settimeout(until.left_s())
            try:
                reply = read_reply(sock.recv(MAX_DATAGRAM), question)
            except FormatError:        # of somebody else, or damaged: the right one may still come
                continue
            return _ask_by_tcp(binding, server, question, until) if reply.is_cut else reply
    return Reply(has_failed=True)


def _ask_by_tcp(binding: Binding, server: str, question: bytes, until: _Until) -> Reply:
    with binding.stream_to(server, PORT) as sock:
        sock.settimeout(until.left_s())
        sock.connect((server, PORT))
        sock.sendall(len(question).to_bytes(_LENGTH_BYTES, "big") + question)
        length = int.from_bytes(_receive(sock, _LENGTH_BYTES, until), "big")
        if length > MAX_BY_TCP:
            raise OSError("an answer beyond reason")
        try:
            return read_reply(_receive(sock, length, until), question)
        except FormatError as error:
            raise OSError(error.detail) from None


def _receive(sock: socket.socket, count: int, until: _Until) -> bytes:
    """Exactly so many bytes. Raises OSError."""
    data = b""
    while len(data) < count:
        sock.settimeout(until.left_s())
        part = sock.recv(count - len(data))
        if not part:
            raise ConnectionResetError("the name server ended its answer early")
        data += part
    return data


def _servers(*, with_own: bool) -> list[str]:
    """Those of this machine only `with_own`."""
    found: list[str] = []
    for words in _lines(SERVERS):
        if len(words) > 1 and words[0] == "nameserver":
            try:
                address = ipaddress.ip_address(words[1].partition("%")[0])
            except ValueError:
                continue
            if with_own or not address.is_loopback:
                found.append(str(address))
    return found[:MAX_SERVERS]


def _in_hosts(host: str) -> list[Address]:
    name = host.lower().rstrip(".")
    found: list[Address] = []
    for words in _lines(HOSTS):
        if name in (word.lower() for word in words[1:]):
            try:
                found.append(ipaddress.ip_address(words[0].partition("%")[0]))
            except ValueError:
                continue
    return found


def _lines(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line.partition("#")[0].split() for line in text.splitlines()]
