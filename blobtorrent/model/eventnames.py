"""What events are called outside the program: in feeds, hooks and settings. The names are stable."""

from __future__ import annotations

import re
from typing import Any, get_args

from blobtorrent.model.events import Event, Gap, PieceVerified

EVENT_NAMES: dict[type[Any], str] = {
    kind: re.sub(r"\B[A-Z]", r"-\g<0>", kind.__name__).lower() for kind in get_args(Event)
}
GAP = EVENT_NAMES[Gap]
PIECE_VERIFIED = EVENT_NAMES[PieceVerified]        # far more frequent than all others: told only to who names it
HOOK_EVENTS = tuple(name for name in EVENT_NAMES.values() if name not in (GAP, PIECE_VERIFIED))
