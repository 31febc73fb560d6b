"""Who is let in: hosts, origins and tokens, and what wrong tokens cost."""

from __future__ import annotations

import base64

import pytest

from blobtorrent.interface.rest.attempts import ATTEMPTS_PER_S, FREE_ATTEMPTS, MAX_ADDRESSES, Attempts
from blobtorrent.interface.rest.gate import Caller, Gate
from blobtorrent.interface.rest.grants import NOBODY, Grant, Scope
from blobtorrent.interface.rest.http import Head, Refused

TOKEN = "s3cret" * 8
ADMIN = Grant("admin", frozenset((Scope.ADMIN,)))
REMOTE = Caller("127.0.0.1")
OTHER = Caller("127.0.0.2")

FOREIGN_HOSTS = [
    "evil.example", "evil.example:7070", "evil.example.", "localhost.", "localhost.evil.example", "localhost@evil",
    "evil@127.0.0.1", "127.0.0.1.evil.example", "127.0.0.1.", "127.0.0.1.:80", "2130706433", "0x7f000001",
    "0177.0.0.1", "127.1", "127.0.0.1:80:80", "127.0.0.1:", "127.0.0.1:abc", "127.0.0.1:123456", "127.0.0.1 evil",
    "127.0.0.1, evil", "127.0.0.1/evil", "127.0.0.1#evil", "127.0.0.1\\evil", "", ":80", "::1", "[::1", "[::1]evil",
    "[::1%25lo]", "[::1%lo]", "[fe80::1%eth0]:80", "[127.0.0.1]", "[evil.example]", "[]", "*", "null",
    "127.0.0.1\tevil", "LOCALHOST.EVIL", "xn--localhost-", "[::1]:port",
]
OWN_HOSTS = [
    "127.0.0.1", "127.0.0.1:7070", "localhost", "LocalHost:7070", "[::1]", "[::1]:7070", "192.168.1.20:80",
    "[2001:db8::1]:443", "nas.lan", "NAS.lan:7070",
]


def head(path: str = "v1/session", **headers: str) -> Head:
    fields = {"host": "127.0.0.1:7070", "authorization": f"Bearer {TOKEN}"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Head("GET", tuple(path.split("/")), {}, fields, 0, True)


def scope_of(request: Head) -> Scope | None:
    """As of a router: probes are open to all, session reads, and whatever has a body changes something."""
    if "health" in request.path:
        return None
    return Scope.CONTROL if request.length else Scope.READ


def make_gate(*hosts: str, grant: Grant = ADMIN) -> Gate:
    return Gate(lambda secret: grant if secret == TOKEN.encode() else None, scope_of, hosts)


def basic(credentials: str) -> str:
    return f"Basic {base64.b64encode(credentials.encode()).decode()}"


def verdict(request: Head, caller: Caller = REMOTE, *, gate: Gate | None = None, now: float = 0.0) -> int:
    """The status that a request is refused with; 0 when it is let in."""
    gate = gate or make_gate("nas.lan")
    try:
        gate.check_scope(request, gate.identify(request, caller, now))
    except Refused as error:
        return error.status
    return 0


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_foreign_name_for_us_is_refused(host):
    assert verdict(head(host=host)) == 421


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_addresses_and_our_own_names_are_let_in(host):
    assert verdict(head(host=host)) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1"},
        {"origin": "http://127.0.0.1:7070.evil.example"}, {"origin": "file://"}, {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"}, {"origin": "http://127.0.0.1:7070", "sec_fetch_site": "cross-site"},
    ],
)
def test_a_page_of_another_site_is_refused_even_with_the_token(headers):
    assert verdict(head(**headers)) == 403


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://127.0.0.1:7070"}, {"sec_fetch_site": "same-origin"}, {"sec_fetch_site": "none"}],
)
def test_our_own_pages_and_typed_addresses_are_let_in(headers):
    assert verdict(head(**headers)) == 0


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, f"Bearer{TOKEN}",
     f"Bearer {TOKEN.upper()}", "Bearer \xe9", basic(TOKEN), basic(f"{TOKEN}:"), basic(f"user:{TOKEN}x"), "Basic A",
     "Basic \xe9"],
)
def test_without_the_very_token_nobody_is_let_in(authorization):
    assert verdict(head(authorization=authorization)) == 401


@pytest.mark.parametrize("authorization", [f"bearer  {TOKEN}", basic(f"anybody:{TOKEN}"), basic(f":{TOKEN}")])
def test_the_token_may_come_as_the_password_of_any_user(authorization):
    assert verdict(head(authorization=authorization)) == 0


@pytest.mark.parametrize("path", ["v1/health/live", "v1/health/ready"])
def test_probes_need_no_token_but_a_host_of_ours(path):
    assert verdict(head(path, authorization="")) == 0
    assert verdict(head(path, authorization="", host="evil.example")) == 421


