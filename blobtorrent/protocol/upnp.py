"""UPnP Internet gateways: how one is found (SSDP), what it says of itself (XML) and how it is asked (SOAP). No I/O.

Everything comes from whoever is on the local network: sizes are bounded, XML with a document type is refused before
anything in it can grow, and where requests go is for the caller to judge.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urljoin, urlsplit
from xml.sax.saxutils import escape

from blobtorrent.model.errors import FormatError, NetworkError
from blobtorrent.protocol.portmap import Mapping, Transport

GROUP = ("239.255.255.250", 1900)
MAX_BYTES = 256 * 1024                 # of a description or an answer
MAX_DEPTH = 32
_GATEWAYS = ("urn:schemas-upnp-org:device:InternetGatewayDevice:1",
             "urn:schemas-upnp-org:device:InternetGatewayDevice:2")
_SERVICES = ("urn:schemas-upnp-org:service:WANIPConnection:2", "urn:schemas-upnp-org:service:WANIPConnection:1",
             "urn:schemas-upnp-org:service:WANPPPConnection:1")
_ONLY_PERMANENT = 725                  # what routers say that know no lifetimes


class Control(NamedTuple):
    """Where a gateway takes requests, and in the name of which service."""

    url: str
    service: str


class Answer(NamedTuple):
    """What came of a request: the values by name, or the number of an error."""

    values: dict[str, str]
    error: int = 0
    reason: str = ""


def searches() -> list[bytes]:
    """What is sent to GROUP to find gateways."""
    return [
        "\r\n".join(("M-SEARCH * HTTP/1.1", f"HOST: {GROUP[0]}:{GROUP[1]}", 'MAN: "ssdp:discover"', "MX: 2",
                     f"ST: {target}", "", "")).encode()
        for target in _GATEWAYS
    ]


def read_location(datagram: bytes) -> str:
    """Where the description of a gateway is that answered a search. Raises FormatError ("portmap.bad-answer")."""
    lines = datagram.decode("latin-1").split("\r\n")
    headers = dict(_header(line) for line in lines[1:] if ":" in line)
    location = headers.get("location", "")
    if not lines[0].startswith("HTTP/1.1 200") or headers.get("st", "") not in _GATEWAYS or not is_plain_http(location):
        raise FormatError("portmap.bad-answer", "not the answer of a gateway")
    return location


def is_plain_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def read_description(data: bytes, location: str) -> Control:
    """The service that maps ports, the best there is. Raises FormatError ("portmap.bad-answer")."""
    found: dict[str, str] = {}
    base, service, control = location, "", ""
    for name, text in _elements(data):
        if name == "URLBase" and is_plain_http(text):
            base = text
        elif name == "serviceType":
            service = text
        elif name == "controlURL":
            control = text
        elif name == "service":
            found.setdefault(service, control)
            service, control = "", ""
    for service in _SERVICES:
        if found.get(service):
            url = _joined(base, found[service])
            if is_plain_http(url) and urlsplit(url).hostname == urlsplit(location).hostname:
                return Control(url, service)
    raise FormatError("portmap.bad-answer", "the gateway maps no ports")


def ask_mapping(control: Control, transport: Transport, port: int, external_port: int, lifetime_s: int, our_host: str,
                ) -> tuple[str, bytes]:
    """The action and the body of a request for a mapping."""
    return _request(control, "AddPortMapping", {
        "NewRemoteHost": "", "NewExternalPort": str(external_port), "NewProtocol": transport.value.upper(),
        "NewInternalPort": str(port), "NewInternalClient": our_host, "NewEnabled": "1",
        "NewPortMappingDescription": "BlobTorrent", "NewLeaseDuration": str(lifetime_s),
    })


def ask_removal(control: Control, transport: Transport, external_port: int) -> tuple[str, bytes]:
    return _request(control, "DeletePortMapping", {
        "NewRemoteHost": "", "NewExternalPort": str(external_port), "NewProtocol": transport.value.upper()})


def ask_address(control: Control) -> tuple[str, bytes]:
    return _request(control, "GetExternalIPAddress", {})


def read_answer(data: bytes, action: str) -> Answer:
    """What came of a request, whose action is named as it was sent.

    Raises FormatError ("portmap.bad-answer") for what is neither its answer nor an error.
    """
    values = dict(_elements(data))
    name = action.strip('"').rpartition("#")[2]
    if "errorCode" in values:
        code = values["errorCode"]
        return Answer(values, int(code) if code.isascii() and code.isdigit() and len(code) < 6 and int(code) else 1,
                      values.get("errorDescription", ""))
    if f"{name}Response" not in values:
        raise FormatError("portmap.bad-answer", f"no answer to {name}")
    return Answer(values)


def wants_permanent(answer: Answer) -> bool:
    """Whether the router knows no lifetimes: ask again with 0."""
    return answer.error == _ONLY_PERMANENT


def mapping_of(answer: Answer, transport: Transport, port: int, external_port: int, lifetime_s: int) -> Mapping:
    """Raises NetworkError ("portmap.refused")."""
    if answer.error:
        raise NetworkError("portmap.refused", f"the router: error {answer.error} {answer.reason[:80]}")
    return Mapping(transport, port, external_port, lifetime_s)


def _joined(base: str, url: str) -> str:
    """Nothing for what cannot be joined."""
    try:
        return urljoin(base, url)
    except ValueError:
        return ""


def _request(control: Control, action: str, arguments: dict[str, str]) -> tuple[str, bytes]:
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in arguments.items())
    body = (
        '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
        f'<u:{action} xmlns:u="{escape(control.service)}">{inner}</u:{action}></s:Body></s:Envelope>\r\n'
    )
    return f'"{control.service}#{action}"', body.encode()


def _elements(data: bytes) -> list[tuple[str, str]]:
    """The elements as they end, by their names without prefix, with their own text. Raises FormatError."""
    from xml.parsers import expat

    found: list[tuple[str, str]] = []
    open_texts: list[list[str]] = []

    def refuse(*_: object) -> None:
        raise FormatError("portmap.bad-answer", "XML with a document type")

    def start(_name: str, _attributes: object) -> None:
        if len(open_texts) >= MAX_DEPTH:
            raise FormatError("portmap.bad-answer", "XML that is too deep")
        open_texts.append([])

    def text(data: str) -> None:
        if open_texts:
            open_texts[-1].append(data)

    def end(name: str) -> None:
        found.append((name.rpartition(":")[2], "".join(open_texts.pop()).strip()))

    if len(data) > MAX_BYTES:
        raise FormatError("portmap.bad-answer", f"XML of more than {MAX_BYTES} bytes")
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:       # also for encodings that there are none of
        raise FormatError("portmap.bad-answer", f"not XML: {error}") from None
    return found


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()
