"""Sockets that the service manager opened for us and handed over (sd_listen_fds of systemd)."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from pathlib import Path

from blobtorrent.config.values import ListenSpec
from blobtorrent.interface.rest.listeners import Place
from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)

FIRST_DESCRIPTOR = 3
UNNAMED = "unknown"                    # what systemd calls a socket without FileDescriptorName=


def inherited_sockets(environ: MutableMapping[str, str]) -> dict[str, list[socket.socket]]:
    """All listening sockets by their name. The variables are taken out: children inherit none of this.

    A socket without a name is under "unknown". Nothing is ours when LISTEN_PID names another process.
    """
    for_pid, count, names = (environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if for_pid != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return {}
    descriptors = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count))
    labels = names.split(":") if names else []
    sockets: dict[str, list[socket.socket]] = {}
    for number, descriptor in enumerate(descriptors):
        os.set_inheritable(descriptor, False)
        label = labels[number] if number < len(labels) else UNNAMED
        sockets.setdefault(label, []).append(socket.socket(fileno=descriptor))
    return sockets


def close_unserved(inherited: Mapping[str, list[socket.socket]], served: Collection[str]) -> None:
    """Close the sockets whose names nothing of ours goes by, and say so: who connects there waits for ever."""
    for name in sorted(inherited.keys() - served):
        log.error("nobody serves a socket that the service manager handed over: see its FileDescriptorName=", name=name)
        for sock in inherited[name]:
            sock.close()


def unopened(places: Sequence[Place], inherited: Sequence[socket.socket]) -> list[Place]:
    """The places that none of the inherited sockets listens at already."""
    names = [sock.getsockname() for sock in inherited]
    paths = {Path(name) for name in names if isinstance(name, str)}
    addresses = [name[:2] for name in names if isinstance(name, tuple)]

    def is_open(place: Place) -> bool:
        if isinstance(place, Path):
            return place in paths
        if not isinstance(place, ListenSpec):
            return False
        own_host = "127.0.0.1" if place.host == "localhost" else place.host
        return any(host == own_host and port in place.ports for host, port in addresses)

    return [place for place in places if not is_open(place)]
