"""Addresses of trackers and web seeds as torrents and magnet links give them: which may be kept, and in what form.

A kept URL is printable ASCII without spaces, of a scheme that we speak, with a host and a sane port: it can stand in a
request line, a log and a terminal. Whether its host may be contacted is decided when it is resolved, not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

TRACKER_SCHEMES = frozenset(("http", "https", "udp"))
WEB_SEED_SCHEMES = frozenset(("http", "https"))

MAX_URL_BYTES = 2048
MAX_TRACKERS = 200                     # of one torrent; a file may list thousands, to use us as an amplifier
MAX_WEB_SEEDS = 100

_URL = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_AUTHORITY = re.compile(rb"(?:[^@\s\[\]]*@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
_TO_ESCAPE = re.compile(rb"[^\x21-\x7e]")
_MARKS = (b"@", b":", b"[", b"]")


def usable_url(raw: bytes, schemes: frozenset[str]) -> str | None:
    """The URL in the form described above, or None if it cannot be used.

    Spaces and bytes beyond ASCII are percent-encoded, a host beyond ASCII is written in its IDNA form.
    """
    raw = raw.strip()
    match = _URL.fullmatch(raw) if len(raw) <= MAX_URL_BYTES and not _CONTROLS.search(raw) else None
    if match is None:
        return None
    scheme, authority, rest = match.group(1).decode().lower(), _ascii_authority(match.group(2)), match.group(3)
    if scheme not in schemes or authority is None:
        return None
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or not _is_host(parts.group(1).decode()):
        return None
    port = int(parts.group(2) or 0)
    if port > 0xffff or (port == 0 and (scheme == "udp" or parts.group(2))):
        return None
    escaped = _TO_ESCAPE.sub(lambda character: b"%%%02X" % character.group()[0], rest)
    url = f"{scheme}://{authority.decode()}{escaped.decode()}"
    return url if len(url) <= MAX_URL_BYTES else None      # so that what was kept is usable when it is read again


def authority_of(url: str) -> str:
    """Host and port of any text that was taken for a URL, in small letters; empty when it has none. Never fails:
    records of earlier versions hold URLs that are not usable any more."""
    return re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0].rpartition("@")[2].lower()


def host_of(url: str) -> str:
    """The same without the port; an IPv6 address without its brackets."""
    authority = authority_of(url)
    return authority[1:].partition("]")[0] if authority.startswith("[") else authority.partition(":")[0]


def usable_tiers(tiers: Iterable[Iterable[bytes]]) -> tuple[tuple[str, ...], ...]:
    """Tracker tiers (BEP 12) without unusable and repeated URLs, without empty tiers, at most MAX_TRACKERS in all."""
    seen: set[str] = set()
    kept = []
    for tier in tiers:
        urls = []
        for raw in tier:
            url = usable_url(raw, TRACKER_SCHEMES)
            if url is not None and url not in seen and len(seen) < MAX_TRACKERS:
                seen.add(url)
                urls.append(url)
        if urls:
            kept.append(tuple(urls))
    return tuple(kept)


def usable_web_seeds(urls: Iterable[bytes]) -> tuple[str, ...]:
    """Web seeds (BEP 19) without unusable and repeated URLs, at most MAX_WEB_SEEDS."""
    usable = (usable_url(raw, WEB_SEED_SCHEMES) for raw in urls)
    return tuple(dict.fromkeys(url for url in usable if url is not None))[:MAX_WEB_SEEDS]


def _is_host(host: str) -> bool:
    """Whether what stands in brackets is an IPv6 address: others fail far from here, in who takes the URL apart."""
    if not host.startswith("["):
        return True
    from ipaddress import IPv6Address

    try:
        IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True


def _ascii_authority(authority: bytes) -> bytes | None:
    if authority.isascii():
        return authority
    try:
        encoded = authority.decode("utf-8").encode("idna")
    except UnicodeError:
        return None
    # Wide forms of delimiters become delimiters: who saw one host would be sent to another.
    return encoded if all(encoded.count(mark) == authority.count(mark) for mark in _MARKS) else None
