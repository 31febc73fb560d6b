"""Where the nodes are that the DHT begins with: addresses as they are, names looked up, and again when it is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from blobtorrent.discovery.dhtmessages import BootstrapResolved
from blobtorrent.discovery.messages import HostResolved, ResolveHost
from blobtorrent.model.address import Endpoint, parse_endpoint, split_host_port
from blobtorrent.model.errors import FormatError
from blobtorrent.network.udp import UdpLoop
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import Timer

log = get_logger(__name__)

RETRY_S = 30.0                         # names that could not be looked up; a little longer every time
LAST_RETRY_S = 900.0
RENEW_S = 900.0                        # between two times that names are looked up because nobody answers


class _Forward(Mailbox[Any]):
    """The answers about bootstrap nodes, so that nobody else on the thread takes them for its own."""

    def __init__(self, to: Mailbox[Any]) -> None:
        super().__init__("dht-names")
        self._to = to

    def post(self, message: Any) -> None:
        self._to.post(BootstrapResolved(message))


class BootstrapNames:
    """`texts` has "HOST:PORT" of each; `endpoints` what is known of them, by text. `on_found()` is called when that is
    more than before. One name is looked up after the other: trackers need the threads that wait for name servers, too.
    """

    def __init__(
        self, udp: UdpLoop, resolve: Callable[[ResolveHost], None], texts: Sequence[str], on_found: Callable[[], None]
    ) -> None:
        self.endpoints: dict[str, tuple[Endpoint, ...]] = {}
        self._udp = udp
        self._resolve = resolve
        self._on_found = on_found
        self._mailbox = _Forward(udp.mailbox)
        self._names: dict[tuple[str, int], str] = {}
        for text in texts:
            try:
                self.endpoints[text] = (parse_endpoint(text),)
            except FormatError:
                host, port = split_host_port(text)
                self._names[host, int(port)] = text
        self._waiting: list[tuple[str, int]] = []
        self._failed: list[tuple[str, int]] = []           # looked up again with the timer
        self._timer: Timer | None = None
        self._is_resolving = False
        self._retry_s = RETRY_S
        self._looked_s = -inf
        udp.handle(BootstrapResolved, lambda message: self._on_resolved(message.answer))

    def renew(self, wait_s: float) -> None:
        """Look all names up, unless that was begun less than so long ago."""
        if self._udp.now < self._looked_s + wait_s:
            return
        self._looked_s = self._udp.now
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._failed.clear()
        self._look_up(*self._names)

    def _look_up(self, *names: tuple[str, int]) -> None:
        self._waiting += [name for name in names if name not in self._waiting]
        if self._waiting and not self._is_resolving:
            self._is_resolving = True
            self._resolve(ResolveHost(*self._waiting.pop(0), self._mailbox))

    def _on_resolved(self, answer: HostResolved) -> None:
        name = answer.host, answer.port
        self._is_resolving = False
        if answer.error is not None:
            log.info("bootstrap node not found", host=answer.host, code=answer.error.code)
            self._failed.append(name)
            if self._timer is None:
                self._timer = self._udp.timers.at(self._udp.now + self._retry_s, self._retry)
        elif self.endpoints.get(self._names[name]) != answer.endpoints:
            self.endpoints[self._names[name]] = answer.endpoints
            self._on_found()
        self._look_up()

    def _retry(self) -> None:
        self._timer = None
        self._retry_s = min(LAST_RETRY_S, 1.2 * self._retry_s)
        names, self._failed = self._failed, []
        self._look_up(*names)
