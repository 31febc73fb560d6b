"""Tunnel: what asking a proxy for a connection has in common, whichever language it speaks. No I/O.

The other end is named by address or by name; a name is looked up by the proxy, so nobody else learns it.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import NamedTuple, Protocol


class Login(NamedTuple):
    """What the proxy knows us by. Both are at most 255 bytes of UTF-8."""

    user: str
    password: str


class Tunnel(Protocol):
    """One conversation with a proxy: send what `begin` and `feed` return until it `is_open`."""

    @property
    def is_open(self) -> bool:
        """Whether what is sent goes to the other end."""

    @property
    def early(self) -> bytes:
        """What came from the other end behind the proxy's answer."""

    def begin(self) -> bytes:
        """What to send first."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the proxy; return what to send now, often nothing.

        Raises ProxyFailed: "proxy.bad-answer", "proxy.login" when it wants another one, "proxy.refused" when it is not
        willing. Raises DialFailed ("net.refused", "net.unreachable", "net.timed-out") when it could not reach the
        other end.
        """
