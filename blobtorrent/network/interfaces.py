"""The system's interfaces, addresses and default routes, and word of every change. Linux, through netlink."""

from __future__ import annotations

import errno
import socket

from blobtorrent.model.errors import NetworkError
from blobtorrent.protocol.netlink import ASK_ADDRESSES, ASK_LINKS, ASK_ROUTES, GROUPS, Answer

RECEIVE_BYTES = 64 * 1024
ANSWER_S = 2.0                         # the kernel answers at once; this is against waiting for ever
TRIES = 5                              # while things change as they are told
WORDS_PER_LOOK = 64                    # that are taken at once


def survey(*, with_routes: bool = False) -> Answer:
    """All links and addresses there are, and the default routes where they are asked for: a router has a million
    others. Raises NetworkError ("net.no-netlink")."""
    questions = (ASK_LINKS, ASK_ADDRESSES, ASK_ROUTES) if with_routes else (ASK_LINKS, ASK_ADDRESSES)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
            sock.settimeout(ANSWER_S)
            for _ in range(TRIES):
                answer = _ask(sock, questions)
                if not answer.is_torn:
                    return answer
    except OSError as error:
        raise NetworkError("net.no-netlink", f"the system does not tell its addresses: {error.strerror}") from None
    raise NetworkError("net.no-netlink", "the addresses of the system change all the time")


def _ask(sock: socket.socket, questions: tuple[bytes, ...]) -> Answer:
    answer = Answer()
    for question in questions:
        sock.send(question)
        answer.is_complete = False
        while not answer.is_complete:
            answer.feed(sock.recv(RECEIVE_BYTES))
    return answer


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
    """Take what came; what it says does not matter, since everything is looked at again.

    Raises OSError when nothing will come any more.
    """
    for _ in range(WORDS_PER_LOOK):
        try:
            sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:       # more came than the kernel keeps: something has changed anyway
                raise
