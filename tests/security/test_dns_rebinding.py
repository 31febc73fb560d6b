"""DNS rebinding: a page whose name suddenly leads to this machine is not answered, whatever it calls us.

Over the wire, at REST and at /RPC2: 46 ways to write a host that is not ours, and a head that has none, or two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from blobtorrent.config.values import ListenSpec
from blobtorrent.interface.rtorrent.httpgate import RpcGate
from blobtorrent.interface.rtorrent.server import Door
from tests.support.rest import TOKEN, RestRig
from tests.support.rpc import exchange, serving

FOREIGN = [
    "evil.example", "evil.example:7070", "evil.example.", "evil.example.:7070", "EVIL.EXAMPLE", "localhost.",
    "localhost.evil.example", "evil.localhost", "localhost@evil", "evil@127.0.0.1", "127.0.0.1@evil.example",
    "127.0.0.1.evil.example", "127.0.0.1.", "127.0.0.1.:80", "127.0.0.1.nip.io", "2130706433", "0x7f000001", "0x7f.1",
    "0177.0.0.1", "127.1", "127.0.0.1:80:80", "127.0.0.1:", "127.0.0.1:abc", "127.0.0.1:123456", "127.0.0.1:-1",
    "127.0.0.1, evil.example", "evil.example, 127.0.0.1", "127.0.0.1/evil", "127.0.0.1#evil", "127.0.0.1\\evil", ":80",
    "::1", "[::1", "[::1]evil", "[::1%25lo]", "[::1%lo]", "[fe80::1%eth0]:7070", "[127.0.0.1]", "[evil.example]", "[]",
    "*", "null", "xn--localhost-", "[::1]:port", "127.0.0.1:\u0661", "loc\u0430lhost",
]
OWN = ["127.0.0.1", "127.0.0.1:7070", "localhost", "LocalHost:7070", "[::1]", "[::1]:7070"]
ABSENT_AND_DOUBLED = [
    (), (b"Host: 127.0.0.1", b"Host: evil.example"), (b"Host: evil.example", b"Host: 127.0.0.1"),
    (b"Host: 127.0.0.1", b"Host: 127.0.0.1"), (b"Host:",), (b"Host : 127.0.0.1",),
    (b"Host: evil.example", b" 127.0.0.1"),
]
PID = b'{"id":1,"method":"system.pid"}'

Ask = Callable[[tuple[bytes, ...]], int]


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.fixture(scope="module", params=["rest", "rpc2"])
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Ask with these lines for the host, and all the authority that there is; what the status is."""
    if request.param == "rest":
        with RestRig() as rig:
            yield lambda hosts: status_of(rig.raw(b"\r\n".join((
                b"GET /v1/session HTTP/1.1", *hosts, f"Authorization: Bearer {TOKEN}".encode(), b"Connection: close",
                b"", b""))))
        return
    with serving(Door(ListenSpec("127.0.0.1", range(1)), is_http=True), gate=RpcGate()) as (rpc, _):
        yield lambda hosts: status_of(exchange(rpc.addresses[0], b"\r\n".join((
            b"POST /RPC2 HTTP/1.1", *hosts, b"Content-Type: application/json", b"Content-Length: %d" % len(PID),
            b"Connection: close", b"", PID))))


def test_there_are_forty_of_them() -> None:
    assert len(set(FOREIGN)) >= 40


@pytest.mark.parametrize("host", FOREIGN)
def test_a_page_that_was_rebound_to_us_is_not_answered(ask: Ask, host: str) -> None:
    assert ask((b"Host: " + host.encode(),)) in (400, 421)


@pytest.mark.parametrize("hosts", ABSENT_AND_DOUBLED)
def test_who_names_no_host_or_two_is_not_answered(ask: Ask, hosts: tuple[bytes, ...]) -> None:
    assert ask(hosts) in (400, 421)


@pytest.mark.parametrize("host", OWN)
def test_those_who_call_us_by_our_address_are(ask: Ask, host: str) -> None:
    assert ask((b"Host: " + host.encode(),)) == 200
