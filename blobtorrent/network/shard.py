"""Shard: a receive thread and a send thread that share the sockets of some torrents.

Closing has one order: the receive thread detaches, posts what its pass decided to send and then CloseLink; the send
thread closes and answers LinkClosed with the tokens of what was never sent whole.
"""

from __future__ import annotations

import itertools
import socket
from typing import TYPE_CHECKING, Any

from blobtorrent.network.handler import LinkHandler, ShardHandler
from blobtorrent.network.outbox import Buffer
from blobtorrent.network.receiver import Receiver
from blobtorrent.network.sender import CloseLink, OpenLink, Outgoing, Sender
from blobtorrent.protocol.wire.shape import Scatter, SlotPool
from blobtorrent.runtime.heartbeat import Heart
from blobtorrent.runtime.loop import SelectorLoop
from blobtorrent.runtime.mailbox import WakingMailbox
from blobtorrent.runtime.metrics import Registry

if TYPE_CHECKING:
    from blobtorrent.protocol.mse.cipher import Cipher
    from blobtorrent.protocol.mse.handshake import Obfuscation


class Shard:
    """All methods but start() and stop() are for the receive thread."""

    def __init__(self, index: int, pool: SlotPool) -> None:
        self._receiver = Receiver(f"net-{index}-rx", pool)
        self._sender = Sender(f"net-{index}-tx", self._receiver.loop.mailbox)
        self._numbers = itertools.count(1)
        self._sockets: dict[int, socket.socket] = {}
        self._ciphers: dict[int, Cipher] = {}              # of what comes by those that are encrypted
        self._closing: list[int] = []  # links whose last buffers are yet to be handed over

    @property
    def mailbox(self) -> WakingMailbox[Any]:
        """The receive thread's mailbox."""
        return self._receiver.loop.mailbox

    @property
    def loop(self) -> SelectorLoop:
        """The receive thread's loop: its timers and its `now`."""
        return self._receiver.loop

    @property
    def scatter(self) -> Scatter:
        return self._receiver.scatter

    @property
    def hearts(self) -> tuple[Heart, Heart]:
        """The receive and the send thread."""
        return self._receiver.loop, self._sender.loop

    def measure(self, registry: Registry) -> None:
        """Have both threads' figures exported."""
        self._receiver.loop.measure(registry)
        self._sender.loop.measure(registry)

    def start(self, handler: ShardHandler) -> None:
        self._receiver.handler = handler
        self._sender.loop.start()
        self._receiver.loop.start()

    def stop(self, timeout_s: float) -> bool:
        """End both threads and close every socket. False when one did not end in time."""
        return self._receiver.loop.stop(timeout_s) and self._sender.loop.stop(timeout_s)

    def open_link(self, sock: socket.socket, obfuscation: Obfuscation | None = None) -> int:
        """Take over a connected socket; returns the link's number. Reading starts with attach(). Its ciphers part here:
        each direction has a thread."""
        number = next(self._numbers)
        self._sockets[number] = sock
        if obfuscation is not None and obfuscation.incoming is not None:
            self._ciphers[number] = obfuscation.incoming
            self._sender.loop.mailbox.post(OpenLink(number, sock, obfuscation.outgoing))
        else:
            self._sender.loop.mailbox.post(OpenLink(number, sock))
        return number

    def own_host(self, number: int) -> str:
        """The address of ours that a link is from; empty when it is closed, or by uTP: who has the port ends that."""
        sock = self._sockets.get(number)
        return "" if sock is None or sock.family == socket.AF_UNIX else str(sock.getsockname()[0])

    def attach(self, number: int, link: LinkHandler) -> None:
        self._receiver.attach(self._sockets[number], link, self._ciphers.get(number))

    def reattach(self, number: int, link: LinkHandler) -> None:
        """Somebody else handles the link from now on."""
        self._receiver.detach(self._sockets[number])
        self.attach(number, link)

    def close_link(self, number: int) -> None:
        """Stop reading now and have it closed at the end of the pass; LinkClosed comes when it is."""
        self._receiver.detach(self._sockets.pop(number))
        self._ciphers.pop(number, None)
        self._closing.append(number)

    def end_pass(self, batches: list[tuple[int, list[Buffer], int, Any]]) -> None:
        """Hand the pass's (link, buffers, bytes, token or None) to the send thread; links close behind their last."""
        if batches:
            self._sender.loop.mailbox.post(Outgoing(batches))
        for number in self._closing:
            self._sender.loop.mailbox.post(CloseLink(number))
        self._closing.clear()
