"""What nobody should send a daemon over HTTP: it is refused with a reason that helps, and nothing has changed.

Every request comes with the token of the administrator: what keeps it out is not that its sender is nobody.
"""

from __future__ import annotations

import json
import re

import pytest

from tests.support.besieged import Besieged, check_problem

LIMIT_BYTES = 16 << 20

# ---- bytes that are no request, or more than one

TOKEN = b"Authorization: Bearer <token>\r\n"
USUAL = b"Host: 127.0.0.1\r\n" + TOKEN
# What an attacker wants to be taken for a request of its own.
SMUGGLED = b"POST <one>/stop HTTP/1.1\r\n" + USUAL + b"Content-Length: 0\r\n\r\n"


def posts(*headers: bytes, body: bytes = b"") -> bytes:
    """A post with these headers and this body, and what hides behind it."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"POST /v1/session/reload HTTP/1.1\r\n" + USUAL + lines + b"\r\n" + body + SMUGGLED


def begins(line: bytes, rest: bytes = USUAL) -> bytes:
    return line + b"\r\n" + rest + b"\r\n" + SMUGGLED


CHUNKS = b"0\r\n\r\n"
JSON = b"Content-Type: application/json"

FRAMINGS = {
    "chunked": (411, posts(b"Transfer-Encoding: chunked", body=CHUNKS)),
    "chunked and a length": (400, posts(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=CHUNKS)),
    "a length and chunked": (400, posts(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=CHUNKS)),
    "a length of nothing and chunked": (400, posts(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=CHUNKS)),
    **{
        f"coding {coding!r}": (411, posts(b"Transfer-Encoding:" + coding, body=CHUNKS))
        for coding in (b" xchunked", b" chunked, identity", b" identity",
                       b"\tchunked", b" gzip, chunked", b"", b" CHUNKED")
    },
    **{
        f"coding header {header!r}": (400, posts(header, b"Content-Length: 5", body=CHUNKS))
        for header in (b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b" Transfer-Encoding: chunked",
                       b"Transfer-Encoding: chunked\x0b", b"Transfer-Encoding:\x00chunked",
                       b"X: x\nTransfer-Encoding: chunked",
                       b"X: x\rTransfer-Encoding: chunked", b"Transfer-Encoding:\r\n chunked",
                       b"\xefTransfer-Encoding: chunked")
    },
    "coding twice": (400, posts(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=CHUNKS)),
    "length twice": (400, posts(b"Content-Length: 5", b"Content-Length: 5", body=b"12345")),
    "two lengths": (400, posts(b"Content-Length: 0", b"Content-Length: 5", body=b"12345")),
    "two lengths, other capitals": (400, posts(b"Content-Length: 5", b"CONTENT-LENGTH: 0", body=b"12345")),
    **{
        f"length {length!r}": (400, posts(b"Content-Length: " + length, body=b"12345"))
        for length in (b"5, 5", b"5,6", b"+5", b"-5", b"-0", b"5 5", b"0x5", b"5e0", b"5.0", b"5;", b"", b"1_0", b'"5"',
                       b"\xd9\xa5", b"5\x00", b"\x0b5", b"five", b"9" * 19, b"9" * 5000, b"NaN")
    },
    "length of more than a body": (413, posts(b"Content-Length: %d" % (LIMIT_BYTES + 1), JSON)),
    "length of more than a body, awaiting consent": (
        413, posts(b"Content-Length: %d" % (LIMIT_BYTES + 1), JSON, b"Expect: 100-continue")),
    "length of 10^18 - 1": (413, posts(b"Content-Length: " + b"9" * 18, JSON)),
    "folded header": (400, posts(b"X: a\r\n b")),
    "folded by a tab": (400, posts(b"X: a\r\n\tb")),
    "folded first header": (400, b"GET /v1/session HTTP/1.1\r\n " + USUAL + b"\r\n" + SMUGGLED),
    "bare line feeds": (400, (b"GET /v1/session HTTP/1.1\r\n" + USUAL + b"\r\n").replace(b"\r\n", b"\n") + SMUGGLED),
    "bare carriage returns": (400, b"GET /v1/session HTTP/1.1\r" + USUAL + b"\r\n" + SMUGGLED),
    **{
        f"header {header!r}": (400, posts(header))
        for header in (b"X\x00: a", b"X: a\x00b", b"X: a\rb", b"X: a\nb", b"X: a\r\rb", b"X: \x7f", b"X: \x1b[2J",
                       b"X Y: a", b": a", b"X", b"X\xe9: a", b"(X): a", b"X\r: a")
    },
    "two hosts": (400, posts(b"Host: 127.0.0.1")),
    "two tokens": (400, posts(TOKEN.strip())),
    "two origins": (400, posts(b"Origin: http://127.0.0.1", b"Origin: http://evil.example")),
    "two types": (400, posts(JSON, JSON)),
    "no host": (400, begins(b"GET /v1/session HTTP/1.1", TOKEN)),
    "no host in HTTP/1.0": (421, begins(b"GET /v1/session HTTP/1.0", TOKEN)),
    "101 headers": (431, posts(*(b"X-%d: a" % number for number in range(101)))),
    "65 KiB of headers": (431, posts(*(b"X-%d: %s" % (number, b"a" * 1000) for number in range(66)))),
    "a header of 70,000 bytes": (431, posts(b"X: " + b"a" * 70_000)),
    "a request line of 9,000 bytes": (414, begins(b"GET /" + b"a" * 9000 + b" HTTP/1.1")),
    "a request line without an end": (414, b"GET /" + b"a" * 70_000),
    "HTTP/0.9": (400, b"GET /v1/session\r\n\r\n" + SMUGGLED),
    "HTTP/2.0 by prior knowledge": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".replace(b"*", b"/") + SMUGGLED),
    "the preface of HTTP/2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED),
    **{
        f"version {version!r}": (505, begins(b"GET /v1/session HTTP/" + version))
        for version in (b"0.9", b"1.2", b"2.0", b"9.9")
    },
    **{
        f"line {line!r}": (400, begins(line))
        for line in (
            b"", b" ", b"GET", b"GET /v1/session", b"GET  /v1/session HTTP/1.1", b"GET /v1/session  HTTP/1.1",
            b" GET /v1/session HTTP/1.1", b"GET\t/v1/session HTTP/1.1", b"GET /v1/session HTTP/1.1 ",
            b"get /v1/session HTTP/1.1",
            b"GET /v1/session http/1.1", b"GET /v1/session HTTP/1.10", b"GET /v1/session HTTP/11",
            b"GET /v1/session HTTP/1,1",
            b"GET /v1/session HTTPS/1.1", b"GET /v1/ses sion HTTP/1.1", b"GET /v1/sess\xefon HTTP/1.1",
            b"GET /v1/\x00 HTTP/1.1",
            b"GET v1/session HTTP/1.1", b"GET http://127.0.0.1/v1/session HTTP/1.1",
            b"GET https://evil.example/ HTTP/1.1",
            b"CONNECT 127.0.0.1:22 HTTP/1.1", b"OPTIONS * HTTP/1.1", b"AAAAAAAAAAAAAAAAA / HTTP/1.1", b"G-T / HTTP/1.1",
            b"GET /v1/session HTTP/1.1 X-Evil: a", b"GET /\x0b HTTP/1.1", b"\x00GET / HTTP/1.1",
        )
    },
    "an empty line first": (400, b"\r\n" + SMUGGLED),
    "a line feed first": (400, b"\n" + SMUGGLED),
    "a query that is none": (400, begins(b"GET /v1/session?a HTTP/1.1")),
    "a query field twice": (400, begins(b"GET /v1/torrents?limit=1&limit=2 HTTP/1.1")),
    "a query that is no UTF-8": (400, begins(b"GET /v1/torrents?name=%ff HTTP/1.1")),
    "33 query fields": (400, begins(b"GET /v1/torrents?" + b"&".join(b"a%d=1" % n for n in range(33)) + b" HTTP/1.1")),
    "a path that is no UTF-8": (400, begins(b"GET /v1/torrents/%ff HTTP/1.1")),
    "an overlong slash": (400, begins(b"GET /v1%c0%afsession HTTP/1.1")),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 508 + b"\r\n\r\n"),
    "SSH": (400, b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "SMTP": (400, b"HELO example\r\n\r\n" + SMUGGLED),
}


@pytest.mark.parametrize("name", FRAMINGS)
def test_bytes_that_two_readers_could_cut_otherwise_are_one_refusal(victim: Besieged, name: str) -> None:
    status, data = FRAMINGS[name]
    got = victim.raw(data.replace(b"<token>", victim.secret.encode()).replace(b"<one>", victim.one.encode()))
    head, _, body = got.partition(b"\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d{3}) ", got) == [b"%d" % status], got[:500]
    assert b"Content-Type: application/problem+json" in head and b"Connection: close" in head
    assert json.loads(body)["code"].startswith("rest.")


HOSTS = (
    "evil.example", "evil.example:7070", "127.0.0.1.evil.example", "localhost.evil.example", "localhost.", "LOCALHOST.",
    "127.0.0.1:7070:80", "[::1%25eth0]", "[::1%eth0]", "[::1", "::1", "[127.0.0.1]", "127.1", "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1", "127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:123456", "user@127.0.0.1", "127.0.0.1/",
    "127.0.0.1, evil.example",
    "127.0.0.1 evil.example", "", ".", "*", "null", "file", "localhost:80:80", "127.0.0.256", "[::g]", "127.0.0.1.",
    "l\xf6calhost", "rebound.127.0.0.1.nip.io",
)


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_that_is_not_ours_is_not_listened_to(victim: Besieged, host: str) -> None:
    answer = victim.ask("POST", f"{victim.one}/stop", Host=host)
    assert check_problem(answer, 421)["code"] == "rest.foreign-host"


# ---- paths and queries that lead nowhere

TARGETS = (
    "/", "//", "//v1/session", "/v1//session", "/v1/session/", "/./v1/session", "/v1/../v1/session", "/v1/./session",
    "/v1%2fsession",
    "/v1/session%00", "/v1/session;a=b", "/v1/session%20", "/V1/session", "/v2/session", "/v1", "/v1/", "/etc/passwd",
    "/..%2f..%2fetc%2fpasswd", "/v1/torrents/", "/v1/torrents/..", "/v1/torrents/%2e%2e", "/v1/torrents/..%2f..%2fetc",
    "/v1/torrents/%00",
    "/v1/torrents/{hash}%00", "/v1/torrents/{hash}%20", "/v1/torrents/{hash}0", "/v1/torrents/-{hash}",
    "/v1/torrents/" + "0" * 40,
    "/v1/torrents/" + "%30" * 39, "/v1/torrents/" + "\u0660".encode().hex(" ").replace(" ", "%").join(("%", "")) * 40,
    "/v1/torrents/{hash}/", "/v1/torrents/{hash}/files/", "/v1/torrents/{hash}/files/0",
    "/v1/torrents/{hash}/files/-1/content",
    "/v1/torrents/{hash}/files/1/content", "/v1/torrents/{hash}/files/9999999999/content",
    "/v1/torrents/{hash}/files/0x0/content",
    "/v1/torrents/{hash}/files/%D9%A0/content", "/v1/torrents/{hash}/files/0%00/content",
    "/v1/torrents/{hash}/files/..%2f0/content",
    "/v1/torrents/{hash}/files/0/content/..", "/v1/torrents/{hash}/files/%2fetc%2fpasswd/content",
    "/v1/torrents/{hash}/nothing",
    "/v1/groups/", "/v1/groups/%00", "/v1/groups/..", "/v1/groups/a%0d%0aSet-Cookie:%20a=b", "/v1/jobs/0",
    "/v1/jobs/..", "/v1/jobs/-1",
    "/v1/jobs/%00/result", "/v1/torrents?limit=0", "/v1/torrents?limit=-1", "/v1/torrents?limit=10001",
    "/v1/torrents?limit=1e3",
    "/v1/torrents?limit=" + "9" * 5000, "/v1/torrents?limit=%D9%A1", "/v1/torrents?limit=", "/v1/torrents?limit=NaN",
    "/v1/torrents?sort=", "/v1/torrents?sort=nothing", "/v1/torrents?sort=--name", "/v1/torrents?sort=__class__",
    "/v1/torrents?fields=",
    "/v1/torrents?fields=__class__", "/v1/torrents?fields=hash,,name", "/v1/torrents?page=x", "/v1/torrents?page=%00",
    "/v1/torrents?page=W10",
    "/v1/torrents?page=" + "W1tb" * 1000, "/v1/torrents?state=nothing", "/v1/torrents?private=maybe",
    "/v1/torrents?error=1",
    "/v1/torrents?hash=x", "/v1/torrents?nothing=1", "/v1/torrents?__proto__=1", "/v1/session?x=1",
    "/v1/settings?sources=2",
    "/v1/events?types=nothing", "/v1/events?types=gap", "/v1/events?torrents=x", "/v1/events?since=" + "x" * 65,
    "/v1/torrents/{hash}?fields=nothing", "/v1/torrents/{hash}/files?x=1", "/metrics/", "/v1/openapi.json/",
    "/v1/tokens/admin",
)


@pytest.mark.parametrize("target", TARGETS)
def test_a_path_that_leads_nowhere_leads_nowhere(victim: Besieged, target: str) -> None:
    answer = victim.ask("GET", target.replace("{hash}", victim.hash))
    check_problem(answer, 400, 404, 405, 422)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "OPTIONS", "CONNECT", "DEBUG", "SEARCH", "MKCOL", "COPY",
    "DELETE", "PUT", "PATCH"])
def test_a_method_that_a_resource_does_not_have_is_told_which_it_has(victim: Besieged, method: str) -> None:
    answer = victim.ask(method, "/v1/torrents", X_HTTP_Method_Override="POST")
    check_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("word", ["1", "0", "yes", "TRUE", "True", "", "tru", "true%20", "true%00", "%D9%A1",
    "true,true", "null"])
def test_data_is_deleted_only_for_who_says_so_clearly(victim: Besieged, word: str) -> None:
    check_problem(victim.ask("DELETE", f"{victim.one}?with_data={word}"))


@pytest.mark.parametrize("name", ["admin", "nobody", "..", "%00", "a%2fb", "%F0%9F%92%A3"])
def test_tokens_that_cannot_be_revoked_stay(victim: Besieged, name: str) -> None:
    check_problem(victim.ask("DELETE", f"/v1/tokens/{name}"), 404, 409)


@pytest.mark.parametrize("value", ["bytes=102400-", "bytes=999999999-", "bytes=-0", "bytes=102400-102401"])
def test_a_range_behind_the_end_has_no_bytes(victim: Besieged, value: str) -> None:
    check_problem(victim.ask("GET", f"{victim.one}/files/0/content", Range=value), 416)


def test_after_all_that_the_log_tells_of_no_bug_and_of_no_secret(besieged: Besieged) -> None:
    log = besieged.daemon.output()
    assert "Traceback" not in log and "bug." not in log
    assert besieged.secret not in log
    assert all(line.isprintable() for line in log.splitlines())