def test_a_request_with_a_body_needs_the_token_everywhere():
    for path in ("v1/health/live", "v1/session"):
        assert verdict(head(path, authorization="")._replace(length=1)) == 401
        assert verdict(head(path)._replace(length=1)) == 0


def test_a_unix_socket_wants_a_token_from_other_users_only():
    assert verdict(head(authorization="", host="any"), Caller("unix:0", is_local=True, is_trusted=True)) == 0
    assert verdict(head(authorization="", host="any"), Caller("unix:1000", is_local=True)) == 401
    assert verdict(head(host="any"), Caller("unix:1000", is_local=True)) == 0


def test_wrong_tokens_are_limited_for_their_address_and_right_ones_never():
    gate, wrong = make_gate(), head(authorization="Bearer wrong")
    statuses = [verdict(wrong, gate=gate) for _ in range(1000)]
    assert statuses == [401] * FREE_ATTEMPTS + [429] * (1000 - FREE_ATTEMPTS)
    assert verdict(head(), gate=gate) == 0
    assert verdict(wrong, OTHER, gate=gate) == 401
    assert verdict(wrong, gate=gate, now=1 / ATTEMPTS_PER_S) == 401
    assert verdict(wrong, gate=gate, now=1 / ATTEMPTS_PER_S) == 429


def test_the_addresses_of_one_ipv6_network_count_together():
    gate, wrong = make_gate(), head(authorization="Bearer wrong")
    for number in range(FREE_ATTEMPTS):
        assert verdict(wrong, Caller(f"2001:db8::{number:x}"), gate=gate) == 401
    assert verdict(wrong, Caller("2001:db8::ffff"), gate=gate) == 429
    assert verdict(wrong, Caller("2001:db8:0:1::1"), gate=gate) == 401


def test_ipv4_addresses_count_for_themselves_also_on_a_listener_for_both_families():
    gate, wrong = make_gate(), head(authorization="Bearer wrong")
    for _ in range(FREE_ATTEMPTS):
        assert verdict(wrong, Caller("::ffff:192.0.2.1"), gate=gate) == 401
    assert verdict(wrong, Caller("192.0.2.1"), gate=gate) == 429
    assert verdict(wrong, Caller("::ffff:192.0.2.2"), gate=gate) == 401


def test_the_wait_is_told_in_whole_seconds():
    attempts = Attempts()
    for _ in range(FREE_ATTEMPTS):
        assert attempts.wait_s("a", 0.0) == 0
        attempts.fail("a", 0.0)
    assert attempts.wait_s("a", 0.0) == round(1 / ATTEMPTS_PER_S)
    assert attempts.wait_s("a", 0.5) == round(1 / ATTEMPTS_PER_S)


def test_the_list_of_failures_does_not_grow_without_bound():
    attempts = Attempts()
    for number in range(MAX_ADDRESSES + 10):
        for _ in range(FREE_ATTEMPTS):
            attempts.fail(str(number), 0.0)
    assert attempts.wait_s("0", 0.0) == 0
    assert attempts.wait_s(str(MAX_ADDRESSES), 0.0) > 0


@pytest.mark.parametrize(
    ("held", "length", "status"),
    [(Scope.READ, 0, 0), (Scope.READ, 1, 403), (Scope.ADD, 1, 403), (Scope.CONTROL, 1, 0), (Scope.ADMIN, 1, 0)],
)
def test_a_token_opens_as_far_as_its_scope_reaches(held, length, status):
    gate = make_gate(grant=Grant("t", frozenset((held,))))
    assert verdict(head()._replace(length=length), gate=gate) == status


def test_a_scope_that_is_wanting_is_named():
    gate = make_gate(grant=Grant("t", frozenset((Scope.READ,))))
    request = head()._replace(length=1)
    with pytest.raises(Refused, match="control") as caught:
        gate.check_scope(request, gate.identify(request, REMOTE, 0.0))
    assert caught.value.code == "rest.scope"


def test_who_asks_is_known_by_token_or_user():
    local = Caller("unix:1000", is_local=True, is_trusted=True)
    gate = make_gate()
    assert gate.identify(head(), REMOTE, 0.0) == ADMIN
    assert gate.identify(head(authorization=""), local, 0.0) == Grant("unix:1000", frozenset((Scope.ADMIN,)))
    assert gate.identify(head("v1/health/live", authorization=""), local, 0.0) == NOBODY


def test_who_is_trusted_may_come_with_less_than_that():
    narrow = Grant("t", frozenset((Scope.READ,)), frozenset("a"))
    local = Caller("unix:0", is_local=True, is_trusted=True)
    assert make_gate(grant=narrow).identify(head(), local, 0.0) == narrow
    assert verdict(head(authorization="Bearer wrong"), local) == 0
