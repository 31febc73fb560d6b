"""Who is asked besides peers: routers, name servers, proxies, the local network, web seeds, the kernel."""

from __future__ import annotations

import struct

from blobtorrent.discovery.httpcall import split_url, target_of
from blobtorrent.model.address import Endpoint, parse_endpoint
from blobtorrent.model.errors import FormatError, NetworkError, WebSeedError
from blobtorrent.protocol import natpmp, pcp, upnp
from blobtorrent.protocol.dns import Kind, ask, read_reply
from blobtorrent.protocol.httpanswer import HttpAnswer
from blobtorrent.protocol.lsd import MAX_READ, LocalAnnouncement
from blobtorrent.protocol.netlink import Answer as NetlinkAnswer
from blobtorrent.protocol.portmap import Transport
from blobtorrent.protocol.proxy.httpconnect import HttpConnect
from blobtorrent.protocol.proxy.socks5 import Socks5, unwrap_datagram
from blobtorrent.protocol.proxy.tunnel import Login
from blobtorrent.protocol.webseed import Answer, FileRange, body_of, read_headers, retry_after_s
from tests.fuzz.registry import Shape, target
from tests.fuzz.targets.torrents import urls
from tests.fuzz.targets.trackers import HTTP_WORDS

NONCE = b"0123456789ab"
QUESTIONS = tuple(ask(7, "example.org", kind) for kind in (Kind.A, Kind.AAAA, Kind.SRV))
WAN_IP = "urn:schemas-upnp-org:service:WANIPConnection:1"
LOCATION = "http://192.168.0.1:5000/root.xml"
XML = (b"<a>", b"</a>", b"<!DOCTYPE a>", b'<!DOCTYPE a [<!ENTITY b "xxxxxxxxxx">]>', b"&b;", b"&#0;", b"&#x110000;",
       b"<!--",
       b"-->", b"<![CDATA[", b"]]>", b"<?x?>", b'<?xml version="1.0" encoding="utf-16"?>', b"xmlns:x='y'", b"\xff\xfe",
       b"\0",
       b"<controlURL>", b"</controlURL>", b"<serviceType>", b"<errorCode>", b"http://192.168.0.1/",
       b"http://192.0.2.1/x",
       b"file:///etc/passwd", b"<NewExternalIPAddress>")


@target("network.natpmp", errors=(FormatError, NetworkError), seeds=lambda: [
    struct.pack(">BBHIHHI", 0, 0x82, 0, 77, 6881, 16881, 3600), b"\0\x80\0\0" + bytes(4) + b"\xcb\0\x71\x05",
    struct.pack(">BBHI", 0, 0x82, 3, 77)])
def _natpmp(data: bytes) -> str:
    try:
        return f"address {len(natpmp.read_address(data)) > 0}"
    except (FormatError, NetworkError):
        mapping = natpmp.read_mapping(data, Transport.TCP, 6881)
        assert mapping.internal_port == 6881 and mapping.lifetime_s >= 0
        return "mapping"


@target("network.pcp", errors=(FormatError, NetworkError), tokens=(NONCE,), seeds=lambda: [
    bytes((2, 0x81, 0, 0)) + (3600).to_bytes(4, "big") + bytes(16) + NONCE + bytes((6, 0, 0, 0)) + (6881).to_bytes(2,
                                                                                                                   "big")
    + (16881).to_bytes(2, "big") + bytes(10) + b"\xff\xff\xcb\0\x71\x05", b"\0\x81\0\1" + bytes(4)])
def _pcp(data: bytes) -> str:
    return f"{bool(pcp.read_mapping(data, Transport.TCP, 6881, NONCE).external_host)}"


def descriptions() -> list[bytes]:
    return [
        b'<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><URLBase>http://192.168.0.1:5000/</URLBase>'
        b"<device><deviceList><device><serviceList><service><serviceType>" + WAN_IP.encode() + b"</serviceType>"
        b"<controlURL>/ctl</controlURL></service></serviceList></device></deviceList></device></root>",
        b"<s:Envelope xmlns:s='x'><s:Body><u:GetExternalIPAddressResponse xmlns:u='y'><NewExternalIPAddress>203.0.113.5"
        b"</NewExternalIPAddress></u:GetExternalIPAddressResponse></s:Body></s:Envelope>",
        b"<a><errorCode>725</errorCode><errorDescription>No</errorDescription></a>",
    ]


