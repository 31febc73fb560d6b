"""Turn: what the choker goes by at one link, and what it decided there: what came and went lately, and whether the peer
may ask for data, since when, and why. Pure.
"""

from __future__ import annotations

from blobtorrent.model.reach import region_of, subnet_of

RATE_S = 20.0                          # rates are means of so long: peers that give in bursts are no worse for it
SLEEP_S = 5.0                          # who takes nothing for so long has a slot for nothing
REMEMBERED = 8                         # changes of one link

# Why a peer may ask for data, and why it may not.
FREE_SLOT, GIVES_MOST, TAKES_FASTEST, ON_TRIAL, ITS_TURN, BEGINS_OR_ENDS = (
    "free-slot", "gives-most", "takes-fastest", "on-trial", "its-turn", "begins-or-ends")
NOT_INTERESTED, DENIED, NO_SLOTS, OTHERS_BETTER, TURN_OVER, SNUBS, WAITS = (
    "not-interested", "denied", "no-slots", "others-better", "turn-over", "snubs", "waits")

Change = tuple[float, bool, str]       # when, whether it may ask for data since then, why


class Turn:
    """Of one link since it joined, at `now`; its peer is at `host`."""

    __slots__ = ("_host", "_marks", "_region", "_subnet", "gave_at", "given_per_s", "history", "is_asleep",
                 "is_optimistic", "sent_before", "taken_per_s")

    def __init__(self, now: float, host: str = "") -> None:
        self._host = host
        self._subnet: str | None = None
        self._region: str | None = None
        # These are short, and a deque takes 800 bytes for the first of them.
        self.history: list[Change] = [(now, False, NOT_INTERESTED)]    # the last few
        self.is_optimistic = False
        self.is_asleep = False         # it may ask for data for a while, and takes none
        self.gave_at = now             # a block came last, or there was no reason that one should
        self.given_per_s = 0.0
        self.taken_per_s = 0.0
        self.sent_before = 0           # bytes, until its turn began
        self._marks: list[tuple[float, int, int]] = [(now, 0, 0)]

    @property
    def subnet(self) -> str:
        """Of its peers, only one has a slot while others wait: whoever has one address there has many."""
        if self._subnet is None:
            self._subnet = subnet_of(self._host) if self._host else ""
        return self._subnet

    @property
    def region(self) -> str:
        """What its owner rents many subnets of; empty where that is no matter. Its peers have a share of the slots."""
        if self._region is None:
            self._region = region_of(self._host) if self._host else ""
        return self._region

    @property
    def cause(self) -> str:
        return self.history[-1][2]

    @property
    def was_served(self) -> bool:
        """It had a slot, as far as that is remembered."""
        return any(is_unchoked for _, is_unchoked, _ in self.history)

    @property
    def since(self) -> float:
        """When it was choked or unchoked last."""
        since, is_unchoked = self.history[-1][:2]
        for at, state, _ in reversed(self.history):
            if state is not is_unchoked:
                break
            since = at
        return since

    def measure(self, received: int, sent: int, now: float, *, takes_nothing: bool = False) -> None:
        """These are its totals in bytes now, once a round; `takes_nothing`: it may ask for data, and none is on its way
        that it would take."""
        marks = self._marks
        self.is_asleep = takes_nothing and now - self.since >= SLEEP_S and sent == marks[-1][2]
        marks.append((now, received, sent))
        while len(marks) > 2 and marks[1][0] <= now - RATE_S:
            del marks[0]
        at, received_then, sent_then = marks[0]
        elapsed_s = max(1.0, now - at)
        self.given_per_s = (received - received_then) / elapsed_s
        self.taken_per_s = (sent - sent_then) / elapsed_s

    def note(self, now: float, sent: int, cause: str, *, is_unchoked: bool) -> None:
        """The peer may ask for data, or may not, from now on or as before."""
        _, was_unchoked, last_cause = self.history[-1]
        if is_unchoked and not was_unchoked:
            self.sent_before = sent
        if (was_unchoked, last_cause) != (is_unchoked, cause):
            if was_unchoked is is_unchoked and len(self.history) == REMEMBERED:
                self.history[-1] = (self.history[-1][0], is_unchoked, cause)   # the change itself is worth more
            else:
                self.history.append((now, is_unchoked, cause))
                del self.history[:-REMEMBERED]
