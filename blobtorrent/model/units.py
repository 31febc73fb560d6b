"""Sizes, rates and durations as people write and read them.

Binary units (KiB, MiB, GiB, TiB, PiB) are powers of 1024, decimal ones (kB, MB, GB, TB, PB) powers of 1000. A bare
letter (K, M, G, T, P) is binary, as in other BitTorrent programs.
"""

from __future__ import annotations

import re

from blobtorrent.model.errors import Invalid

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgtp]?)(i?b)?\s*", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|w)\s*", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BINARY_NAMES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")

MAX_SIZE = 1 << 53                     # beyond this a float loses bytes
MAX_TEXT = 64                          # characters; nobody writes a longer quantity


def parse_size(text: str) -> int:
    """Bytes from "65536", "64 KiB", "64K", "1.5 GB". Raises Invalid ("units.bad-size")."""
    match = _SIZE.fullmatch(text) if len(text) <= MAX_TEXT else None
    if not match:
        raise Invalid("units.bad-size", f"not a size: {text!r}; write for instance 65536, \"64 KiB\" or \"1.5 GB\"")
    number, prefix, suffix = match.group(1), match.group(2).lower(), (match.group(3) or "").lower()
    factor: int = (1000 if prefix and suffix == "b" else 1024) ** _POWERS[prefix]
    size = round(float(number) * factor) if "." in number else int(number) * factor
    if size > MAX_SIZE:
        raise Invalid("units.bad-size", f"size too large: {text!r}")
    return size


def parse_rate(text: str) -> int:
    """Bytes a second from a size with or without "/s". Raises Invalid ("units.bad-size")."""
    stripped = text.strip()
    return parse_size(stripped[:-2] if stripped.lower().endswith("/s") else stripped)


def parse_duration(text: str) -> float:
    """Seconds from "90", "1.5h", "1h 30m", "2d". Raises Invalid ("units.bad-duration")."""
    stripped = text.strip()
    if len(stripped) <= MAX_TEXT:
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", stripped, re.ASCII):
            return float(stripped)
        parts = _DURATION.findall(stripped)
        if parts and not _DURATION.sub("", stripped):
            return sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts)
    raise Invalid("units.bad-duration", f"not a duration: {text!r}; write for instance 90, \"90s\" or \"1h 30m\"")


def format_size(size: float) -> str:
    """"0 B", "16.0 KiB", "1.5 GiB": binary units, one decimal from KiB up."""
    value, unit = float(size), 0
    while abs(value) >= 1023.95 and unit < len(_BINARY_NAMES) - 1:
        value /= 1024
        unit += 1
    return f"{value:.0f} B" if unit == 0 else f"{value:.1f} {_BINARY_NAMES[unit]}"


def format_rate(bytes_per_s: float) -> str:
    """"12.3 MiB/s"."""
    return f"{format_size(bytes_per_s)}/s"


def format_duration(seconds: float) -> str:
    """"12s", "3m 04s", "2h 05m", "4d 03h": the two largest units."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02}h"