@target("network.upnp_xml", errors=(FormatError, NetworkError), seeds=descriptions, tokens=XML, shape=Shape.XML)
def _upnp_xml(data: bytes) -> str:
    try:
        control = upnp.read_description(data, LOCATION)
    except FormatError:
        answer = upnp.read_answer(data, f'"{WAN_IP}#GetExternalIPAddress"')
        upnp.wants_permanent(answer)
        upnp.mapping_of(answer, Transport.TCP, 1, 2, 3)
        return "answer"
    assert control.url.startswith("http://192.168.0.1")
    upnp.ask_mapping(control, Transport.UDP, 1, 2, 3, "192.168.0.9")
    return "description"


@target("network.ssdp", errors=(FormatError,), seeds=lambda: [
    b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
    b"LOCATION: http://192.168.0.1:5000/root.xml\r\n\r\n"], tokens=(*HTTP_WORDS, b"LOCATION: ", b"ST: ", b"http://[",
                                                                    b"]:99999/"))
def _ssdp(data: bytes) -> str:
    location = upnp.read_location(data)
    assert upnp.is_plain_http(location)
    return "found"


@target("network.dns", errors=(FormatError,), tokens=(b"\xc0\x0c", b"\xc0\xff", b"\xff" * 4, b"\4evil\0"),
        seeds=lambda: [
    struct.pack(">HHHHHH", 7, 0x8180, 1, 2, 0, 0) + QUESTIONS[0][12:]
    + (b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + b"\xc0\0\2\1") * 2,
    struct.pack(">HHHHHH", 7, 0x8180, 1, 2, 0, 0) + QUESTIONS[0][12:] + b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 60, 3)
    + b"\1b\0" + b"\1b\0" + struct.pack(">HHIH", 1, 1, 60, 4) + b"\xc0\0\2\1",
    struct.pack(">HHHHHH", 7, 0x8180, 1, 1, 0, 0) + QUESTIONS[2][12:] + b"\xc0\x0c" + struct.pack(">HHIH", 33, 1, 60,
                                                                                                  14)
    + struct.pack(">HHH", 10, 5, 6881) + b"\4peer\xc0\x0c\0",
    struct.pack(">HHHHHH", 7, 0x8183, 1, 0, 0, 0) + QUESTIONS[1][12:]])
def _dns(data: bytes) -> str:
    words, refusal = [], None
    for question in QUESTIONS:
        try:
            reply = read_reply(data, question)
            words.append(f"{min(len(reply.found), 2)} {reply.is_cut} {reply.has_failed}")
        except FormatError as error:
            refusal = error
    if not words and refusal is not None:
        raise refusal
    return " ".join(words)


@target("network.socks5", errors=(NetworkError, FormatError), seeds=lambda: [
    b"\x05\x00\x05\x00\x00\x01\x0a\x00\x00\x01\x04\x38hello",
    b"\x05\x02\x01\x00\x05\x00\x00\x03\x0bexample.org\x00\x50",
    b"\x05\x00\x05\x05\x00\x04" + bytes(18), b"\x05\xff"])
def _socks5(data: bytes) -> str:
    whole, parts = (Socks5("192.0.2.1", 6881, Login("me", "secret")) for _ in range(2))
    whole.begin()
    parts.begin()
    whole.feed(data)
    for at in range(len(data)):
        if parts.is_open:
            assert whole.early == data[at:]
            break
        parts.feed(data[at:at + 1])
    assert whole.is_open == parts.is_open
    return f"{whole.is_open}"


@target("network.socks_datagram", errors=(FormatError,), seeds=lambda: [
    b"\0\0\0\1\x0a\0\0\1\x1a\xe1data", b"\0\0\0\4" + bytes(15) + b"\1\x1a\xe1data", b"\0\0\0\3\4host\0\1data"])
def _socks_datagram(data: bytes) -> str:
    payload, endpoint = unwrap_datagram(data)
    assert data.endswith(payload) and isinstance(endpoint, Endpoint)
    return f"{endpoint.is_ipv6}"


