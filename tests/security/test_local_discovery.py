"""LSD, UPnP and NAT-PMP: only who is on a network of ours is heard, and it speaks for itself alone."""

from __future__ import annotations

import socket
from random import Random
from typing import Any

import pytest

from blobtorrent.discovery import upnpcall
from blobtorrent.model.errors import BlobTorrentError, NetworkError
from blobtorrent.network.binding import Binding
from blobtorrent.protocol import upnp
from blobtorrent.protocol.lsd import LocalAnnouncement
from blobtorrent.protocol.netlink import OwnAddress

HOME = OwnAddress(2, "192.168.7.20", 24, is_link_local=False)
GATEWAY = "192.168.7.1"
ANSWER = ("HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nUSN: uuid:1\r\n"
          "LOCATION: http://{}:49000/desc.xml\r\n\r\n")
FUZZED = 20_000


class Air(Binding):
    """What comes to the search, as (what is said, who says it). `wanted` are the hosts that somebody connects to."""

    def __init__(self, *heard: tuple[bytes, str]) -> None:
        super().__init__()
        self.heard = list(heard)
        self.wanted: list[str] = []

    def open_at(self, host: str, port: int, kind: int) -> Any:
        return self

    def __enter__(self) -> Air:
        return self

    def __exit__(self, *_raised: object) -> None:
        pass

    def setsockopt(self, *_words: object) -> None:
        pass

    def settimeout(self, _seconds: float) -> None:
        pass

    def sendto(self, _data: bytes, place: tuple[str, int]) -> None:
        assert place == upnp.GROUP

    def recvfrom(self, _size: int) -> tuple[bytes, tuple[str, int]]:
        if not self.heard:
            raise TimeoutError
        data, host = self.heard.pop(0)
        return data, (host, 1900)

    def stream_to(self, host: str, port: int) -> socket.socket:
        self.wanted.append(host)
        raise OSError(101, "Network is unreachable")


def said(host: str) -> bytes:
    return ANSWER.format(host).encode()


@pytest.mark.parametrize(("location", "sender"), [
    ("8.8.8.8", "8.8.8.8"), ("192.168.8.1", "192.168.8.1"), ("10.0.0.1", "10.0.0.1"), ("127.0.0.1", "127.0.0.1"),
    ("127.0.0.1", GATEWAY), ("169.254.169.254", GATEWAY), ("192.168.7.2", GATEWAY), ("evil.example", GATEWAY),
    (f"{GATEWAY}@8.8.8.8", GATEWAY), (f"{GATEWAY}.evil.example", GATEWAY),
])
def test_an_answer_from_elsewhere_or_for_somebody_else_is_passed_over(location: str, sender: str) -> None:
    air = Air((said(location), sender))
    assert upnpcall._search(air, HOME) == {}
    assert air.wanted == []


def test_the_gateway_itself_is_heard() -> None:
    assert set(upnpcall._search(Air((said("192.168.7.9"), GATEWAY), (said(GATEWAY), GATEWAY)), HOME)) == {GATEWAY}


@pytest.mark.parametrize("url", ["http://8.8.8.8/x", "http://127.0.0.1/x", "http://192.168.7.2:80/x"])
def test_a_gateway_has_us_ask_nobody_else(url: str) -> None:
    air = Air()
    with pytest.raises(NetworkError) as caught:
        upnpcall._exchange(url, GATEWAY, air, "GET")
    assert caught.value.code == "net.forbidden-address"
    assert air.wanted == []


def test_any_bytes_are_an_answer_or_an_error_of_ours() -> None:
    rng = Random(9)
    search = (b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: "
              + b"ab" * 20 + b"\r\ncookie: x\r\n\r\n\r\n")
    readers = ((upnp.read_location, said(GATEWAY)), (LocalAnnouncement.decode, search),
               (lambda data: upnp.read_answer(data, "AddPortMapping"), b"<?xml version='1.0'?><a><b>1</b></a>"))
    for number in range(FUZZED):
        read, good = readers[number % len(readers)]
        data = bytearray(good)
        for _ in range(rng.randrange(1, 8)):
            at = rng.randrange(len(data))
            data[at:at + rng.randrange(3)] = rng.choice((b"", b"\r\n", b"\0", b"\xff", b":", b"9" * 30, b"<", b"&"))
            if not data:
                break
        try:
            read(bytes(data))
        except BlobTorrentError:
            pass
