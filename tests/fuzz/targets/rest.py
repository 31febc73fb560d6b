"""The REST interface: HTTP, bodies, queries, who may ask, and all resources before a session that is played."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from blobtorrent.cli.sse import SseReader
from blobtorrent.core.session.commands import AddTorrent
from blobtorrent.interface.rest.conditional import has_already, matches
from blobtorrent.interface.rest.gate import Caller, Gate
from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.http import (
    MAX_BODY_BYTES,
    Refused,
    Request,
    RequestReader,
    Response,
    parse_head,
    render_head,
)
from blobtorrent.interface.rest.jsonbody import MAX_DEPTH, parse_json
from blobtorrent.interface.rest.listing import one_page, read_list_query
from blobtorrent.interface.rest.multipart import MAX_PARTS, read_form
from blobtorrent.interface.rest.ranges import content_range, wanted_range
from blobtorrent.model.errors import Invalid, NetworkError, NotFound
from tests.fuzz.registry import Shape, target
from tests.fuzz.shapes import read_events, write_events
from tests.support.resources import ADMIN, Resources, grant_of
from tests.support.rest import info_hash, status_of, tiny_torrent

HTTP = (b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Host: a\r\n",
        b"GET ", b"POST ",
        b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Authorization: Bearer ", b"Origin: http://evil\r\n",
        b"Expect: 100-continue\r\n", b"%00",
        b"%2e%2e/", b"//", b"?a=1&a=2", b"\0", b"\xff", b"a: b\r\n", b" :", b"\t", b"\x0b", b"+5", b"0x10",
        b"Connection: close\r\n")
RENEWED = 200


def heads() -> list[bytes]:
    return [
        b"GET /v1/session HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer abc\r\n\r\n",
        b"POST /v1/torrents HTTP/1.1\r\nHost: [::1]:7070\r\nContent-Type: application/json\r\n"
        b"Content-Length: 17\r\n\r\n"
        b'{"source": "/x"}\nGET /v1/torrents?fields=name&sort=-name HTTP/1.1\r\nHost: a\r\nRange: bytes=0-4\r\n\r\n',
        b"PATCH /v1/torrents/" + b"a" * 40 + b"/files HTTP/1.0\r\nContent-Length: 2\r\nIf-Match: \"x\"\r\n\r\n{}",
        b"DELETE /v1/tokens/a%2Fb?with_data=true HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ]


@target("rest.http", errors=(Refused,), seeds=heads, tokens=HTTP)
def _http(data: bytes) -> str:
    """The same requests however they come in, and no body that nobody announced."""
    found, refusal = _requests(data, len(data) or 1)
    again, refused = _requests(data, 13)
    assert found == again and bool(refusal) == bool(refused)           # what is wrong with a head depends on its cut
    if refusal:
        raise Refused(400, refusal, "")
    return f"{len(found)}"


def _requests(data: bytes, step: int) -> tuple[list[tuple[str, int]], str]:
    reader, found, head = RequestReader(), [], None
    try:
        for at in range(0, len(data), step):
            reader.feed(data[at:at + step])
            while True:
                head = head or reader.read_head()
                if head is None:
                    break
                assert 0 <= head.length <= MAX_BODY_BYTES
                body = reader.read_body(head.length)
                if body is None:
                    break
                found.append((head.method, len(body)))
                head = None
    except Refused as error:
        return found, error.code
    return found, ""


@target("rest.json", errors=(Refused,), shape=Shape.JSON, tokens=(b"NaN", b"1e999", b'"a"', b"\\ud800", b"[", b"{",
                                                                  b"\xff\xfe", b"\xef\xbb\xbf"),
        seeds=lambda: [b'{"a": [1, 2.5, "x", null, true], "b": {"c": {}}}', b"[[[[]]]]", b'"text"', b"-0.0e-5"])
def _json(data: bytes) -> str:
    value = parse_json(data)
    assert parse_json(json.dumps(value).encode()) == value or "\\ud" in json.dumps(value)
    depth, level = 0, [value]
    while level:
        level = [child for item in level if isinstance(item, dict | list)
                 for child in (item.values() if isinstance(item, dict) else item)]
        depth += 1
    assert depth <= MAX_DEPTH + 1
    return type(value).__name__


def forms() -> list[bytes]:
    return [
        b'multipart/form-data; boundary=xx\0--xx\r\nContent-Disposition: form-data; name="metainfo"; filename="a"\r\n'
        b'Content-Type: application/x-bittorrent\r\n\r\nd4:infoe\r\n--xx\r\n'
        b'Content-Disposition: form-data; name="start"\r\n\r\n'
        b"false\r\n--xx--\r\n", b'multipart/form-data; boundary="a b"\0--a b--', b"multipart/form-data\0--xx--",
    ]


@target("rest.form", errors=(Refused,), seeds=forms, tokens=(
    *HTTP, b"--xx", b"--xx--", b'name="a"', b'filename="%22"', b"; ", b"Content-Disposition: form-data; ",
    b"boundary="))
def _form(data: bytes) -> str:
    content_type, _, body = data.partition(b"\0")
    form = read_form(content_type.decode("latin-1"), body)
    assert len(form.fields) + len(form.files) <= MAX_PARTS and not set(form.fields) & set(form.files)
    return f"{len(form.fields) > 0} {len(form.files) > 0}"


@target("rest.query", errors=(Refused, Invalid, NotFound), seeds=lambda: [
    b"fields=name,hash&sort=-name,added_at&limit=1", b"state=stopped&label=x&limit=2&sort=ratio", b"since=abc",
    b"search=a&private=true",
    b"limit=1&page=WyIiLDAuMCwiYSJd", b"sort=name&limit=1&page=WyJuYW1lIiwidG9ycmVudCAxIiwiYSJd"],
    tokens=(b"&", b"=", b",", b"-", b"%00", b"%ff", b"limit=", b"page=", b"sort=", b"fields=", b"W10", b"true",
            b"99999999999999999999"))
def _query(data: bytes) -> str:
    head = parse_head(f"GET /v1/torrents?{data.decode('latin-1')} HTTP/1.1\r\nhost: a")
    listing = read_list_query(head.query)
    statuses = [status_of(number) for number in range(1, 5)]
    page, token = one_page([status for status in statuses if listing.wants(status)], listing)
    return f"{len(page) > 1} {token is None}"


@target("rest.gate", errors=(Refused,), seeds=lambda: [
    b"Host: localhost\r\nAuthorization: Bearer " + b"s" * 32,
    b"Host: 127.0.0.1:7070\r\nAuthorization: Basic YWRtaW46c3Nz",
    b"Host: [::1]\r\nOrigin: http://evil.example\r\nSec-Fetch-Site: cross-site", b"Host: nas.lan:80"],
    tokens=(*HTTP, b"evil.example", b"localhost", b"127.0.0.1", b"[::1]", b"@", b":", b"Bearer ", b"Basic ",
            b"Sec-Fetch-Site: none"))
def _gate(data: bytes) -> str:
    """Whoever is let in said the secret, and by a name of ours."""
    secret = b"s" * 32
    gate = Gate(lambda told: Grant("a", frozenset((Scope.ADMIN,))) if told == secret else None, lambda head: Scope.READ,
                ("nas.lan",))
    head = parse_head("GET /v1/session HTTP/1.1\r\n" + data.decode("latin-1"))
    grant = gate.identify(head, Caller("127.0.0.1"), 0.0)
    gate.check_scope(head, grant)
    assert "authorization" in head.headers
    assert "evil" not in head.headers["host"] and "evil" not in head.headers.get("origin", "")
    return "in"


@target("rest.conditions", errors=(Refused,), seeds=lambda: [
    b'Range: bytes=0-4', b"Range: bytes=-5\r\nIf-Range: \"x\"", b'If-None-Match: W/"x", "y"', b"If-Match: *",
    b"Range: bytes=5-,7-9"],
    tokens=(b"bytes=", b"-", b",", b'"', b"W/", b"*", b"Range: ", b"If-Range: ", b"If-Match: ", b"\r\n",
            b"99999999999999999999"))
def _conditions(data: bytes) -> str:
    head = parse_head("GET /v1/x HTTP/1.1\r\nHost: a\r\n" + data.decode("latin-1"))
    part = wanted_range(head, 1000, '"x"')
    if part is not None:
        assert 0 <= part.start < part.stop <= 1000 and part.step == 1
        render_head(Response(206, b"", headers=(content_range(part, 1000),)), keep_alive=True)
    return f"{part is None} {has_already(head, chr(34) + 'x' + chr(34))} {matches(head, b'body')}"


class _Played:
    """All resources with two torrents, made anew now and then."""

    def __init__(self) -> None:
        self._cases = RENEWED

    def next(self) -> Resources:
        self._cases += 1
        if self._cases > RENEWED:
            self._cases = 0
            self._resources = Resources()
            self._resources.session.answer = _answering(self._resources.session.answer)
            self._resources.session.show(status_of(1), status_of(2, labels=("tv",)))
        return self._resources


def _answering(answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """As the played session, which takes no links and has nothing to tell to most questions."""
    def answered(command: Any) -> Any:
        if isinstance(command, AddTorrent) and command.metainfo is None:
            return Invalid("torrent.no-magnets", "no magnet links")
        told = answer(command)
        is_question = type(command).__module__.endswith(".queries")
        return NotFound("torrent.not-found", "nobody knows") if told is None and is_question else told

    return answered


_played = _Played()
FIRST = info_hash(1).hex.encode()


def calls() -> list[bytes]:
    """Runs of requests: method, target and body, with zeros between."""
    good = json.dumps({"download_dir": "/srv", "labels": ["a"], "start": False, "priority": 1}).encode()
    patch = (b'{"labels": ["b"], "down_bytes_per_s": 5, "goal": {"ratio": 1.5, "action": "remove"}, '
             b'"peers": ["10.0.0.1:1"], "picker": {"preset": "stream"}, "files": {"0": "high"}, "custom": {"a": "b"}, '
             b'"trackers": [["http://a/"]]}')
    torrent = b"/v1/torrents/" + FIRST
    return [write_events([b"GET\0" + path + b"\0" for path in (
        b"/v1/session", b"/v1/settings", b"/v1/torrents?limit=1", torrent, torrent + b"/files", torrent + b"/peers",
        torrent + b"/why",
        torrent + b"/trackers", torrent + b"/pieces", b"/v1/stats", b"/v1/tokens", b"/v1/groups", b"/v1/filters",
        b"/v1/watch",
        b"/v1/health/ready", b"/metrics", b"/v1/openapi.json", torrent + b"/metainfo", torrent + b"/files/0/content",
        b"/v1/jobs")]),
        write_events([b"POST\0/v1/torrents\0" + b'{"metainfo": "%s"}' % base64.b64encode(tiny_torrent()),
                      b"POST\0/v1/torrents\0" + b'{"source": "magnet:?xt=urn:btih:' + b"a" * 40 + b'"}',
                      b"POST\0/v1/torrents\0" + good, b"PATCH\0" + torrent + b"\0" + patch,
                      b"PUT\0" + torrent + b"\0" + good,
                      b"POST\0" + torrent + b"/start\0",
                      b"POST\0" + torrent + b"/move\0" + b'{"download_dir": "/srv/x"}',
                      b"PATCH\0" + torrent + b'/files\0{"files": [{"index": 0, "priority": "high"}]}',
                      b"PUT\0" + torrent + b'/trackers\0{"trackers": [["http://a/announce"]]}',
                      b"DELETE\0" + torrent + b"?with_data=true\0",
                      b'PATCH\0/v1/settings\0{"network": {"max_peers": 5}}', b'POST\0/RPC2\0<methodCall/>'])]


@target("rest.requests", shape=Shape.EVENTS, seeds=calls, tokens=(
    *HTTP, b"/v1/torrents/", FIRST, b'{"source": "', b'"metainfo": ', b"null", b"[]", b"{}", b"-1", b"1e999",
    b'"\\ud800"', b"/../", b"%2f",
    b"?with_data=true", b"labels", b"peers", b"trackers", b"files", b"picker", b"goal", b"/start", b"/move",
    b"magnet:?xt=urn:btih:"))
def _rest_requests(data: bytes) -> str:
    """Every request is answered, with a document that strict readers take, and none is a bug of ours."""
    resources = _played.next()
    statuses = set()
    for number, event in enumerate(read_events(data)[:30]):
        method, _, rest = event.partition(b"\0")
        path, _, body = rest.partition(b"\0")
        if b"source" in body and b"magnet" not in body or b"events" in path or b"tokens" in path and method != b"GET":
            continue                   # no request leaves this process, no answer is endless, nobody keeps tokens here
        try:
            head = parse_head(f"{method.decode('latin-1')} {path.decode('latin-1')} HTTP/1.1\r\nhost: a\r\n"
                              f"content-type: application/json\r\ncontent-length: {len(body)}")
        except Refused as error:
            statuses.add(error.status)
            continue
        grant = ADMIN if number % 3 else grant_of("control", "tv")
        response = resources.router.answer(Request(head, body, grant))
        render_head(response, keep_alive=True)
        assert response.status != 500
        statuses.add(response.status)
        if response.content_type.endswith("json") and isinstance(response.body, bytes | tuple):
            text = response.body if isinstance(response.body, bytes) else b"".join(response.body)
            if text:
                json.loads(text, parse_constant=_refuse)
    return " ".join(map(str, sorted(statuses)))


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


@target("rest.events", errors=(NetworkError,), seeds=lambda: [
    b"id: 1\nevent: torrent-added\ndata: {\"a\": 1}\n\n", b": comment\r\ndata: a\rdata: b\n\nretry: 5\n\ndata\n\n"],
    tokens=(b"data:", b"\n\n", b"\r", b"\r\n", b"id: \0", b"event:", b"\xef\xbb\xbf", b"\xff"))
def _events(data: bytes) -> str:
    whole, parts = SseReader(), SseReader()
    found = whole.feed(data)
    again = [event for at in range(0, len(data), 3) for event in parts.feed(data[at:at + 3])]
    assert found == again
    return f"{len(found) > 0}"


