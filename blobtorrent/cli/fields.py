"""How the fields of the daemon's answers look to people. The end of a field's name says what it holds. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from blobtorrent.cli.output import clean
from blobtorrent.cli.paint import STATE_STYLES, Cell, Style
from blobtorrent.cli.table import Column
from blobtorrent.model.units import format_duration, format_rate, format_size

TIME_FORMAT = "%Y-%m-%d %H:%M"
MAX_TEXT = 1024                        # characters of a cell, where no terminal sets a limit

_TEXTS = frozenset(("name", "download_dir", "labels", "error", "group"))
_HASHES = frozenset(("hash", "info_hash_v1", "info_hash_v2"))


def shown(field: str, value: Any) -> Cell:
    """A value as a cell: sizes and times with units, nothing for null, foreign text made harmless."""
    if value is None:
        return Cell("")
    if field == "state":
        return Cell(clean(str(value)), STATE_STYLES.get(str(value), Style.PLAIN))
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, (int, float)):
        return Cell(_number(field, value))
    if field == "error" and isinstance(value, Mapping):
        return Cell(clean(f"{value.get('message')} ({value.get('code')})"), Style.BAD)
    if field == "peers_from" and isinstance(value, Mapping):
        return Cell(", ".join(
            f"{clean(str(source))} {row.get('connected')} of {row.get('known')}" for source, row in value.items()))
    if isinstance(value, Mapping):
        told = ((clean(str(name)), shown(str(name), member).text) for name, member in value.items())
        return Cell(", ".join(f"{name} {text}" for name, text in told if text))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Cell(clean(", ".join(map(str, value)), MAX_TEXT))
    return Cell(clean(str(value), MAX_TEXT))


def flat(name: str, value: Any) -> Iterator[tuple[str, Cell]]:
    """A value and all that is in it, each with its full name: members of lists count from 0."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from flat(f"{name}.{clean(str(key))}", member)
    elif isinstance(value, list) and any(isinstance(member, (Mapping, list)) for member in value):
        for number, member in enumerate(value):
            yield from flat(f"{name}.{number}", member)
    else:
        yield name, shown(name.rpartition(".")[2], value)


def column_of(field: str) -> Column:
    """The column that a field is shown in."""
    is_number = field.endswith(("_bytes", "_bytes_per_s", "_s", "_connected", "_known")) or field in (
        "ratio", "availability", "priority")
    return Column(title_of(field), is_number=is_number, is_text=field in _TEXTS, importance=field in _HASHES)


def title_of(field: str) -> str:
    """ "down_bytes_per_s" is "DOWN": units stand in the cells."""
    for ending in ("_bytes_per_s", "_bytes", "_at", "_s"):
        if field.endswith(ending) and field != ending:
            field = field[: -len(ending)]
            break
    return field.replace("_", " ").upper()


def local_time(seconds: float) -> str:
    """A time of day on this machine's clock."""
    try:
        return time.strftime(TIME_FORMAT, time.localtime(seconds))
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f} seconds after 1970"


def _number(field: str, value: float) -> str:
    if field.endswith("limit_bytes_per_s") and not value:
        return "none"
    if field.endswith("_bytes_per_s"):
        return format_rate(value)
    if field.endswith("_bytes"):
        return format_size(value)
    if field.endswith("_at"):
        return local_time(value)
    if field.endswith("_s") or field == "seconds":
        return format_duration(value)
    return f"{value:.2f}" if isinstance(value, float) else str(value)
