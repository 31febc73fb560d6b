"""HTTP CONNECT (RFC 9110, 9.3.6) with basic credentials (RFC 7617). No I/O."""

from __future__ import annotations

import base64

from blobtorrent.model.errors import DialFailed, FormatError, ProxyFailed
from blobtorrent.protocol.proxy.tunnel import Login

MAX_HEAD_BYTES = 16 * 1024             # of the answer: more is no proxy
_END = b"\r\n\r\n"
_RESULTS = {                           # of the other end, as most proxies tell it
    502: ("net.unreachable", "the proxy cannot reach it"),
    503: ("net.unreachable", "the proxy cannot reach it"),
    504: ("net.timed-out", "the proxy had no answer in time"),
}


class HttpConnect:
    """Asks for a connection to `host`, an address or a name. Implements Tunnel."""

    def __init__(self, host: str, port: int, login: Login | None = None) -> None:
        """Raises FormatError ("proxy.bad-name") for a host that cannot be said."""
        if not host or not host.isascii() or not host.isprintable() or " " in host:
            raise FormatError("proxy.bad-name", "a host name that no proxy is told")
        self.is_open = False
        self.early = b""
        self._target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._login = login
        self._buffer = b""

    def begin(self) -> bytes:
        lines = [f"CONNECT {self._target} HTTP/1.1", f"Host: {self._target}"]
        if self._login is not None:
            words = f"{self._login.user}:{self._login.password}".encode()
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(words).decode()}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        head, end, rest = self._buffer.partition(_END)
        if not self._buffer.startswith(b"HTTP/"[:len(self._buffer)]):
            raise ProxyFailed("proxy.bad-answer", "the proxy does not speak HTTP")
        if not end:
            if len(head) > MAX_HEAD_BYTES:
                raise ProxyFailed("proxy.bad-answer", "the proxy's answer does not end")
            return b""
        self._check(head)
        self.is_open, self.early, self._buffer = True, rest, b""
        return b""

    def _check(self, head: bytes) -> None:
        words = head.split(b"\r\n", 1)[0].split(b" ", 2)
        status = int(words[1]) if len(words) > 1 and words[1].isdigit() and len(words[1]) == 3 else 0
        if 200 <= status < 300:
            return
        if status == 407:
            raise ProxyFailed("proxy.login", "the proxy wants another user name and password")
        if status in _RESULTS:
            raise DialFailed(*_RESULTS[status])
        if status == 0:
            raise ProxyFailed("proxy.bad-answer", "the proxy does not speak HTTP")
        raise ProxyFailed("proxy.refused", f"the proxy answers with status {status}")
