"""SOCKS 5 (RFC 1928) with user names (RFC 1929): connections, and the relay for datagrams. No I/O.

    greeting   05 n methods           -> 05 method
    login      01 n user n password   -> 01 0
    request    05 command 00 address  -> 05 result 00 address
    datagram   0000 fragment address data
    address    01 IPv4 port, 03 n name port, 04 IPv6 port
"""

from __future__ import annotations

import ipaddress
from enum import Enum, IntEnum

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import DialFailed, FormatError, ProxyFailed
from blobtorrent.protocol.proxy.tunnel import Login
from blobtorrent.runtime.machine import Machine, Table

VERSION = 5
_LOGIN_VERSION = 1
_NO_LOGIN, _USER_AND_PASSWORD, _NO_METHOD = 0, 2, 0xFF
_IPV4, _NAME, _IPV6 = 1, 3, 4
_PORT_BYTES = 2
MAX_NAME = 255

_RESULTS = {                           # of the other end, not of the proxy
    3: ("net.unreachable", "the proxy cannot reach its network"),
    4: ("net.unreachable", "the proxy cannot reach it"),
    5: ("net.refused", "it refuses connections of the proxy"),
    6: ("net.timed-out", "the proxy had no answer in time"),
}
_REFUSALS = {
    1: "it failed, and does not say why",
    2: "its rules forbid it",
    7: "it does not do that",
    8: "it does not know such addresses",
}


class Command(IntEnum):
    CONNECT = 1
    ASSOCIATE = 3                      # a relay for datagrams, which lives as long as the connection it was asked on


class State(Enum):
    GREETING = "greeting"
    LOGIN = "login"
    ASKING = "asking"
    OPEN = "open"


class Event(Enum):
    LOGIN_WANTED = "login-wanted"
    WELCOME = "welcome"
    GRANTED = "granted"


SOCKS: Table[State, Event] = Table(
    {
        State.GREETING: {Event.LOGIN_WANTED: State.LOGIN, Event.WELCOME: State.ASKING},
        State.LOGIN: {Event.WELCOME: State.ASKING},
        State.ASKING: {Event.GRANTED: State.OPEN},
    },
    home=State.OPEN,
    start=State.GREETING,
    ends=(State.OPEN,),
)


class Socks5:
    """Asks for a connection to `host` (an address or a name), or for a relay. Implements Tunnel.

    `bound` is what the proxy tells with its consent: of a relay, where it takes datagrams. A host that is
    unspecified stands for the proxy itself. None when it is told by name.
    """

    def __init__(self, host: str, port: int, login: Login | None = None, command: Command = Command.CONNECT) -> None:
        """Raises FormatError ("proxy.bad-name") for a host or a login that cannot be said."""
        self.early = b""
        self.bound: tuple[str, int] | None = None
        self._request = bytes((VERSION, command, 0)) + write_address(host, port)
        self._login = None if login is None else _login(login)
        self._machine = Machine(SOCKS)
        self._buffer = b""

    @property
    def is_open(self) -> bool:
        return self._machine.state is State.OPEN

    def begin(self) -> bytes:
        methods = (_NO_LOGIN,) if self._login is None else (_NO_LOGIN, _USER_AND_PASSWORD)
        return bytes((VERSION, len(methods), *methods))

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        outgoing = b""
        while not self.is_open:
            answer = self._step()
            if answer is None:
                return outgoing
            outgoing += answer
        self.early, self._buffer = self._buffer, b""
        return outgoing

    def _step(self) -> bytes | None:
        """Take one whole answer; what to send then. None while it is not whole."""
        if self._machine.state is State.ASKING:
            return self._take_result()
        if len(self._buffer) < 2:
            return None
        version, answer = self._buffer[:2]
        self._buffer = self._buffer[2:]
        if self._machine.state is State.LOGIN:
            if version != _LOGIN_VERSION or answer != 0:
                raise ProxyFailed("proxy.login", "the proxy does not accept the user name and password")
        elif version != VERSION:
            raise ProxyFailed("proxy.bad-answer", "the proxy does not speak SOCKS 5")
        elif answer == _USER_AND_PASSWORD and self._login is not None:
            self._machine.fire(Event.LOGIN_WANTED)
            return self._login
        elif answer != _NO_LOGIN:
            raise ProxyFailed("proxy.login", "the proxy wants a user name and password" if self._login is None
                              else "the proxy accepts no user names")
        self._machine.fire(Event.WELCOME)
        return self._request

    def _take_result(self) -> bytes | None:
        if len(self._buffer) < 2:
            return None
        version, result = self._buffer[:2]
        if version != VERSION:
            raise ProxyFailed("proxy.bad-answer", "the proxy does not speak SOCKS 5")
        if result in _RESULTS:
            raise DialFailed(*_RESULTS[result])
        if result != 0:
            raise ProxyFailed("proxy.refused", f"the proxy: {_REFUSALS.get(result, f'result {result}')}")
        try:
            read = read_address(self._buffer, 3)
        except FormatError as error:
            raise ProxyFailed("proxy.bad-answer", f"the proxy: {error.detail}") from None
        if read is None:
            return None
        host, port, end = read
        self.bound = (host, port) if _is_address(host) else None
        self._buffer = self._buffer[end:]
        self._machine.fire(Event.GRANTED)
        return b""


