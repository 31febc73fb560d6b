"""Secrets masked in text that goes to logs: passkeys, tokens and passwords, mostly inside tracker URLs."""

from __future__ import annotations

import re

MASK = "***"

_SECRET_NAMES = r"(?:pass_?key|torrent_pass|auth(?:_?key)?|token|api_?key|secret|passw(?:or)?d|authorization|cookie)"
_PARAMETER = re.compile(rf"(?i)\b({_SECRET_NAMES}=)[^&\s\"'#;]+")
_HEADER = re.compile(r"(?i)\b((?:authorization|cookie): *)[^\r\n]+")
_BEARER = re.compile(r"(?i)\b(bearer +)[A-Za-z0-9._~+/=-]+")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
# Private trackers put the passkey into the path: /announce/KEY, /KEY/announce. No word of a path looks like this.
_PATH_KEY = re.compile(r"(?<=/)(?=[^/?#]*\d)[A-Za-z0-9_-]{16,}(?=[/?#]|$)")
_QUERY_KEY = re.compile(r"(?<==)(?=[^&#]*\d)[A-Za-z0-9_-]{16,}(?=[&#]|$)")       # they have many names: pid, uk, ...


def redact(text: str) -> str:
    """The text with whatever looks like a secret replaced by `***`.

    That is: the values of parameters and headers with telling names, bearer tokens, user and password of a URL, and
    path segments and values of 16 or more letters and digits in a URL.
    """
    if "://" in text:
        text = _URL.sub(_redact_url, text)
    text = _PARAMETER.sub(rf"\g<1>{MASK}", text)
    text = _HEADER.sub(rf"\g<1>{MASK}", text)
    return _BEARER.sub(rf"\g<1>{MASK}", text)


def _redact_url(match: re.Match[str]) -> str:
    url = _USER_INFO.sub(f"{MASK}@", match.group())
    path, mark, query = url.partition("?")
    return _PATH_KEY.sub(MASK, path) + mark + _QUERY_KEY.sub(MASK, query)
