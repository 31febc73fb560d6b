"""Looks names up by the way that the policy leaves: the system's own look-up would ask by any. Blocking.

It knows /etc/hosts and the servers of /etc/resolv.conf. One on this machine, such as a stub of the system's, would ask
on by any way, so it is not asked. Numbers and ports of questions are chance, against forged answers.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path

from blobtorrent.model.errors import FormatError, NetworkError
from blobtorrent.network.binding import Binding
from blobtorrent.network.outgoing import Address, TimeLeft
from blobtorrent.protocol.dns import Kind, Reply, Service, ask, read_reply

PORT = 53
MAX_DATAGRAM = 4096
TRY_S = 3.0                            # for one server; then the next
MAX_STRAYS = 64                        # datagrams that are no answer; then somebody tries to forge one
TRIES = 2                              # of all servers
MAX_SERVERS = 3                        # as resolv.conf(5)
HOSTS = Path("/etc/hosts")
SERVERS = Path("/etc/resolv.conf")
_LENGTH_BYTES = 2                      # before a message on TCP


def resolve(binding: Binding, host: str, left_s: TimeLeft) -> list[Address]:
    """The addresses of a host that the policy has a way to, IPv6 first if any.

    Raises NetworkError ("net.no-such-host", "net.no-name-server", "net.interface-gone"), TimedOut.
    """
    known = _in_hosts(host)
    if known:
        return known
    versions = {ipaddress.ip_address(source).version for source in binding.sources}
    kinds = [kind for kind, version in ((Kind.AAAA, 6), (Kind.A, 4)) if version in versions]
    found = [ipaddress.ip_address(text) for kind in kinds for text in look_up(binding, host, kind, left_s)
             if isinstance(text, str)]
    if not found:
        raise NetworkError("net.no-such-host", f"{host}: no address is known for this name")
    return found


def look_up(binding: Binding, name: str, kind: Kind, left_s: TimeLeft) -> tuple[str | Service, ...]:
    """The records of a name; none when it has none of the kind. Raises as `resolve` does."""
    servers = _servers()
    if not servers:
        raise NetworkError("net.no-name-server", f"{SERVERS} names no server besides this machine, "
                           "which network.interface does not allow to ask: name one that the interface leads to")
    for server in servers * TRIES:
        try:
            reply = _ask(binding, server, name, kind, min(TRY_S, left_s()))
        except OSError:
            continue
        if not reply.has_failed:
            return reply.found
    left_s()
    raise NetworkError("net.no-such-host", f"{name}: no name server answers at {binding.interface}")


def _ask(binding: Binding, server: str, name: str, kind: Kind, timeout_s: float) -> Reply:
    """Raises OSError, NetworkError ("net.no-such-host", "net.interface-gone")."""
    try:
        question = ask(int.from_bytes(os.urandom(2), "big"), name, kind)
    except FormatError as error:
        raise NetworkError("net.no-such-host", error.detail) from None
    with binding.open_at("::" if ":" in server else "0.0.0.0", 0, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        sock.connect((server, PORT))
        sock.send(question)
        for _ in range(MAX_STRAYS):
            try:
                reply = read_reply(sock.recv(MAX_DATAGRAM), question)
            except FormatError:        # of somebody else, or damaged: the right one may still come
                continue
            return _ask_by_tcp(binding, server, question, timeout_s) if reply.is_cut else reply
    return Reply(has_failed=True)


def _ask_by_tcp(binding: Binding, server: str, question: bytes, timeout_s: float) -> Reply:
    with binding.stream_to(server, PORT) as sock:
        sock.settimeout(timeout_s)
        sock.connect((server, PORT))
        sock.sendall(len(question).to_bytes(_LENGTH_BYTES, "big") + question)
        with sock.makefile("rb") as stream:
            length = int.from_bytes(stream.read(_LENGTH_BYTES), "big")
            try:
                return read_reply(stream.read(length), question)
            except FormatError as error:
                raise OSError(error.detail) from None


def _servers() -> list[str]:
    found: list[str] = []
    for words in _lines(SERVERS):
        if len(words) > 1 and words[0] == "nameserver":
            try:
                address = ipaddress.ip_address(words[1].partition("%")[0])
            except ValueError:
                continue
            if not address.is_loopback:
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