def wrap_datagram(data: bytes, host: str, port: int) -> bytes:
    """What the relay is sent so that `data` goes to `host`, an address or a name."""
    return b"\0\0\0" + write_address(host, port) + data


def unwrap_datagram(datagram: bytes) -> tuple[bytes, Endpoint]:
    """What came, and from whom. Raises FormatError ("proxy.bad-datagram") for fragments and nonsense too."""
    if len(datagram) < 4 or datagram[:3] != b"\0\0\0":
        raise FormatError("proxy.bad-datagram", "not a whole datagram of a relay")
    read = read_address(datagram, 3)
    if read is None or not _is_address(read[0]) or not read[1]:
        raise FormatError("proxy.bad-datagram", "a datagram of nobody")
    host, port, end = read
    return datagram[end:], Endpoint(host, port)


def write_address(host: str, port: int) -> bytes:
    """Raises FormatError ("proxy.bad-name")."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("ascii", "replace")
        if not 0 < len(name) <= MAX_NAME or not host.isascii():
            raise FormatError("proxy.bad-name", f"a host name of {len(name)} bytes that no proxy is told") from None
        return bytes((_NAME, len(name))) + name + port.to_bytes(_PORT_BYTES, "big")
    return bytes((_IPV4 if address.version == 4 else _IPV6,)) + address.packed + port.to_bytes(_PORT_BYTES, "big")


def read_address(data: bytes, at: int) -> tuple[str, int, int] | None:
    """The host, the port and where they end; None when they are not whole. Raises FormatError ("proxy.bad-address")."""
    if len(data) < at + 2:
        return None
    kind = data[at]
    if kind == _NAME:
        start, length = at + 2, data[at + 1]
    elif kind in (_IPV4, _IPV6):
        start, length = at + 1, 4 if kind == _IPV4 else 16
    else:
        raise FormatError("proxy.bad-address", f"an address of the unknown kind {kind}")
    end = start + length + _PORT_BYTES
    if len(data) < end:
        return None
    packed = data[start:start + length]
    host = packed.decode("ascii", "replace") if kind == _NAME else str(ipaddress.ip_address(packed))
    return host, int.from_bytes(data[end - _PORT_BYTES:end], "big"), end


def _login(login: Login) -> bytes:
    words = [login.user.encode(), login.password.encode()]
    if not all(0 < len(word) <= MAX_NAME for word in words):
        raise FormatError("proxy.bad-name", f"a user name or password is empty or has more than {MAX_NAME} bytes")
    return bytes((_LOGIN_VERSION,)) + b"".join(bytes((len(word),)) + word for word in words)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