@target("network.http_connect", errors=(NetworkError, FormatError), tokens=HTTP_WORDS, seeds=lambda: [
    b"HTTP/1.1 200 Connection established\r\n\r\nhello", b"HTTP/1.0 407 Auth\r\nProxy-Authenticate: Basic\r\n\r\n",
    b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 502 Bad\r\n\r\n"])
def _http_connect(data: bytes) -> str:
    tunnel = HttpConnect("example.org", 443, Login("a", "b"))
    tunnel.begin()
    for at in range(0, len(data), 11):
        if tunnel.is_open:
            break
        tunnel.feed(data[at:at + 11])
    return f"{tunnel.is_open}"


@target("network.lsd", errors=(FormatError,), tokens=(*HTTP_WORDS, b"Infohash: " + b"a" * 40 + b"\r\n", b"Port: 0\r\n",
                                                      b"cookie: "),
        seeds=lambda: [
            LocalAnnouncement(6881, (b"h" * 20, b"i" * 20), "c00kie").encode(parse_endpoint("239.192.152.143:6771")),
            LocalAnnouncement(1, (b"h" * 20,)).encode(parse_endpoint("[ff15::efc0:988f]:6771")),
            b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: " + b"A" * 40
            + b"\r\n\r\n\r\n"])
def _lsd(data: bytes) -> str:
    told = LocalAnnouncement.decode(data)
    assert 0 < told.port < 65536 and 0 < len(told.hashes) <= MAX_READ
    assert all(len(digest) == 20 for digest in told.hashes)
    return f"{len(told.hashes)} {bool(told.cookie)}"


@target("network.netlink", errors=(NetworkError,), seeds=lambda: [
    struct.pack("=IHHII", 32, 16, 2, 1, 0) + bytes(16),
    struct.pack("=IHHII", 16 + 8 + 8, 20, 2, 1, 0) + struct.pack("=BBBBI", 2, 24, 0, 0, 1) + struct.pack("=HH", 8, 2)
    + b"\x0a\0\0\1", struct.pack("=IHHII", 20, 3, 2, 1, 0) + bytes(4), struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -13),
    struct.pack("=IHHII", 16 + 12 + 8 + 8, 24, 2, 1, 0) + bytes((2, 0, 0, 0, 254, 0, 0, 1)) + bytes(4)
    + struct.pack("=HHI", 8, 4, 1) + struct.pack("=HH", 8, 5) + b"\x0a\0\0\1"])
def _netlink(data: bytes) -> str:
    answer = NetlinkAnswer()
    answer.feed(data)
    return f"{bool(answer.links)} {bool(answer.addresses)} {bool(answer.gateways)} {answer.is_complete}"


def seed_answers() -> list[bytes]:
    return [
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1000-17383/40000\r\nContent-Length: 16384\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n", b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\n\r\n",
        b"HTTP/1.1 429 Slow\r\nRetry-After: Wed, 21 Oct 2025 07:28:00 GMT\r\n\r\n",
        b"HTTP/1.1 206 P\r\nContent-Range: bytes 1000-17383/*\r\nContent-Encoding: gzip\r\n\r\n",
    ]


@target("network.webseed", errors=(WebSeedError, NetworkError), seeds=seed_answers, tokens=(
    *HTTP_WORDS, b"Content-Range: bytes ", b"/*", b"Retry-After: ", b"1000-", b"-17383", b"identity", b" GMT", b"-0000",
    b"9999"))
def _webseed(data: bytes) -> str:
    answer = HttpAnswer(None)
    answer.feed(data)
    if not answer.is_done:
        return "incomplete"
    wait_s = retry_after_s(answer.headers.get("retry-after"), 1_700_000_000.0)
    assert wait_s is None or 0 <= wait_s < 1e9
    asked = FileRange(0, 1000, 16384)
    body = body_of(Answer(answer.status, answer.headers), asked, 40_000)
    assert 0 <= body.skip <= 1000 and 0 < body.length <= asked.length
    return f"{body.is_whole} {wait_s is None}"


@target("network.secret_headers", errors=(ValueError,), seeds=lambda: [
    b"# comment\n\nhttps://s.invalid/x/ Authorization: Bearer abc\nhttp://a/ Cookie: x=y; z\n"],
    tokens=(b"http://", b": ", b"\n", b"\r", b"Host: x", b"#", b"\t", b"\x85", b"\xe2\x80\xa8"))
def _secret_headers(data: bytes) -> str:
    headers = read_headers(data.decode("utf-8", "replace"))
    for header in headers:
        assert header.value.isascii() and "\r" not in header.value and "\n" not in header.value
        assert header.prefix.startswith("http") and header.name.isascii()
    return f"{bool(headers)}"


@target("network.fetched_url", errors=(NetworkError,), seeds=urls, tokens=(
    b"://", b"[", b"]", b":", b"@", b"\xc3\xbc", b"\xe3\x80\x82", b"xn--", b"%", b"%0d%0a", b" ", b"\r\n", b"#", b"?",
    b"\\", b"\x06", b"%5b", b"."))
def _fetched_url(data: bytes) -> str:
    """What a server or a router sends us to: nothing of it may end a line of the request."""
    parts = split_url(data.decode("utf-8", "surrogateescape" if data[-1:] < b"a" else "replace"))
    for text in (parts.netloc, target_of(parts), parts.hostname or ""):
        assert text.isascii() and text.isprintable() and " " not in text and text
    return parts.scheme
