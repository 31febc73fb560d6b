"""Sender: the thread `net-i-tx`. It sends what the receive thread decided, and is the only one that closes a socket.

One message a pass comes in, at most one a pass goes out. Small control buffers and block batches share a link's
outbox in order.
"""

from __future__ import annotations

import logging
import selectors
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.network.outbox import Buffer, Outbox
from blobtorrent.runtime.loop import SelectorLoop
from blobtorrent.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from blobtorrent.network.sealed import SealedSocket
    from blobtorrent.protocol.mse.cipher import Cipher

log = logging.getLogger(__name__)

MAX_QUEUED_BYTES = 16 << 20            # of one link: a peer that reads nothing is cut


class OpenLink(NamedTuple):
    """The sender may use this socket from now on, under this number; all that it sends there goes through `cipher`."""

    link: int
    sock: socket.socket
    cipher: Cipher | None = None


class Outgoing(NamedTuple):
    """All that one pass of the receive thread wants sent: (link, buffers, bytes, token or None)."""

    batches: list[tuple[int, list[Buffer], int, Any]]


class CloseLink(NamedTuple):
    """The receive side is done with the socket: close it. Answered by LinkClosed."""

    link: int


class Sent(NamedTuple):
    """Batches whose last byte was handed to the kernel: (link, token)."""

    done: list[tuple[int, Any]]


class LinkBroken(NamedTuple):
    """Sending failed; the link waits for CloseLink and drops what comes."""

    link: int
    code: str
    detail: str


class LinkClosed(NamedTuple):
    """The socket is closed; `tokens` belong to batches that were never sent whole. Of the first one's `sent_bytes` were
    handed to the kernel all the same."""

    link: int
    tokens: list[Any]
    sent_bytes: int


class _Half:
    """The send side of one link."""

    __slots__ = ("broken", "number", "outbox", "sock", "waiting")

    def __init__(self, number: int, sock: socket.socket | SealedSocket) -> None:
        self.number = number
        self.sock = sock
        self.outbox = Outbox()
        self.waiting = False           # for the socket to become writable
        self.broken = False


class Sender:
    """Owns the send halves of one shard. `replies` is the receive thread's mailbox."""

    def __init__(self, name: str, replies: Mailbox[Any]) -> None:
        self._replies = replies
        self._halves: dict[int, _Half] = {}
        self._done: list[tuple[int, Any]] = []
        self.loop = SelectorLoop(name, self._on_message, self._on_pass, on_stop=self._close_all)

    def _on_message(self, message: Any) -> None:
        match message:
            case Outgoing():
                self._on_outgoing(message)
            case OpenLink():
                self._halves[message.link] = _Half(message.link, self._sealed(message))
            case CloseLink():
                self._close(message.link)
            case _:
                log.error("unexpected message", extra={"message_type": type(message).__name__})

    def _sealed(self, message: OpenLink) -> socket.socket | SealedSocket:
        if message.cipher is None:
            return message.sock
        from blobtorrent.network.sealed import SealedSocket

        return SealedSocket(message.sock, message.cipher)

    def _on_outgoing(self, message: Outgoing) -> None:
        halves = self._halves
        touched = []
        for link, buffers, size, token in message.batches:
            half = halves[link]
            half.outbox.push(buffers, size, token)
            if half.waiting:
                self._wait(half)       # nobody tries to send to a peer that reads nothing: it is looked at here
            elif not half.broken:
                touched.append(half)
        for half in touched:
            if half.outbox and not half.waiting and not half.broken:
                self._send(half)

    def _send(self, half: _Half) -> None:
        outbox = half.outbox
        while outbox:
            try:
                count = half.sock.sendmsg(outbox.gather())
            except (BlockingIOError, InterruptedError):
                self._wait(half)
                return
            except OSError as error:
                self._break(half, "net.reset", str(error))
                return
            for token in outbox.sent(count):
                self._done.append((half.number, token))
        if half.waiting:
            self.loop.unregister(half.sock)
            half.waiting = False

    def _on_writable(self, half: _Half, _events: int) -> None:
        self._send(half)

    def _wait(self, half: _Half) -> None:
        if half.outbox.queued_bytes > MAX_QUEUED_BYTES:
            self._break(half, "net.peer-reads-nothing", f"{half.outbox.queued_bytes} bytes wait for the peer")
        elif not half.waiting:
            half.waiting = True
            self.loop.register(half.sock, selectors.EVENT_WRITE, partial(self._on_writable, half))

    def _break(self, half: _Half, code: str, detail: str) -> None:
        half.broken = True
        if half.waiting:
            self.loop.unregister(half.sock)
            half.waiting = False
        self._replies.post(LinkBroken(half.number, code, detail))

    def _close(self, link: int) -> None:
        half = self._halves.pop(link, None)
        if half is None:
            return
        if half.waiting:
            self.loop.unregister(half.sock)
        half.sock.close()
        self._tell_sent()              # first: nobody knows the link's number after LinkClosed
        self._replies.post(LinkClosed(link, *half.outbox.unsent()))

    def _on_pass(self, _now: float) -> None:
        self._tell_sent()

    def _tell_sent(self) -> None:
        if self._done:
            self._replies.post(Sent(self._done))
            self._done = []

    def _close_all(self) -> None:
        for half in self._halves.values():
            half.sock.close()
        self._halves.clear()
