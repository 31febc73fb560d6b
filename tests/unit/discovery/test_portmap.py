"""Which router is asked in which way, and what becomes of its answers. They answer on loopback, or are made up."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from blobtorrent.config.values import ProxySpec
from blobtorrent.discovery import portmap, upnpcall
from blobtorrent.discovery.mapmessages import MapPort, PortMapFailed, PortMapped, UnmapPort
from blobtorrent.discovery.portmap import PortMapper, Router
from blobtorrent.discovery.upnpcall import UpnpRouter
from blobtorrent.model.errors import NetworkError
from blobtorrent.network.binding import Binding
from blobtorrent.network.proxy import Proxy
from blobtorrent.protocol import upnp
from blobtorrent.protocol.portmap import Mapping, Transport
from blobtorrent.runtime.mailbox import Mailbox

TCP, UDP = Transport.TCP, Transport.UDP
WAN_IP = "urn:schemas-upnp-org:service:WANIPConnection:1"
HOST = "127.0.0.1"


class Rig:
    """A mapper whose ways are the keys of `routers`: each says what comes of an order, or raises it."""

    source = HOST

    def __init__(self, monkeypatch, **routers):
        self.routers, self.calls, self.box = routers, [], Mailbox("core")
        self.mapper = PortMapper(Binding(), tuple(routers), find=lambda: Router(HOST, HOST))
        monkeypatch.setattr(portmap, "find_router", lambda binding: self)
        monkeypatch.setattr(self.mapper, "_ask", self.ask)

    def ask(self, _router, question, _read, *_tries):
        if question == b"\0\0":
            self.calls.append("address")
            raise NetworkError("portmap.no-answer", "it does not tell")
        way = "pcp" if question[0] == 2 else "nat-pmp"
        (lifetime_s,) = struct.unpack_from(">I", question, 4 if way == "pcp" else 8)
        if not lifetime_s:
            self.calls.append(f"un{way}")
            return None
        nonce = question[24:36] if way == "pcp" else b""
        return self.answer(way, TCP if question[1] == 2 or question[36:37] == b"\6" else UDP, nonce)

    def map(self, transport, port, wished_port, lifetime_s):
        return self.answer("upnp", transport)

    def unmap(self, transport, external_port):
        self.calls.append(f"unupnp {external_port}")

    def answer(self, way, transport, nonce=b""):
        self.calls.append(way)
        came = self.routers[way]
        came = came(transport) if callable(came) else came
        if isinstance(came, Exception):
            raise came
        return Mapping(transport, 6881, came, 3600)

    def want(self, transport=TCP):
        self.mapper.mailbox.post(MapPort(transport, 6881, 6881, 3600, self.box))
        return self

    def drop(self, transport=TCP):
        self.mapper.mailbox.post(UnmapPort(transport, 6881))
        return self

    def run(self):
        """All that was ordered, on the thread; what was answered."""
        self.mapper.start()
        assert self.mapper.stop(10)
        return list(self.box.drain())


def refusal():
    return NetworkError("portmap.refused", "no")


def test_each_mapping_is_taken_back_the_way_it_was_made(monkeypatch):
    rig = Rig(monkeypatch, pcp=lambda transport: 6881 if transport is TCP else refusal(), upnp=16881)
    answers = rig.want(TCP).want(UDP).drop(TCP).drop(UDP).run()
    assert [answer.way for answer in answers] == ["pcp", "upnp"]
    assert rig.calls == ["pcp", "pcp", "upnp", "unpcp", "unupnp 16881"]


def test_a_mapping_is_renewed_first_by_the_way_that_it_was_made(monkeypatch):
    rig = Rig(monkeypatch, pcp=refusal(), upnp=16881)
    rig.want().want().run()
    assert rig.calls == ["pcp", "upnp", "upnp"]


def test_a_gateway_is_searched_for_again_when_our_address_on_its_network_is_gone(monkeypatch):
    rig, searches = Rig(monkeypatch, upnp=16881), []
    monkeypatch.setattr(portmap, "find_router", lambda binding: searches.append(1) or rig)
    rig.want()
    rig.source = "192.0.2.77"          # nobody has it
    rig.want().run()
    assert len(searches) == 2


def test_a_mapping_that_could_not_be_renewed_is_taken_back_all_the_same(monkeypatch):
    came = iter((16881, refusal(), refusal()))
    rig = Rig(monkeypatch, upnp=lambda transport: next(came))
    rig.want().want().drop().run()
    assert rig.calls == ["upnp", "upnp", "upnp", "unupnp 16881"]       # the gateway is searched for again


def test_what_no_router_agreed_to_is_not_taken_back(monkeypatch):
    rig = Rig(monkeypatch, upnp=refusal())
    rig.want().drop().drop().run()
    assert rig.calls == ["upnp"]


def test_whatever_goes_wrong_is_answered(monkeypatch):
    rig = Rig(monkeypatch, upnp=ZeroDivisionError("our own mistake"))
    answers = rig.want().want().run()
    assert [(type(answer), answer.error.code) for answer in answers] == [(PortMapFailed, "portmap.failed")] * 2


def test_a_router_that_names_no_port_has_not_agreed(monkeypatch):
    answer, = Rig(monkeypatch, upnp=0).want().run()
    assert isinstance(answer, PortMapFailed) and answer.error.code == "portmap.refused"


def test_a_router_that_does_not_tell_its_address_has_mapped_the_port_all_the_same(monkeypatch):
    monkeypatch.setattr(portmap.natpmp, "read_address", lambda data: "unused")
    answer, = Rig(monkeypatch, **{"nat-pmp": 16881}).want().run()
    assert answer == PortMapped(Mapping(TCP, 6881, 16881, 3600, ""), "nat-pmp")


class Gateway:
    """A UPnP gateway on loopback that answers an action with what `answers` has for it: a status and a body."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                head = b""
                while b"</s:Envelope>" not in head:
                    head += client.recv(4096)
                action = head.partition(b"#")[2].partition(b'"')[0].decode()
                self.asked.append(action)
                status, body = self.answers.get(action, (500, "<a/>"))
                client.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    def router(self, binding=None):
        control = upnp.Control(f"http://{HOST}:{self.port}/ctl", WAN_IP)
        return UpnpRouter(control, HOST, HOST, binding or Binding())

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def gateway():
    gateway = Gateway(AddPortMapping=(200, "<AddPortMappingResponse/>"))
    yield gateway
    gateway.close()


def test_a_gateway_that_does_not_tell_its_address_has_mapped_the_port_all_the_same(gateway):
    assert gateway.router().map(TCP, 6881, 6881, 600) == Mapping(TCP, 6881, 6881, 600, "")
    assert gateway.asked == ["AddPortMapping", "GetExternalIPAddress"]


@pytest.mark.parametrize("answer", [(200, "<html>here</html>"), (404, "<AddPortMappingResponse/>")])
def test_a_page_is_no_mapping(answer, gateway):
    gateway.answers["AddPortMapping"] = answer
    with pytest.raises(Exception, match="HTTP status 404|no answer to AddPortMapping"):
        gateway.router().map(TCP, 6881, 6881, 600)


def test_a_gateway_is_never_asked_through_a_proxy(gateway):
    nowhere = Proxy(ProxySpec("socks5", "192.0.2.1", 1080), is_strict=False)
    assert gateway.router(Binding(proxy=nowhere)).map(TCP, 6881, 6881, 600).external_port == 6881


def test_a_gateway_that_sends_us_to_another_host_is_not_followed():
    with pytest.raises(NetworkError):
        upnpcall._exchange("http://127.0.0.2/ctl", HOST, Binding(), "GET")
