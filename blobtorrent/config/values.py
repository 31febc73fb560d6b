"""How the text and numbers of a settings file become values: one reader per kind of setting.

A reader takes what TOML delivered and returns the value, or raises ValueError with words that follow "KEY ".
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple, TypeVar

from blobtorrent.model.address import split_host_port
from blobtorrent.model.errors import FormatError, Invalid
from blobtorrent.model.units import format_size, parse_duration, parse_rate, parse_size

T = TypeVar("T")

Reader = Callable[[object], T]

MAX_DURATION_S = 100 * 365 * 86400.0
MAX_LABEL = 255                        # characters
MAX_LISTS = 16                         # of addresses: each is asked about every peer
MAX_OWN_RANGES = 1000                  # in a setting; more belong into a file

# Patterns as text: they are compiled when a setting needs them, which most runs never do.
_INTERFACE_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}"
_PROXY = "(socks5|http)://([^/@]+)/?"
_SERVICE_NAME = r"_[a-z0-9-]{1,62}\._[a-z]{1,10}(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)+"
_MAX_PEERS = 100                       # that the settings name
_HOST_NAME = r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?"


class ListenSpec(NamedTuple):
    """Where to listen: an address or name, and the ports to try in order (0 alone: any free one)."""

    host: str
    ports: range

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        first, last = self.ports[0], self.ports[-1]
        return f"{host}:{first}" if first == last else f"{host}:{first}-{last}"


class HttpsSpec(NamedTuple):
    """Where to listen for clients that speak TLS."""

    listen: ListenSpec

    def __str__(self) -> str:
        return f"https:{self.listen}"


class UnixSpec(NamedTuple):
    """A UNIX socket to listen at; a relative path is below the runtime directory."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


class InterfaceSpec(NamedTuple):
    """What traffic is bound to: an interface by name, or addresses, at most one of each family. Neither: to nothing."""

    name: str = ""
    addresses: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name or ", ".join(self.addresses)


class ProxySpec(NamedTuple):
    """A proxy: the language it speaks, "socks5" or "http", and its address."""

    kind: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.kind}://[{self.host}]:{self.port}" if ":" in self.host else (
            f"{self.kind}://{self.host}:{self.port}")


def folder(value: object) -> Path:
    """A path; `~` is the user's home, anything else relative is below the working directory."""
    return _path(value, "folder")


def _path(value: object, what: str) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"must be the path of a {what}, as text")
    try:
        path = Path(value).expanduser()
        os.fsencode(path)
    except (RuntimeError, UnicodeEncodeError) as error:
        raise ValueError(f"is {value!r}, but: {error}") from None
    return path


def folders(value: object) -> tuple[Path, ...]:
    """A list of absolute paths; `~` is the user's home."""
    if not isinstance(value, list):
        raise ValueError("must be a list of paths of folders, as text")
    paths = tuple(map(folder, value))
    if not all(path.is_absolute() for path in paths):
        raise ValueError("must be absolute paths")
    return paths


def list_files(value: object) -> tuple[Path, ...]:
    """Absolute paths of files, none of them twice; `~` is the user's home."""
    if not isinstance(value, list) or len(value) > MAX_LISTS:
        raise ValueError(f"must be a list of at most {MAX_LISTS} paths of files, as text")
    paths = tuple(dict.fromkeys(_path(item, "file") for item in value))
    if not all(path.is_absolute() for path in paths):
        raise ValueError("must be absolute paths")
    return paths


def address_ranges(value: object) -> tuple[str, ...]:
    """A list of addresses, networks and ranges, as a line of a filter list has them."""
    if not isinstance(value, list) or len(value) > MAX_OWN_RANGES or not all(isinstance(item, str) for item in value):
        raise ValueError(f'must be a list of at most {MAX_OWN_RANGES} texts such as "192.0.2.0/24"')
    if value:
        from blobtorrent.model.blocklines import read_line

        for item in value:
            try:
                found = read_line(item.encode())
            except (FormatError, UnicodeEncodeError) as error:
                raise ValueError(f"holds {item!r}: {error}") from None
            if found is None:
                raise ValueError(f"holds {item!r}, which names no address")
    return tuple(value)


def optional_folder(value: object) -> Path | None:
    """As `folder`; empty text is None."""
    return None if value == "" else folder(value)


def optional_file(value: object) -> Path | None:
    """As `folder`, for a file; empty text is None."""
    return None if value == "" else _path(value, "file")


def socket_mode(value: object) -> int:
    """Who may use a socket, in octal digits as chmod(1) takes them."""
    if not isinstance(value, str) or not re.fullmatch("0?[0-7]{3}", value):
        raise ValueError('must be text of octal digits such as "0660"')
    return int(value, 8)


