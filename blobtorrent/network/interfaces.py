"""The system's interfaces, addresses and default routes, and word of every change. Linux, through netlink."""

from __future__ import annotations

import socket

from blobtorrent.model.errors import NetworkError
from blobtorrent.network.binding import ABSENT, Presence
from blobtorrent.protocol.netlink import ASK_ADDRESSES, ASK_LINKS, ASK_ROUTES, GROUPS, Answer

RECEIVE_BYTES = 64 * 1024
ANSWER_S = 2.0                         # the kernel answers at once; this is against waiting for ever


def survey() -> Answer:
    """All links, addresses and default routes there are. Raises NetworkError ("net.no-netlink")."""
    answer = Answer()
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
            sock.settimeout(ANSWER_S)
            for question in (ASK_LINKS, ASK_ADDRESSES, ASK_ROUTES):
                sock.send(question)
                answer.is_complete = False
                while not answer.is_complete:
                    answer.feed(sock.recv(RECEIVE_BYTES))
    except OSError as error:
        raise NetworkError("net.no-netlink", f"the system does not tell its addresses: {error.strerror}") from None
    return answer


def presence_of(name: str) -> Presence:
    """The number of an interface and what it can be reached at beyond its own link; without addresses while it is gone
    or down.

    Where the system tells nothing the interface counts as gone: better no traffic than traffic by another way.
    """
    try:
        found = survey()
    except NetworkError:
        return ABSENT
    for link in found.links:
        if link.name == name and link.is_up:
            return link.number, tuple(
                own.host for own in found.addresses if own.interface == link.number and not own.is_link_local)
    return ABSENT


def open_watch() -> socket.socket:
    """A non-blocking socket that turns readable when links or addresses change. Raises OSError."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    try:
        sock.setblocking(False)
        sock.bind((0, GROUPS))
    except OSError:
        sock.close()
        raise
    return sock


def drain_watch(sock: socket.socket) -> None:
    """Take what came; what it says does not matter, since everything is looked at again."""
    while True:
        try:
            sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:                # more came than the kernel keeps: something has changed anyway
            continue
