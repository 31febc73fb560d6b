"""How telling a hook of an event ended."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import NamedTuple

# Kinds of outcomes, also for collectors.
OK = "ok"
FAILED = "failed"                      # it may work the next time
REFUSED = "refused"                    # it will not
TIMED_OUT = "timed-out"
DROPPED = "dropped"                    # it was never told: there was no room, or no time before the end


class Outcome(NamedTuple):
    """`kind` is one of the above, `detail` says in words how it ended; it may hold foreign text."""

    kind: str
    detail: str = ""

    @property
    def may_retry(self) -> bool:
        return self.kind in (FAILED, TIMED_OUT)
