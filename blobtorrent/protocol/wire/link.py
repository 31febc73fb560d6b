"""The machine of one link (BEP 3): its phases, and four regions of two states: choke and interest, ours and theirs.

What the remote repeats (a second choke) is tolerated, many clients do it; what we repeat is our bug.
"""

from __future__ import annotations

from enum import Enum

from blobtorrent.runtime.machine import Table


class Phase(Enum):
    OPENING = "opening"                # greeted; the peer has not spoken yet
    OPEN = "open"
    DRAINING = "draining"              # nothing new is begun, what is under way may end
    CLOSED = "closed"


class PhaseEvent(Enum):
    SPEAK = "speak"                    # the peer's bitfield, or whatever it sent instead
    DRAIN = "drain"
    CLOSE = "close"


class Choke(Enum):
    CHOKED = "choked"
    UNCHOKED = "unchoked"


class ChokeEvent(Enum):
    CHOKE = "choke"
    UNCHOKE = "unchoke"


class Interest(Enum):
    INDIFFERENT = "indifferent"
    INTERESTED = "interested"


class InterestEvent(Enum):
    WANT = "want"
    LOSE = "lose"


LINK = Table(
    {
        Phase.OPENING: {PhaseEvent.SPEAK: Phase.OPEN, PhaseEvent.DRAIN: Phase.DRAINING, PhaseEvent.CLOSE: Phase.CLOSED},
        Phase.OPEN: {PhaseEvent.DRAIN: Phase.DRAINING, PhaseEvent.CLOSE: Phase.CLOSED},
        Phase.DRAINING: {PhaseEvent.CLOSE: Phase.CLOSED},
    },
    home=Phase.OPEN,
    start=Phase.OPENING,
    ends=(Phase.CLOSED,),
)

CHOKING = Table(
    {Choke.CHOKED: {ChokeEvent.UNCHOKE: Choke.UNCHOKED}, Choke.UNCHOKED: {ChokeEvent.CHOKE: Choke.CHOKED}},
    home=Choke.UNCHOKED,
    start=Choke.CHOKED,
)

INTEREST = Table(
    {
        Interest.INDIFFERENT: {InterestEvent.WANT: Interest.INTERESTED},
        Interest.INTERESTED: {InterestEvent.LOSE: Interest.INDIFFERENT},
    },
    home=Interest.INDIFFERENT,
)


class LinkState:
    """Where one link stands. Methods named `on_x` take what the peer said, the others what we do.

    Ours raise IllegalTransition when they change nothing: the caller asks first. A link starts choked and without
    interest on both sides.
    """

    __slots__ = ("_our_choke", "_our_interest", "_peer_choke", "_peer_interest", "phase")

    def __init__(self) -> None:
        self.phase = LINK.start
        self._our_choke = self._peer_choke = CHOKING.start
        self._our_interest = self._peer_interest = INTEREST.start

    @property
    def am_choking(self) -> bool:
        return self._our_choke is Choke.CHOKED

    @property
    def am_interested(self) -> bool:
        return self._our_interest is Interest.INTERESTED

    @property
    def peer_choking(self) -> bool:
        return self._peer_choke is Choke.CHOKED

    @property
    def peer_interested(self) -> bool:
        return self._peer_interest is Interest.INTERESTED

    def choke(self) -> None:
        self._our_choke = CHOKING.next(self._our_choke, ChokeEvent.CHOKE)

    def unchoke(self) -> None:
        self._our_choke = CHOKING.next(self._our_choke, ChokeEvent.UNCHOKE)

    def want(self) -> None:
        """We tell the peer that we are interested."""
        self._our_interest = INTEREST.next(self._our_interest, InterestEvent.WANT)

    def lose_interest(self) -> None:
        self._our_interest = INTEREST.next(self._our_interest, InterestEvent.LOSE)

    def on_choke(self) -> bool:
        """False when it was choking us already."""
        return self._on_peer_choke(ChokeEvent.CHOKE)

    def on_unchoke(self) -> bool:
        """False when it was not choking us."""
        return self._on_peer_choke(ChokeEvent.UNCHOKE)

    def on_interested(self) -> bool:
        """False when it was interested already."""
        return self._on_peer_interest(InterestEvent.WANT)

    def on_not_interested(self) -> bool:
        """False when it was not interested."""
        return self._on_peer_interest(InterestEvent.LOSE)

    def on_message(self) -> None:
        """The peer spoke. Keep-alives and extended messages do not count: they may come first (BEP 10)."""
        if self.phase is Phase.OPENING:
            self.phase = LINK.next(self.phase, PhaseEvent.SPEAK)

    def drain(self) -> None:
        self.phase = LINK.next(self.phase, PhaseEvent.DRAIN)

    def close(self) -> None:
        self.phase = LINK.next(self.phase, PhaseEvent.CLOSE)

    def _on_peer_choke(self, event: ChokeEvent) -> bool:
        changes = CHOKING.can(self._peer_choke, event)
        if changes:
            self._peer_choke = CHOKING.next(self._peer_choke, event)
        return changes

    def _on_peer_interest(self, event: InterestEvent) -> bool:
        changes = INTEREST.can(self._peer_interest, event)
        if changes:
            self._peer_interest = INTEREST.next(self._peer_interest, event)
        return changes
