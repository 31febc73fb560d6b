"""What the door and the thread `udp` tell each other about uTP, and what the session tells both. All are rare."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
import socket
from enum import Enum
from typing import Any, NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.runtime.mailbox import Mailbox


class Transport(Enum):
    """What a link runs over."""

    TCP = "tcp"
    UTP = "utp"


# ---- from the session

class UseTransports(NamedTuple):
    """For the door: dial peers, and let them in, by these from now on; what is open stays open.

    `dialing` is how both are tried: "tcp-first", "race" or "utp-first". `reply_to` hears UtpWanted.
    """

    tcp: bool = True
    utp: bool = False
    dialing: str = "tcp-first"
    reply_to: Any = None               # a mailbox


class OpenUtp(NamedTuple):
    """For the thread `udp`: take and make uTP connections. They go to `door`, which hears UtpReady first."""

    door: Any                          # a mailbox


class CloseUtp(NamedTuple):
    """Take and make no more of them; those that are open stay. The door hears UtpReady."""


class UtpWanted(NamedTuple):
    """For the session: a dial waits for uTP, which nobody makes yet."""


# ---- between the door and the thread udp

class UtpReady(NamedTuple):
    """Dials by uTP go to `mailbox`; None: there is no way for them, now."""

    mailbox: Mailbox[Any] | None


class DialUtp(NamedTuple):
    """Answered by UtpConnected or UtpFailed, if it is not cancelled first."""

    number: int
    endpoint: Endpoint


class CancelUtp(NamedTuple):
    """The dial of this number is of no use any more. It may have been answered already."""

    number: int


class UtpConnected(NamedTuple):
    """What is written to `sock` goes to the peer. Its receiver owns it; closing it ends the connection in order."""

    number: int
    sock: socket.socket


class UtpFailed(NamedTuple):
    """`code` is as in DialFailed."""

    number: int
    code: str
    detail: str


class UtpArrived(NamedTuple):
    """A peer dialled us; `sock` is as in UtpConnected."""

    endpoint: Endpoint
    sock: socket.socket
