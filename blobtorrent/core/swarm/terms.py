"""Terms: a choice of the picker explained. A value."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import NamedTuple


class Terms(NamedTuple):
    """What makes a piece worth taking, each as it counts. `temperature` is what a difference is compared with."""

    rarity: float
    sequence: float
    open_files: float
    extent: float
    suggested: float
    temperature: float
    priority: int                      # of its file: pieces of a higher one come first, whatever they are worth
    peers: int                         # that have it, seeds not counted
    is_guarded: bool                   # so few have it that nothing else counts

    @property
    def utility(self) -> float:
        return self.rarity + self.sequence + self.open_files + self.extent + self.suggested
