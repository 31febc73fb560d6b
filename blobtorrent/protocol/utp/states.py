"""The life of a stream, and what its owner is told of it. BEP 29."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Union

from blobtorrent.runtime.machine import Table

if TYPE_CHECKING:
    from blobtorrent.protocol.utp.stream import UtpStream


class UtpState(Enum):
    """Where a stream is. One that came in begins connected: before that there is none, only a note of its SYN."""

    SYN_SENT = "syn-sent"
    CONNECTED = "connected"
    FIN_SENT = "fin-sent"              # we have no more to say; what the peer says is still taken
    RESET = "reset"                    # broken by either side
    CLOSED = "closed"                  # over, or given up


class UtpHappening(Enum):
    """What changes it."""

    ANSWERED = "answered"              # our SYN was
    FINISH = "finish"                  # we close
    DONE = "done"                      # both directions are complete
    BREAK = "break"                    # RESET, of either side
    GIVE_UP = "give-up"                # no answer


UTP_STREAM = Table(
    {
        UtpState.SYN_SENT: {
            UtpHappening.ANSWERED: UtpState.CONNECTED,
            UtpHappening.DONE: UtpState.CLOSED,
            UtpHappening.BREAK: UtpState.RESET,
            UtpHappening.GIVE_UP: UtpState.CLOSED,
        },
        UtpState.CONNECTED: {
            UtpHappening.FINISH: UtpState.FIN_SENT,
            UtpHappening.BREAK: UtpState.RESET,
            UtpHappening.GIVE_UP: UtpState.CLOSED,
        },
        UtpState.FIN_SENT: {
            UtpHappening.DONE: UtpState.CLOSED,
            UtpHappening.BREAK: UtpState.RESET,
            UtpHappening.GIVE_UP: UtpState.CLOSED,
        },
    },
    home=UtpState.CONNECTED,
    start=UtpState.SYN_SENT,
    ends=(UtpState.RESET, UtpState.CLOSED),
)

OVER = frozenset(UTP_STREAM.ends)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A peer connected to us and proved that it receives at its address. What it sent may be there already."""

    stream: UtpStream


@dataclass(frozen=True, slots=True)
class Connected:
    """The peer answered our SYN."""

    stream: UtpStream


@dataclass(frozen=True, slots=True)
class Readable:
    """There is something to `read`, or the peer has ended its direction (`is_eof`). Comes again after all was read."""

    stream: UtpStream


@dataclass(frozen=True, slots=True)
class Writable:
    """There is room again, after `write` took less than it was given."""

    stream: UtpStream


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more happens, whoever wished it; what came before can still be read. `reason` is None when both sides
    closed, else a word for people."""

    stream: UtpStream
    reason: str | None


UtpEvent = Union[Accepted, Connected, Readable, Writable, Ended]


@dataclass(frozen=True, slots=True)
class UtpStats:
    """Figures of one stream, for whoever looks at peers."""

    sent_bytes: int                    # payload, every byte once
    received_bytes: int
    retransmits: int                   # packets
    delay_s: float                     # that packets wait on their way to the peer
    window_bytes: int
    mtu: int                           # bytes of IP packets that the path is known to take
    rtt_s: float                       # 0.0 before there is a sample
