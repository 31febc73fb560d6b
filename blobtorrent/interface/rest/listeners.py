"""Where the interface listens: addresses and ports, UNIX sockets, sockets that the service manager opened for us."""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from blobtorrent.config.values import HttpsSpec, ListenSpec
from blobtorrent.interface.rest.gate import Caller
from blobtorrent.model.errors import NetworkError
from blobtorrent.network import transport
from blobtorrent.network.binding import ANYWHERE

PROBE_S = 1.0                          # for whoever may still listen on a UNIX socket to take a connection

Place = ListenSpec | HttpsSpec | Path | socket.socket

_CREDENTIALS = struct.Struct("3i")     # pid, uid, gid
_SO_PEERGROUPS = 59                    # Linux 4.13; the socket module does not know it
_MAX_GROUPS_BYTES = 1024               # 256 groups; the socket module takes no more


class SocketAccess(NamedTuple):
    """Who may use the UNIX sockets that we make: `mode` of the file, and a group whose members need no token."""

    mode: int = 0o660
    group: str = ""                    # name or number; empty: that of the process, and nobody is trusted for it


USUAL_ACCESS = SocketAccess()


class Listener(NamedTuple):
    """An open, non-blocking listener. `path` and `inode` are set for a UNIX socket that we made."""

    sock: socket.socket
    name: str                          # "HOST:PORT", "https:HOST:PORT" or "unix:PATH"
    path: Path | None = None
    inode: int = 0
    is_secure: bool = False            # what comes here speaks TLS

    def close(self) -> None:
        """Close it; remove its file, unless somebody put another in its place."""
        self.sock.close()
        if self.path is not None:
            try:
                if self.path.stat().st_ino == self.inode:
                    self.path.unlink()
            except OSError:            # gone already, or its folder is
                pass


def open_all(
    places: Iterable[Place], dispensable: Collection[Place] = (), access: SocketAccess = USUAL_ACCESS
) -> tuple[list[Listener], list[NetworkError]]:
    """Open every place, or none; returns also why some that are dispensable are not open.

    Raises NetworkError ("net.*") when one that is not dispensable cannot be opened, or all that could are not.
    """
    opened: list[Listener] = []
    failures: list[NetworkError] = []
    try:
        for place in places:
            try:
                opened.append(_open(place, access))
            except NetworkError as error:
                if place not in dispensable:
                    raise
                failures.append(error)
        if failures and not opened:
            raise failures[0]
    except NetworkError:
        for listener in opened:
            listener.close()
        raise
    return opened, failures


def caller_of(sock: socket.socket, trusted_group: int | None) -> Caller:
    """Who has connected; over a UNIX socket root, our own user and members of the group are trusted.

    Raises OSError when they are gone already.
    """
    if sock.family != socket.AF_UNIX:
        return Caller(str(sock.getpeername()[0]))
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, gid = _CREDENTIALS.unpack(packed)
    is_trusted = uid in (0, os.geteuid()) or (
        trusted_group is not None and trusted_group in (gid, *_other_groups_of(sock))
    )
    return Caller(f"unix:{uid}", is_local=True, is_trusted=is_trusted)


def group_id(group: str) -> int | None:
    """The number of a group, None for no group. Raises NetworkError ("net.no-group")."""
    if not group:
        return None
    import grp

    try:
        return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise NetworkError("net.no-group", f"there is no group {group}") from None


def _other_groups_of(sock: socket.socket) -> tuple[int, ...]:
    """What else the process at the other end was a member of when it connected."""
    try:
        packed = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MAX_GROUPS_BYTES)
    except OSError:                    # an older kernel, or more groups than that
        return ()
    return struct.unpack(f"{len(packed) // 4}I", packed)


def _open(place: Place, access: SocketAccess) -> Listener:
    if isinstance(place, Path):
        return _open_unix(place, access)
    if isinstance(place, socket.socket):
        place.setblocking(False)
        return Listener(place, name_of(place))
    if isinstance(place, HttpsSpec):
        plain = _open(place.listen, access)
        return plain._replace(name=f"https:{plain.name}", is_secure=True)
    host = "127.0.0.1" if place.host == "localhost" else place.host
    # The API is no traffic of torrents: network.interface says nothing about it.
    sock = transport.open_listener(host, place.ports, ANYWHERE)
    return Listener(sock, name_of(sock))


def _open_unix(path: Path, access: SocketAccess) -> Listener:
    group = group_id(access.group)
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        os.fchmod(sock.fileno(), 0o600)                    # Linux gives the file this mode: never a moment too open
        sock.bind(str(path))
        if group not in (None, path.stat().st_gid):        # in a sandbox nobody may change even nothing
            os.chown(path, -1, group)
        path.chmod(access.mode)
        sock.listen(transport.BACKLOG)
        return Listener(sock, f"unix:{path}", path, path.stat().st_ino)
    except OSError as error:
        sock.close()
        raise NetworkError("net.cannot-listen", f"cannot listen on unix:{path}: {error.strerror or error}") from None


def _remove_stale(path: Path) -> None:
    """A socket that nobody listens on any more is in the way of a new one: its owner was killed."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise NetworkError("net.cannot-listen", f"cannot listen on unix:{path}: another file is there")
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError:                # full, or not ours: binding will tell
            return
    raise NetworkError("net.cannot-listen", f"cannot listen on unix:{path}: another program does")


def name_of(sock: socket.socket) -> str:
    """How a listening socket is told of: "HOST:PORT" or "unix:PATH"."""
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    return str(transport.endpoint_of(sock.getsockname()))
