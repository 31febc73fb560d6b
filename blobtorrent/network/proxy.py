"""The proxy that connections go through, and how it is asked for one."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from blobtorrent.config.values import ProxySpec
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import ConfigError
from blobtorrent.runtime.logs import get_logger

if TYPE_CHECKING:
    from blobtorrent.protocol.proxy.socks5 import Socks5
    from blobtorrent.protocol.proxy.tunnel import Login, Tunnel

log = get_logger(__name__)

MAX_LOGIN_BYTES = 1024
MAX_SOCKS_BYTES = 255                  # of a user name or password


class Proxy:
    """Whom to ask, and as whom. A strict one is the only way out: what it cannot carry is not sent at all."""

    def __init__(self, spec: ProxySpec, login: Login | None = None, *, is_strict: bool = True) -> None:
        self.endpoint = Endpoint(spec.host, spec.port)
        self.is_strict = is_strict
        self._spec = spec
        self.login = login

    def __str__(self) -> str:
        return str(self._spec)

    @property
    def has_relay(self) -> bool:
        """Whether it may carry datagrams."""
        return self._spec.kind == "socks5"

    def ask_relay(self) -> Socks5:
        """The conversation that leads to a relay for datagrams. Raises FormatError ("proxy.bad-name")."""
        from blobtorrent.protocol.proxy.socks5 import Command, Socks5

        return Socks5("0.0.0.0", 0, self.login, Command.ASSOCIATE)

    def tunnel_to(self, host: str, port: int) -> Tunnel:
        """The conversation that leads to `host`, an address or a name. Raises FormatError ("proxy.bad-name")."""
        if self._spec.kind == "socks5":
            from blobtorrent.protocol.proxy.socks5 import Socks5

            return Socks5(host, port, self.login)
        from blobtorrent.protocol.proxy.httpconnect import HttpConnect

        return HttpConnect(host, port, self.login)


def read_login(path: Path, kind: str) -> Login:
    """Read USER:PASSWORD from the first line of a file, for a proxy of that kind.

    Raises ConfigError ("config.bad-login"), also for what such a proxy cannot be told.
    """
    from blobtorrent.protocol.proxy.tunnel import Login

    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                log.warning("others may read the login of the proxy", path=str(path))
            line = file.read(MAX_LOGIN_BYTES).decode().partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError("config.bad-login", f"network.proxy_login_file: {path}: {reason}") from None
    user, colon, password = line.partition(":")
    if not (user and colon and password):
        raise ConfigError("config.bad-login", f"network.proxy_login_file: {path}: its first line is not USER:PASSWORD")
    if kind == "socks5" and max(len(user.encode()), len(password.encode())) > MAX_SOCKS_BYTES:
        raise ConfigError("config.bad-login", f"network.proxy_login_file: {path}: SOCKS 5 takes a user name and a "
                          f"password of at most {MAX_SOCKS_BYTES} bytes each")
    return Login(user, password)
