"""Secrets masked in text that goes to logs: passkeys, tokens and passwords, mostly inside tracker URLs."""

from __future__ import annotations

import re

MASK = "***"

# Names of secrets, not secrets.
_SECRET_NAMES = r"(?:pass_?key|torrent_pass|auth(?:_?key)?|token|api_?key|secret|passw(?:or)?d|authorization|cookie)"  # noqa: S105
_PARAMETER = re.compile(rf"(?i)\b({_SECRET_NAMES}=)[^&\s\"'#;]+")
_HEADER = re.compile(r"(?i)\b((?:authorization|cookie): *)[^\r\n]+")
_BEARER = re.compile(r"(?i)\b(bearer +)[A-Za-z0-9._~+/=-]+")
# No scheme is so long: without a bound each letter of a long word would be tried as the first of one.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://[^\s\"'<>]+")
# What follows is not compiled here: most runs of the program have no URL to tell of.
_PARTS = r"(?s)([A-Za-z][A-Za-z0-9+.-]*://)(?:([^/?#]*)@)?([^/?#]*)([^?#]*)(\??[^#]*)(.*)"
# Private trackers put the passkey into the path or host: /announce/KEY, /KEY/announce.php. No word looks like this.
_PATH_KEY = r"(?<=/)(?:(?=[^/?#]*\d)[A-Za-z0-9_-]{16,}|[A-Za-z]{20,})(?=/|$|\.(?:php|cgi|jsp|aspx?)(?:/|$))"
_HOST_KEY = r"(?<![A-Za-z0-9-])(?=[A-Za-z]*\d)[A-Za-z0-9]{16,}(?=\.)"
# Values have many names: pid, uk, ...; and where files lie they sign who may have them.
_QUERY_NAME = rf"(?i){_SECRET_NAMES}|pid|uk|sig|signature|policy|credential|x-amz-.*|x-goog-.*"
_QUERY_KEY = r"(?=[^&]*\d)[A-Za-z0-9_%~.+/=-]{16,}|[A-Za-z]{20,}"
_ENDS_OF_FILES = (".php", ".cgi", ".jsp", ".asp", ".aspx")
MIN_PART = 8                           # characters of a URL's part that may be a secret when it is seen elsewhere
_WORDS = frozenset(("announce", "tracker", "torrents", "localhost"))


def redact(text: str, *, whole_queries: bool = False) -> str:
    """The text with whatever looks like a secret replaced by `***`.

    That is: the values of parameters and headers with telling names, bearer tokens, user and password of a URL, and
    parts of a URL that are 16 or more letters and digits. With `whole_queries` all values in the query of a URL.
    """
    if "://" in text:
        text = _URL.sub(lambda match: _redact_url(match.group(), whole_queries), text)
    text = _PARAMETER.sub(rf"\g<1>{MASK}", text)
    text = _HEADER.sub(rf"\g<1>{MASK}", text)
    return _BEARER.sub(rf"\g<1>{MASK}", text)


def mask_parts(text: str, url: str) -> str:
    """The text without what may be a secret of this URL: who is asked by it can repeat it in what he says."""
    from urllib.parse import unquote

    match = re.fullmatch(_PARTS, url)
    if match is None:
        return text
    _, user, host, path, query, _ = match.groups("")
    values = (value for part in re.split("[?&]", query) for value in part.partition("=")[::2])
    labels = (label for label in host.split(".") if re.match(_HOST_KEY, f"{label}."))
    stems = (part.rpartition(".")[0] if part.endswith(_ENDS_OF_FILES) else part for part in path.split("/"))
    parts = {part for part in (*re.split(":", user), *labels, *stems, *values)
             if len(part) >= MIN_PART and part.lower() not in _WORDS}
    for part in sorted(parts | {unquote(part) for part in parts}, key=len, reverse=True):
        text = text.replace(part, MASK)
    return text


def _redact_url(url: str, whole_queries: bool) -> str:
    match = re.fullmatch(_PARTS, url)
    if match is None:
        return url
    scheme, user, host, path, query, rest = match.groups()
    values = "&".join(_redact_value(part, whole_queries) for part in query[1:].split("&"))
    host, path = re.sub(_HOST_KEY, MASK, host), re.sub(_PATH_KEY, MASK, path)
    return "".join((scheme, "" if user is None else f"{MASK}@", host, path, query[:1], values, rest))


def _redact_value(parameter: str, is_secret: bool) -> str:
    name, mark, value = parameter.partition("=")
    is_secret = is_secret or re.fullmatch(_QUERY_NAME, name) is not None or re.fullmatch(_QUERY_KEY, value) is not None
    return f"{name}{mark}{MASK}" if value and is_secret else parameter
