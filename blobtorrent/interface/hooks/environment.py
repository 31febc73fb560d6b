"""What a program of a hook finds in its environment: little of ours, and the event. Pure.

No part of an event ever gets into a command line: names are written by strangers, and shells read between the lines.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

PREFIX = "BLOBTORRENT_"
PASSED_ON = ("HOME", "USER", "LOGNAME", "TZ", "TMPDIR")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_VALUE = 16 << 10                   # characters of one variable: the system limits them all together

_NAMES = {"type": "EVENT"}             # of fields that are called otherwise


def environment_of(fields: Mapping[str, Any], inherited: Mapping[str, str], path: str | None = None) -> dict[str, str]:
    """The whole environment. `fields` are those of the event, `path` is where its torrent's content lies."""
    environ = {"PATH": PATH, "LANG": "C.UTF-8"}
    environ |= {name: inherited[name] for name in PASSED_ON if name in inherited}
    told = fields if path is None else {**fields, "path": path}
    for name, value in told.items():
        if value is not None:
            environ[PREFIX + _NAMES.get(name, name.upper())] = _text(value)
    return environ


def _text(value: Any) -> str:
    """As one string that an environment can hold: lists with commas between, no NUL, nothing that has no bytes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    text = text[:MAX_VALUE].replace("\0", "\N{REPLACEMENT CHARACTER}")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
    return text
