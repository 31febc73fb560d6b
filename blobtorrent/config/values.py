"""How the text and numbers of a settings file become values: one reader per kind of setting.

A reader takes what TOML delivered and returns the value, or raises ValueError with words that follow "KEY ".
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from blobtorrent.model.address import split_host_port
from blobtorrent.model.errors import FormatError, Invalid
from blobtorrent.model.units import format_size, parse_size

T = TypeVar("T")

Reader = Callable[[object], T]


class ListenSpec(NamedTuple):
    """Where to listen: an address or name, and the ports to try in order (0 alone: any free one)."""

    host: str
    ports: range

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        first, last = self.ports[0], self.ports[-1]
        return f"{host}:{first}" if first == last else f"{host}:{first}-{last}"


def folder(value: object) -> Path:
    """A path; `~` is the user's home, anything else relative is below the working directory."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("must be the path of a folder, as text")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"is {value!r}, but: {error}") from None


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


def one_of(*words: str) -> Reader[str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value

    return read


def listeners(value: object) -> tuple[ListenSpec, ...]:
    """A list of "HOST:PORT" or "HOST:FIRST-LAST"; IPv6 addresses in brackets."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of "HOST:PORT"')
    return tuple(listener(item) for item in value)


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
