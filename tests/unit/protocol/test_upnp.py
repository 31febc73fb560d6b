"""UPnP gateways: what they are sent and what they say, the hostile ones too."""

from __future__ import annotations

import pytest

from blobtorrent.model.errors import FormatError, NetworkError
from blobtorrent.protocol import upnp
from blobtorrent.protocol.portmap import Mapping, Transport

LOCATION = "http://192.168.0.1:5000/root.xml"
GATEWAY = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
WAN_IP = "urn:schemas-upnp-org:service:WANIPConnection:1"
CONTROL = upnp.Control("http://192.168.0.1:5000/ctl", WAN_IP)


def found(location=LOCATION, target=GATEWAY, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nCACHE-CONTROL: max-age=120\r\nSt: {target}\r\nLocation: {location}\r\n\r\n".encode()


def description(*services, base=""):
    listed = "".join(f"<service><serviceType>{kind}</serviceType><controlURL>{url}</controlURL></service>"
                     for kind, url in services)
    return (f'<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">{base}<device><deviceList><device>'
            f"<serviceList>{listed}</serviceList></device></deviceList></device></root>").encode()


def test_a_search_asks_for_gateways():
    assert [search.split(b"\r\n")[0] for search in upnp.searches()] == [b"M-SEARCH * HTTP/1.1"] * 2
    assert all(search.endswith(b"\r\n\r\n") and b'MAN: "ssdp:discover"' in search for search in upnp.searches())


def test_an_answer_to_a_search_says_where_the_description_is():
    assert upnp.read_location(found()) == LOCATION


@pytest.mark.parametrize("data", [
    b"", b"NOTIFY * HTTP/1.1\r\n\r\n", found(status="404 No"), found(target="upnp:rootdevice"), found(location=""),
    found(location="https://192.168.0.1/"), found(location="file:///etc/passwd"), found(location="http://[::1"),
    found(location="http://192.168.0.1:99999/"),
])
def test_what_is_no_answer_of_a_gateway_is_passed_over(data):
    with pytest.raises(FormatError):
        upnp.read_location(data)


def test_the_best_service_is_taken():
    data = description((upnp._SERVICES[2], "/ppp"), (WAN_IP, "/ctl"), ("urn:other", "/x"))
    assert upnp.read_description(data, LOCATION) == CONTROL


def test_a_base_of_the_same_host_is_obeyed_and_another_one_is_not():
    there = description((WAN_IP, "ctl"), base="<URLBase>http://192.168.0.1:6000/a/</URLBase>")
    assert upnp.read_description(there, LOCATION).url == "http://192.168.0.1:6000/a/ctl"
    elsewhere = description((WAN_IP, "ctl"), base="<URLBase>http://192.0.2.1/</URLBase>")
    with pytest.raises(FormatError):
        upnp.read_description(elsewhere, LOCATION)


@pytest.mark.parametrize("url", [
    "http://127.0.0.1/ctl", "file:///ctl", "//192.0.2.1/ctl", "", "http://[x/", "//["])
def test_a_gateway_sends_us_to_nobody_else(url):
    with pytest.raises(FormatError):
        upnp.read_description(description((WAN_IP, url)), LOCATION)


BOMB = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "xxxxxxxxxx"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize("data", [
    b"", b"<a>", b"not xml", BOMB, b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", b"<a>" * 33 + b"</a>" * 33,
    b"<a>" + b" " * upnp.MAX_BYTES + b"</a>", b'<?xml version="1.0" encoding="foo"?><a/>',
    b'<?xml version="1.0" encoding="shift_jis"?><a/>', b'<?xml version="1.0" encoding="rot13"?><a/>',
    b"<html><head><title>404</title></head></html>", b"<u:DeletePortMappingResponse xmlns:u='y'/>",
])
def test_what_is_no_answer_or_could_grow_is_refused(data):
    with pytest.raises(FormatError):
        upnp.read_answer(data, f'"{WAN_IP}#AddPortMapping"')


def test_a_request_says_what_is_wanted():
    action, body = upnp.ask_mapping(CONTROL, Transport.TCP, 6881, 16881, 3600, "192.168.0.9")
    assert action == f'"{WAN_IP}#AddPortMapping"'
    for part in (b"<NewExternalPort>16881<", b"<NewInternalPort>6881<", b"<NewProtocol>TCP<",
                 b"<NewLeaseDuration>3600<", b"<NewInternalClient>192.168.0.9<"):
        assert part in body


def test_a_service_with_markup_in_its_name_cannot_change_the_request():
    _, body = upnp.ask_address(upnp.Control("http://192.168.0.1/", "a<b>&c"))
    assert b"a&lt;b&gt;&amp;c" in body


def test_an_answer_is_read_without_its_prefixes():
    answer = upnp.read_answer(
        b"<s:Envelope xmlns:s='x'><s:Body><u:GetExternalIPAddressResponse xmlns:u='y'>"
        b"<NewExternalIPAddress>203.0.113.5</NewExternalIPAddress>"
        b"</u:GetExternalIPAddressResponse></s:Body></s:Envelope>", upnp.ask_address(CONTROL)[0])
    assert answer.values["NewExternalIPAddress"] == "203.0.113.5"
    assert upnp.mapping_of(answer, Transport.UDP, 1, 2, 3) == Mapping(Transport.UDP, 1, 2, 3)


@pytest.mark.parametrize(("code", "is_permanent"), [
    ("718", False), ("725", True), ("x", False), ("0", False)])
def test_an_error_is_told_as_one(code, is_permanent):
    text = f"<a><errorCode>{code}</errorCode><errorDescription>No</errorDescription></a>"
    answer = upnp.read_answer(text.encode(), "x#y")
    assert upnp.wants_permanent(answer) is is_permanent
    with pytest.raises(NetworkError) as caught:
        upnp.mapping_of(answer, Transport.TCP, 1, 2, 3)
    assert caught.value.code == "portmap.refused"
