"""Who may ask: checked on a request's head, before any of its body is taken in. Owned by the thread `rest`.

Over TCP a token is wanted, also on loopback: every program and every web page of the machine can reach that. It comes
as a bearer token, or as the password of whatever user: many programs have fields for nothing else. A name in `Host`
that is not ours is how a page talks to us through DNS that changes its mind (rebinding), and `Origin` or
`Sec-Fetch-Site` tell of a page of somebody else. A UNIX socket knows its caller: our own user, root and the members of
the group that it was made for need no token.
"""

from __future__ import annotations

import binascii
import ipaddress
from collections.abc import Callable, Iterable
from typing import NamedTuple

from blobtorrent.interface.rest.attempts import Attempts
from blobtorrent.interface.rest.grants import NOBODY, Grant, Scope
from blobtorrent.interface.rest.http import Head, Refused

ScopeOf = Callable[[Head], Scope | None]


class Caller(NamedTuple):
    """Who is at the other end. `address` is an IP address, or "unix:UID"."""

    address: str
    is_local: bool = False             # over a UNIX socket
    is_trusted: bool = False           # needs no token


class Gate:
    """`known(secret)` is the grant of a token that holds now. `scope_of` is what a request wants, None: open to all.

    `hosts` are names, besides IP addresses and localhost, that clients may call us by.
    """

    def __init__(
        self, known: Callable[[bytes], Grant | None], scope_of: ScopeOf, hosts: Iterable[str] = ()
    ) -> None:
        self._known = known
        self._scope_of = scope_of
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        self._attempts = Attempts()

    def identify(self, head: Head, caller: Caller, now: float) -> Grant:
        """Who asks. Raises Refused: 400 or 421 for the host, 403 for a foreign page, 401 or 429 for the token."""
        if not caller.is_local:
            self._check_host(head)
        _check_origin(head)
        # What is open to all takes no body: it would be memory, and time to send it, for everybody.
        if self._scope_of(head) is None and not head.length:
            return NOBODY
        return self._token_of(head, caller, now)

    def check_scope(self, head: Head, grant: Grant) -> None:
        """Raises Refused (403, "rest.scope") when the grant does not reach so far."""
        scope = self._scope_of(head)
        if scope is not None and not grant.allows(scope):
            raise Refused(403, "rest.scope", f"this wants a token with the scope {scope.value}")

    def _check_host(self, head: Head) -> None:
        host = head.headers.get("host", "")
        if not self._is_ours(host):
            raise Refused(421, "rest.foreign-host", "the Host header names neither an IP address nor a name of ours")

    def _is_ours(self, host: str) -> bool:
        name, colon, port = _split_port(host)
        if colon and not (port.isascii() and port.isdigit() and len(port) <= 5):
            return False
        if name.startswith("[") and name.endswith("]"):
            return _is_address(name[1:-1], ipaddress.IPv6Address)
        return name.lower() in self._hosts or _is_address(name, ipaddress.IPv4Address)

    def _token_of(self, head: Head, caller: Caller, now: float) -> Grant:
        """A right token is never refused: otherwise anybody behind the same address could lock its owner out."""
        secret = _secret_of(head.headers.get("authorization", ""))
        grant = self._known(secret) if secret else None
        if grant is not None:
            return grant
        if caller.is_trusted:
            return Grant(caller.address, frozenset((Scope.ADMIN,)))
        network = network_of(caller.address)
        wait_s = self._attempts.wait_s(network, now)
        if wait_s:
            raise Refused(429, "rest.too-many-attempts", "too many wrong tokens", (("Retry-After", str(wait_s)),))
        self._attempts.fail(network, now)
        raise Refused(
            401, "rest.no-token", "send the header Authorization: Bearer TOKEN",
            (("WWW-Authenticate", 'Bearer realm="blobtorrent"'),),
        )


def _secret_of(authorization: str) -> bytes:
    """What is in the header: a bearer token, or the password of basic authentication (RFC 7617). Empty for nothing."""
    scheme, _, credentials = authorization.partition(" ")
    text = credentials.strip().encode("latin-1")
    if scheme.lower() == "bearer":
        return text
    if scheme.lower() != "basic":
        return b""
    try:
        return binascii.a2b_base64(text).partition(b":")[2]
    except binascii.Error:
        return b""


def _check_origin(head: Head) -> None:
    origin = head.headers.get("origin")
    if origin is not None and origin not in (f"{scheme}://{head.headers.get('host')}" for scheme in ("http", "https")):
        raise Refused(403, "rest.foreign-origin", "a page of another site asks for this")
    if head.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise Refused(403, "rest.foreign-origin", "a page of another site asks for this")


def _split_port(host: str) -> tuple[str, str, str]:
    if host.endswith("]") or ":" not in host:
        return host, "", ""
    name, colon, port = host.rpartition(":")
    return name, colon, port


def _is_address(text: str, kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return "%" not in text             # a zone: no client needs one to reach us, and its text is free


def network_of(address: str) -> str:
    """What one attacker has plenty of addresses in counts as one: the /64 of an IPv6 address."""
    if ":" not in address or address.startswith("unix:"):
        return address
    parsed = ipaddress.IPv6Address(address.partition("%")[0])
    if parsed.ipv4_mapped is not None:                     # a listener for both families
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> 64:x}::/64"
