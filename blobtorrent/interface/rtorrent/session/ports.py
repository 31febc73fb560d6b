"""Where peers reach us and which way traffic takes: `network.port_*`, `network.bind_address`, `network.proxy_address`.

Ports, interface and proxy of this engine are read when it starts: a configuration says them in time, any other change
is kept for the next start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from operator import attrgetter
from random import Random, SystemRandom
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.engine import SessionEngine
from blobtorrent.interface.rtorrent.session.making import command, getter
from blobtorrent.interface.rtorrent.values import Value, one_number, one_text

CATEGORY: Final = "network"
MAX_PORT: Final = 65535
SPARE_PORTS: Final = 9                 # above the one that is tried first: somebody else may have that
PROXY_PORT: Final = 80
_RANGE: Final = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
_PROXY: Final = re.compile(r"(?:http://)?([^:/]+)(?::([0-9]{1,5}))?")
_USUAL_HOSTS: Final = ("0.0.0.0", "[::]")


class Ports:
    """The commands, and what was said by them. Owned by the interpreter's thread."""

    def __init__(self, engine: SessionEngine, chance: Random | None = None) -> None:
        self._engine = engine
        self._chance = chance or SystemRandom()
        self._range = ""               # as it was set; empty: never
        self._random: int = 0
        self._open: int | None = None
        self._bind = ""
        self._proxy = ""

    def commands(self) -> Iterator[Command]:
        yield getter("network.listen.port", self._port, "The port that peers reach us at.", category=CATEGORY)
        yield self._setter("network.listen.port.set", self._set_port, "Sets the port, from the next start on.", "none")
        yield getter("network.port_range", self._port_range, "Ports of which the first free one is taken: FIRST-LAST.",
                     returns="string", category=CATEGORY)
        yield self._setter("network.port_range.set", self._set_range,
                           "Sets network.port_range, from the next start on.", "string")
        yield getter("network.port_random", lambda: self._random, "Whether they are tried from any of them on.",
                     category=CATEGORY)
        yield command("network.port_random.set", self._set_random, "Sets network.port_random, in a configuration.",
                      returns="i8", category=CATEGORY)
        yield getter("network.port_open", self._is_open, "Whether peers can reach us at all.", category=CATEGORY)
        yield self._setter("network.port_open.set", self._set_open, "Sets network.port_open, from the next start on.",
                           "i8")
        yield getter("network.bind_address", self._bind_address, "The address of ours that traffic is bound to.",
                     returns="string", category=CATEGORY)
        yield self._setter("network.bind_address.set", self._set_bind,
                           "Sets network.bind_address, from the next start on.", "none")
        for version in (4, 6):
            name = f"network.bind_address.ipv{version}"
            yield getter(name, partial(self._bound, version), f"That of them of IPv{version}; empty: none.",
                         returns="string", category=CATEGORY)
            yield self._setter(f"{name}.set", partial(self._set_bound, version),
                               f"Sets {name}, from the next start on.", "none")
        yield getter("network.proxy_address", self._proxy_address, "The host of the proxy for connections.",
                     returns="string", category=CATEGORY)
        yield self._setter("network.proxy_address.set", self._set_proxy,
                           "Sets an HTTP proxy, as HOST:PORT, from the next start on.", "none")

    def _setter(self, name: str, write: Callable[[Sequence[Value]], Value], doc: str, returns: str) -> Command:
        def run(_context: Context, _item: Any, args: Sequence[Value]) -> Value:
            return write(args)

        return command(name, run, doc, returns=returns, category=CATEGORY)

    def enable(self) -> None:
        """A configuration was run: if it wants any port of its range, have them tried from one of them on."""
        found = _RANGE.fullmatch(self._range)
        if self._random and self._is_open() and found is not None:
            first, last = int(found[1]), int(found[2])
            self._listen(f"{self._chance.randint(first, last - min(SPARE_PORTS, (last - first) // 2))}-{last}")

    # ---- ports

    def _port(self) -> int:
        """That of the first listener; 0: there is none."""
        listen = self._engine.status().listen
        return int(listen[0].rpartition(":")[2]) if listen else 0

    def _port_range(self) -> str:
        if self._range:
            return self._range
        listen = self._engine.settings().network.listen
        ports = listen[0].ports if listen else range(1)
        return f"{ports[0]}-{ports[-1]}"

    def _set_range(self, args: Sequence[Value]) -> Value:
        text = one_text(args)
        found = _RANGE.fullmatch(text)
        if found is not None and 0 < int(found[1]) <= int(found[2]) <= MAX_PORT:
            self._listen(f"{int(found[1])}-{int(found[2])}")
        self._range = text
        return text

    def _set_port(self, args: Sequence[Value]) -> Value:
        port = one_number(args)
        if not 0 < port <= MAX_PORT:
            raise failed("Invalid port number.")
        self._listen(str(port))
        self._range = f"{port}-{port}"
        return None

    def _set_random(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        self._random = int(bool(one_number(args)))
        return self._random

    def _is_open(self) -> int:
        return int(bool(self._engine.settings().network.listen)) if self._open is None else self._open

    def _set_open(self, args: Sequence[Value]) -> Value:
        value = int(bool(one_number(args)))
        if not value:
            self._engine.change({"network": {"listen": []}})
        elif not self._engine.settings().network.listen:
            self._listen("6881-6999")
        self._open = value
        return value

    def _listen(self, ports: str) -> None:
        listen = self._engine.settings().network.listen
        hosts = dict.fromkeys(f"[{spec.host}]" if ":" in spec.host else spec.host for spec in listen)
        first, _, last = ports.partition("-")
        wanted = [f"{host}:{first if first == last else ports}" for host in hosts or _USUAL_HOSTS]
        if wanted != list(map(str, listen)):
            self._engine.change({"network": {"listen": wanted}})

    # ---- the way

    def _bind_address(self) -> str:
        addresses = self._engine.settings().network.interface.addresses
        return self._bind or (addresses[0] if addresses else "0.0.0.0")

    def _set_bind(self, args: Sequence[Value]) -> Value:
        text = one_text(args)
        address = _address(text)
        self._use_addresses([] if address is None else [address])
        self._bind = text
        return None

    def _bound(self, version: int) -> str:
        """The address of that family; empty when there is none."""
        return next((str(address) for address in self._addresses() if address.version == version), "")

    def _set_bound(self, version: int, args: Sequence[Value]) -> Value:
        address = _address(one_text(args))
        if address is not None and address.version != version:
            raise failed(f"Could not set bind address: it is none of IPv{version}.")
        others = [other for other in self._addresses() if other.version != version]
        self._use_addresses(others if address is None else [*others, address])
        self._bind = ""
        return None

    def _addresses(self) -> list[IPv4Address | IPv6Address]:
        return list(map(ip_address, self._engine.settings().network.interface.addresses))

    def _use_addresses(self, addresses: Sequence[IPv4Address | IPv6Address]) -> None:
        wanted = ", ".join(map(str, sorted(addresses, key=attrgetter("version"))))
        if wanted != str(self._engine.settings().network.interface):
            self._engine.change({"network": {"interface": wanted}})

    def _proxy_address(self) -> str:
        proxy = self._engine.settings().network.proxy
        return self._proxy or ("" if proxy is None else proxy.host)

    def _set_proxy(self, args: Sequence[Value]) -> Value:
        found = _PROXY.fullmatch(one_text(args))
        if found is None:
            raise failed("Could not parse proxy address.")
        wanted = f"http://{found[1]}:{int(found[2] or PROXY_PORT)}"
        if wanted != str(self._engine.settings().network.proxy):
            self._engine.change({"network": {"proxy": wanted}})
        self._proxy = found[1]
        return None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """None for empty text and for those that stand for any address. Raises Fault."""
    try:
        address = ip_address(text) if text else None
    except ValueError:
        raise failed("Could not set bind address: Name or service not known.") from None
    return None if address is None or address.is_unspecified else address
