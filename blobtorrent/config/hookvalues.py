"""Readers of the settings of hooks: what they are told of, and whom they tell. As those in `values`."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from blobtorrent.config.values import label
from blobtorrent.model.eventnames import HOOK_EVENTS

MAX_COMMAND = 32 << 10                 # bytes of a command line
_URL_CHARACTERS = r"[!-~]{1,4096}"
_HOST = r"[A-Za-z0-9._:-]+"


def hook_events(value: object) -> tuple[str, ...]:
    """A list of names of events, at least one."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"must be a list of events: {', '.join(HOOK_EVENTS)}")
    for name in value:
        if name not in HOOK_EVENTS:
            raise ValueError(f"holds {name!r}, which is none of {', '.join(HOOK_EVENTS)}")
    return tuple(dict.fromkeys(value))


def labels(value: object) -> tuple[str, ...]:
    """A list of labels of torrents."""
    if not isinstance(value, list):
        raise ValueError("must be a list of labels")
    return tuple(dict.fromkeys(_label(item) for item in value))


def command(value: object) -> tuple[str, ...]:
    """A program with an absolute path, and its arguments; may be empty. It is never given to a shell."""
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError("must be a list of texts: the path of a program, and its arguments")
    if value and not os.path.isabs(value[0]):
        raise ValueError(f"holds {value[0]!r}, which is not an absolute path")
    try:
        size = sum(len(os.fsencode(word)) + 1 for word in value)
    except UnicodeEncodeError as error:
        raise ValueError(f"holds what cannot be an argument: {error}") from None
    if size > MAX_COMMAND or any("\0" in word for word in value):
        raise ValueError(f"must have no NUL character, and be no longer than {MAX_COMMAND} bytes")
    return tuple(value)


def web_address(value: object) -> str:
    """An http or https URL; may be empty."""
    if value == "":
        return ""
    if not isinstance(value, str) or not re.fullmatch(_URL_CHARACTERS, value):
        raise ValueError("must be a URL of printable ASCII characters")
    try:
        parts = urlsplit(value)
        is_good = parts.scheme in ("http", "https") and parts.port != 0 and "@" not in parts.netloc
        host = parts.hostname or ""
    except ValueError:
        is_good, host = False, ""
    if not is_good or not re.fullmatch(_HOST, host) or parts.fragment:
        raise ValueError("must be a URL such as https://HOST/PATH, without a user and without #")
    return value


def _label(value: object) -> str:
    text = label(value)
    if not text:
        raise ValueError("holds an empty label")
    return text
