"""Who may POST to /RPC2, checked on a request's head. Owned by the thread `rpc`.

Pages of other sites are kept out as they are from REST. Where tokens are wanted, one of the scope admin is taken as the
password of whatever user: that is what the clients of rTorrent have fields for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from blobtorrent.interface.rest.gate import Caller, Gate
from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.http import Head, Refused

PATHS = frozenset((("RPC2",), ("RPC2", ""), ("",)))

# What a form of any page sends without asking first. No type at all is what some programs send, FlexGet for one: forms
# always have one, and scripts of pages say where they are from.
_TYPES_OF_FORMS = frozenset(("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"))

KnownToken = Callable[[bytes], "Grant | None"]


class RpcGate(Gate):
    """`known(secret)` is the grant of a token; without it everybody may ask."""

    def __init__(self, known: KnownToken | None = None, hosts: Iterable[str] = ()) -> None:
        super().__init__(known or _nobody, lambda head: Scope.ADMIN, hosts)
        self._wants_token = known is not None

    def identify(self, head: Head, caller: Caller, now: float) -> Grant:
        if head.path not in PATHS:
            raise Refused(404, "rpc.no-path", "only /RPC2 is here")
        if head.method != "POST":
            raise Refused(405, "rest.bad-method", "POST a call", (("Allow", "POST"),))
        if head.content_type.partition(";")[0].strip().lower() in _TYPES_OF_FORMS:
            raise Refused(415, "rpc.bad-type", "say that it is text/xml or application/json in Content-Type")
        if not self._wants_token:
            return super().identify(head, caller._replace(is_trusted=True), now)
        try:
            grant = super().identify(head, caller, now)
        except Refused as error:
            if error.status == 401:
                raise Refused(401, error.code, "send a token as the password",
                              (("WWW-Authenticate", 'Basic realm="blobtorrent"'),)) from None
            raise
        if grant.is_bound:
            raise Refused(403, "rest.scope", "a token that is bound to labels may not use this")
        return grant


def _nobody(_secret: bytes) -> Grant | None:
    return None
