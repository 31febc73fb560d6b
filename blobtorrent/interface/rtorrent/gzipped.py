"""Compressed answers, for clients that ask for them. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

MIN_BYTES: Final = 512                 # smaller answers go out as they are

_LEVEL = 4                             # twice as fast as the usual one, for a tenth more bytes
_GZIP_WINDOW = 31                      # the largest, with the head of a gzip file


def gzipped(parts: Iterable[bytes]) -> tuple[bytes, ...]:
    """The parts as those of one gzip file. Other threads run meanwhile."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    packed = [packer.compress(part) for part in parts]
    packed.append(packer.flush())
    return tuple(part for part in packed if part)
