"""Trust: whose word a command is."""

from __future__ import annotations

from enum import IntEnum


class Trust(IntEnum):
    """What a caller may have run in its name. It holds for everything nested in what it sent."""

    SAFE = 0        # only commands that are marked safe, as rTorrent 0.16 does for UNTRUSTED_CONNECTION
    NO_CODE = 1     # all but what runs programs or defines what is run later
    FULL = 2
