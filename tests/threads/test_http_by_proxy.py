"""Strangers' URLs behind a proxy: what it looks up is unknown to us, and its own address says nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from blobtorrent.config.values import ProxySpec
from blobtorrent.discovery.connections import Connections
from blobtorrent.discovery.httpcall import Deadline
from blobtorrent.discovery.httpget import Response, http_get
from blobtorrent.model.errors import NetworkError
from blobtorrent.network.binding import Binding
from blobtorrent.network.proxy import Proxy
from blobtorrent.protocol.tracker.announce import is_tracker_path
from blobtorrent.runtime.clock import SystemClock
from tests.support.httpserver import HttpServer, QuietHandler
from tests.support.proxies import TestProxy

WAIT_S = 10.0


class Handler(QuietHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(b"de", status=302 if self.path.startswith("/to/") else 200,
                    headers={"Location": "http://" + self.path.removeprefix("/to/")})


class Everywhere(TestProxy):
    """Leads to the same server whatever it is asked for."""

    def __init__(self, port: int) -> None:
        super().__init__("socks5")
        self._leads_to = port

    def _connect(self, host: str, port: int) -> socket.socket:
        return super()._connect("127.0.0.1", self._leads_to)


@pytest.fixture
def proxy() -> Iterator[Everywhere]:
    with HttpServer(Handler) as server, Everywhere(server.port) as proxy:
        yield proxy


def get(proxy: Everywhere, url: str, connections: Connections | None = None) -> Response:
    binding = Binding(proxy=Proxy(ProxySpec("socks5", "127.0.0.1", proxy.port)))
    return http_get(url, Deadline(SystemClock(), WAIT_S), max_bytes=100, on_loopback=is_tracker_path, binding=binding,
                    connections=connections)


def code_of(proxy: Everywhere, url: str, connections: Connections | None = None) -> str:
    with pytest.raises(NetworkError) as caught:
        get(proxy, url, connections)
    return caught.value.code


@pytest.mark.parametrize("host", [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "localhost.", "ip6-localhost",
    "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "169.254.169.254",
])
def test_a_proxy_is_not_asked_for_this_machine_however_it_is_written(proxy: Everywhere, host: str) -> None:
    assert code_of(proxy, f"http://{host}/shutdown") == "net.forbidden-address"
    assert proxy.asked == []


@pytest.mark.parametrize("origin", ["tracker.example", "8.8.8.8"])
@pytest.mark.parametrize("inside", ["192.168.1.1", "127.0.0.1", "10.1"])
def test_no_host_of_the_internet_sends_us_to_private_addresses_behind_a_proxy(
    proxy: Everywhere, origin: str, inside: str
) -> None:
    assert code_of(proxy, f"http://{origin}/to/{inside}/announce") == "net.forbidden-address"
    assert proxy.asked == [(origin, 80)]


def test_a_private_host_behind_a_proxy_may_send_us_to_another(proxy: Everywhere) -> None:
    answer = get(proxy, "http://192.168.1.1/to/192.168.1.2/announce")
    assert (answer.status, answer.by) == (200, "192.168.1.2")
    assert [host for host, _ in proxy.asked] == ["192.168.1.1", "192.168.1.2"]


def test_who_answers_by_a_proxy_is_unknown_when_it_was_named(proxy: Everywhere) -> None:
    assert get(proxy, "http://tracker.example/announce").by is None


def test_a_connection_by_a_proxy_is_used_again_where_the_host_may_be_asked(proxy: Everywhere) -> None:
    connections = Connections(SystemClock())
    for _ in range(3):
        get(proxy, "http://tracker.example/KEY/announce", connections)
    assert (len(proxy.asked), connections.reused) == (1, 2)
    get(proxy, "http://127.0.0.1/announce", connections)
    assert code_of(proxy, "http://127.0.0.1/shutdown", connections) == "net.forbidden-address"
    connections.close()
