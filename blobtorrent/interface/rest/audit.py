"""The audit log: who asked for what change, from where, and what came of it. Its logger is `blobtorrent.audit`.

Paths name torrents and tokens, never secrets; bodies and headers, which may hold some, are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

from blobtorrent.interface.rest.gate import Caller
from blobtorrent.interface.rest.grants import NOBODY, Grant
from blobtorrent.interface.rest.http import Head
from blobtorrent.runtime.logs import get_logger

audit = get_logger("blobtorrent.audit")

CHANGES_NOTHING = ("GET", "HEAD", "OPTIONS")


def note(head: Head, grant: Grant, caller: Caller, status: int, about: Mapping[str, str]) -> None:
    """Tell of a request that passed the gate, unless it is one that changes nothing; `status` is that of the answer,
    `about` what the path does not say: which token, which torrents."""
    if head.method not in CHANGES_NOTHING:
        audit.bind(**about).info(
            "request", who=grant.name, address=caller.address, method=head.method, path="/" + "/".join(head.path),
            status=status,
        )


def note_refusal(head: Head, grant: Grant, caller: Caller, status: int) -> None:
    """Tell of a request that was refused at the gate, or while its body came: a change, or a wrong token."""
    if grant is not NOBODY:
        note(head, grant, caller, status, {})
    elif status == 401 and "authorization" in head.headers:
        audit.warning("wrong token", address=caller.address)