def group_name(value: object) -> str:
    """The name or number of a group; may be empty."""
    if not isinstance(value, str) or not re.fullmatch(r"|[0-9]{1,9}|[A-Za-z_][A-Za-z0-9_.-]{0,31}", value):
        raise ValueError("must be the name or number of a group, as text")
    return value


def size(minimum: int, maximum: int) -> Reader[int]:
    """Bytes, as a number or as text with a unit."""

    def read(value: object) -> int:
        if isinstance(value, str):
            try:
                value = parse_size(value)
            except Invalid as error:
                raise ValueError(f"is {error}") from None
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError('must be a number of bytes or text such as "64 MiB"')
        if not minimum <= value <= maximum:
            raise ValueError(f"must be between {format_size(minimum)} and {format_size(maximum)}")
        return value

    return read


def whole_number(minimum: int, maximum: int) -> Reader[int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("must be a whole number")
        if not minimum <= value <= maximum:
            raise ValueError(f"must be between {minimum} and {maximum}")
        return value

    return read


def rate(maximum: int) -> Reader[int]:
    """Bytes a second, as a number or as text with a unit, "2 MiB/s"."""

    def read(value: object) -> int:
        if isinstance(value, str):
            try:
                value = parse_rate(value)
            except Invalid as error:
                raise ValueError(f"is {error}") from None
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError('must be a number of bytes a second or text such as "2 MiB/s"')
        if not 0 <= value <= maximum:
            raise ValueError(f"must be between 0 and {format_size(maximum)}/s")
        return value

    return read


def duration(minimum_s: float) -> Reader[float]:
    """Seconds, as a number or as text with units, "1h 30m"."""

    def read(value: object) -> float:
        if isinstance(value, str):
            try:
                value = parse_duration(value)
            except Invalid as error:
                raise ValueError(f"is {error}") from None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError('must be a number of seconds or text such as "1h 30m"')
        if not minimum_s <= value <= MAX_DURATION_S:
            raise ValueError(f"must be between {minimum_s:g} s and 100 years")
        return float(value)

    return read


def number(minimum: float, maximum: float) -> Reader[float]:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError("must be a number")
        if not minimum <= value <= maximum:
            raise ValueError(f"must be between {minimum:g} and {maximum:g}")
        return float(value)

    return read


def number_or_preset(minimum: float, maximum: float) -> Reader[float | None]:
    """A number, or the word "preset", which is None."""
    read_number = number(minimum, maximum)

    def read(value: object) -> float | None:
        try:
            return None if value == "preset" else read_number(value)
        except ValueError as error:
            raise ValueError(f'{error}, or be "preset"') from None

    return read


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def label(value: object) -> str:
    """A word or some, as labels of torrents are; may be empty."""
    if not isinstance(value, str) or len(value) > MAX_LABEL or not (value.isprintable() and value == value.strip()):
        raise ValueError(f"must be text of at most {MAX_LABEL} printable characters")
    return value


class OneOf:
    """Reads one of some words, and can tell which they are."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def __call__(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise ValueError(f"must be one of {', '.join(self.words)}")
        return value


def one_of(*words: str) -> Reader[str]:
    return OneOf(words)


def listeners(value: object) -> tuple[ListenSpec, ...]:
    """A list of "HOST:PORT" or "HOST:FIRST-LAST"; IPv6 addresses in brackets."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of "HOST:PORT"')
    return tuple(listener(item) for item in value)


def web_listeners(value: object) -> tuple[ListenSpec | HttpsSpec | UnixSpec, ...]:
    """A list of "HOST:PORT", "https:HOST:PORT" and "unix:PATH"."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of "HOST:PORT", "https:HOST:PORT" and "unix:PATH"')
    return tuple(map(_web_listener, value))


def rpc_listeners(value: object) -> tuple[ListenSpec | UnixSpec, ...]:
    """A list of "HOST:PORT" and "unix:PATH"."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of "HOST:PORT" and "unix:PATH"')
    return tuple(_unix_socket(item) if item.startswith("unix:") else listener(item) for item in value)


def client_version(value: object) -> str:
    """A version of rTorrent, as "0.9.8"."""
    if not isinstance(value, str) or not re.fullmatch(r"0\.[0-9]{1,3}\.[0-9]{1,3}", value):
        raise ValueError('must be a version of rTorrent such as "0.9.8"')
    return value


def host_ports(value: object) -> tuple[str, ...]:
    """A list of "HOST:PORT" whose hosts are names or addresses; IPv6 addresses in brackets."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of "HOST:PORT"')
    for text in value:
        ports = listener(text).ports
        if len(ports) != 1 or not ports[0]:
            raise ValueError(f"holds {text!r}, which has not one port between 1 and 65535")
    return tuple(text.strip().lower() for text in value)


def peer_name(text: str) -> str:
    """What stands for peers: "HOST:PORT", or the name of a service such as "_bittorrent._tcp.fleet.example" without a
    port, which the DNS tells. In lower case. Raises ValueError."""
    name = text.strip().lower()
    if re.fullmatch(_SERVICE_NAME, name.rstrip(".")):
        return name.rstrip(".")
    host, colon, port = name.rpartition(":")
    host = host.rstrip(".")
    if not colon or not re.fullmatch(_HOST_NAME, host) or not re.fullmatch("[0-9]{1,5}", port):
        raise ValueError(f"holds {text!r}, which is neither HOST:PORT nor _SERVICE._tcp.DOMAIN")
    if not 0 < int(port) < 65536:
        raise ValueError(f"holds {text!r}, whose port is not between 1 and 65535")
    return f"{host}:{int(port)}"


def static_peers(value: object) -> tuple[str, ...]:
    """A list of peers, each "ADDRESS:PORT" or as `peer_name` has it."""
    if not isinstance(value, list) or len(value) > _MAX_PEERS or not all(isinstance(item, str) for item in value):
        raise ValueError(f'must be a list of at most {_MAX_PEERS} "HOST:PORT"')
    return tuple(dict.fromkeys(_peer(text) for text in value))


def _peer(text: str) -> str:
    from blobtorrent.model.address import parse_endpoint
    from blobtorrent.model.errors import FormatError

    try:
        return str(parse_endpoint(text))
    except FormatError:
        return peer_name(text)


def host_names(value: object) -> tuple[str, ...]:
    """A list of names without ports, in lower case."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("must be a list of host names")
    for name in value:
        if not re.fullmatch(_HOST_NAME, name):
            raise ValueError(f"holds {name!r}, which is not a host name")
    return tuple(name.lower() for name in value)


def interface(value: object) -> InterfaceSpec:
    """The name of an interface, or an address or two joined by a comma; empty text is none."""
    if not isinstance(value, str):
        raise ValueError("must be text: the name of an interface, or its addresses joined by a comma")
    words = [word.strip() for word in value.split(",")] if value else []
    if len(words) == 1 and re.fullmatch(_INTERFACE_NAME, words[0]) and not _is_address(words[0]):
        return InterfaceSpec(words[0])
    if not all(map(_is_address, words)):
        raise ValueError(f"is {value!r}, which is neither the name of an interface nor addresses joined by a comma")
    families = [":" in word for word in words]
    if len(families) > len(set(families)):
        raise ValueError("must name at most one IPv4 address and one IPv6 address")
    return InterfaceSpec(addresses=tuple(str(ip_address(word)) for word in words))


def proxy(value: object) -> ProxySpec | None:
    """ "socks5://ADDRESS:PORT" or "http://ADDRESS:PORT"; empty text is none."""
    if value == "":
        return None
    match = re.fullmatch(_PROXY, value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('must be text such as "socks5://10.0.0.1:1080" or "http://[fd00::1]:3128", without user name')
    where = listener(match[2])
    host = "127.0.0.1" if where.host == "localhost" else where.host
    if not _is_address(host):
        raise ValueError(f"names {host!r}, which would have to be looked up beside the proxy: give its address")
    if len(where.ports) != 1 or not where.ports[0]:
        raise ValueError("must have one port")
    return ProxySpec(match[1], str(ip_address(host)), where.ports[0])


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def optional_address(value: object) -> str:
    """An IP address that others could reach, in its usual form; empty for none."""
    if value == "":
        return ""
    if not isinstance(value, str) or "%" in value or not _is_address(value) or ip_address(value).is_unspecified:
        raise ValueError('must be an IP address such as "192.0.2.7" or "2001:db8::7"')
    return str(ip_address(value))


def _web_listener(text: str) -> ListenSpec | HttpsSpec | UnixSpec:
    if text.startswith("unix:"):
        return _unix_socket(text)
    if text.startswith("https:"):
        return HttpsSpec(listener(text.removeprefix("https:")))
    return listener(text)


def _unix_socket(text: str) -> UnixSpec:
    path = text.removeprefix("unix:")
    if not path or "\0" in path:
        raise ValueError(f"holds {text!r}, which names no socket")
    return UnixSpec(path)


def listener(text: str) -> ListenSpec:
    """Read one "HOST:PORT" or "HOST:FIRST-LAST". Raises ValueError."""
    try:
        host, ports = split_host_port(text)
    except FormatError as error:
        raise ValueError(f"holds {error}") from None
    first, dash, last = ports.partition("-")
    numbers = [first, last] if dash else [first, first]
    if not all(number.isascii() and number.isdigit() and len(number) <= 5 for number in numbers):
        raise ValueError(f"holds {text!r}, whose port is not a number or FIRST-LAST")
    low, high = map(int, numbers)
    if not (low == high == 0 or 0 < low <= high < 65536):
        raise ValueError(f"holds {text!r}, whose ports are not between 1 and 65535 in rising order")
    return ListenSpec(host, range(low, high + 1))
