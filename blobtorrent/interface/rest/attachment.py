"""Names of files in answers, for a client that saves what it gets (RFC 6266). Pure."""

from __future__ import annotations

import re
from urllib.parse import quote

_UNSAFE = re.compile(r"[^A-Za-z0-9._ ()+-]")


def disposition(name: str) -> tuple[str, str]:
    """The header that offers an answer as a file of this name, whatever is in it: a client that reads no UTF-8 gets it
    with underscores."""
    plain = _UNSAFE.sub("_", name)
    encoded = quote(name, safe="", errors="replace")
    return "Content-Disposition", f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
