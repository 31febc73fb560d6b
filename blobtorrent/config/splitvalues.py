"""Readers of the settings of files that are kept in parts. As those in `values`."""

from __future__ import annotations

from blobtorrent.config.values import size
from blobtorrent.model.paths import safe_part
from blobtorrent.model.splitting import MAX_SPLIT_BYTES, MAX_SUFFIX_BYTES, MIN_SPLIT_BYTES


def split_size(value: object) -> int:
    """Bytes of a part; 0: files are not split."""
    read = size(0, MAX_SPLIT_BYTES)(value)
    if 0 < read < MIN_SPLIT_BYTES:
        raise ValueError("must be 0, or at least 16 KiB")
    return read


def part_suffix(value: object) -> str:
    """What stands between the name of a file and the number of its part."""
    try:
        if isinstance(value, str) and len(value.encode()) <= MAX_SUFFIX_BYTES:
            name = f"a{value}"
            if safe_part(name.encode()) == name:
                return value
    except UnicodeEncodeError:
        pass
    raise ValueError(f"must be text of at most {MAX_SUFFIX_BYTES} bytes that may be in the name of a file")
