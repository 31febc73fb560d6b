"""Players: somebody who watches what a node fetches, from the first piece on, at a steady pace."""

from __future__ import annotations

from math import inf

from tests.simulation.swarmlab.events import US
from tests.simulation.swarmlab.node import LabNode

BEGINS_WITH = 5                        # pieces, before the picture starts
CATCHES_UP_WITH = 2                    # ... and after it stopped
ALL_BEGIN_AFTER_S = 60.0               # who compares ways to fetch has the picture start at one time with all of them


class Player:
    """Watches to the end. Times are seconds."""

    def __init__(self, node: LabNode, pieces_per_s: float) -> None:
        self.node = node
        self.started_after: float | None = None
        self.stalls = 0
        self.stalled_s = 0.0
        self.is_over = False
        self._step_us = int(US / pieces_per_s)
        self._place = 0                # the piece that is played next
        self._stopped_at: float | None = None
        self._look_us = US // 10

    def stalled_if_begun_after(self, delay_s: float) -> float:
        """Seconds for which somebody beside us would have waited who began so long after the node had joined.

        Who begins later stalls less: only with one time to begin the stalls of several ways to fetch can be compared.
        """
        node = self.node
        here_at = {index: at for at, index in node.written}
        last = node.torrent.geometry.num_pieces
        now = node.joined_at + delay_s
        stalled_s = 0.0
        for place in range(last):
            if here_at.get(place, inf) > now:
                ready_at = max(here_at.get(index, node.events.now)
                               for index in range(place, min(last, place + CATCHES_UP_WITH)))
                stalled_s += max(0.0, ready_at - now)
                now = max(now, ready_at)
            now += self._step_us / US
        return stalled_s

    def start(self) -> None:
        self._read()
        self._look()

    def _read(self) -> None:
        self.node.swarm.picker.reading.read_from(self, self._place)

    def _look(self) -> None:
        """Wait until there is enough to begin, or to go on."""
        node = self.node
        if node.is_gone:
            self.is_over = True
            return
        wanted = BEGINS_WITH if self.started_after is None else CATCHES_UP_WITH
        have, last = node.swarm.pieces.have, node.torrent.geometry.num_pieces
        if all(index in have for index in range(self._place, min(last, self._place + wanted))):
            now = node.events.now
            if self.started_after is None:
                self.started_after = now - node.joined_at
            elif self._stopped_at is not None:
                self.stalled_s += now - self._stopped_at
                self._stopped_at = None
            self._play()
        else:
            node.events.after(self._look_us, self._look)

    def _play(self) -> None:
        """Show one piece."""
        node = self.node
        if self._place == node.torrent.geometry.num_pieces:
            node.swarm.picker.reading.leave(self)
            self.is_over = True
        elif self._place in node.swarm.pieces.have:
            self._place += 1
            self._read()
            node.events.after(self._step_us, self._play)
        else:
            self.stalls += 1
            self._stopped_at = node.events.now
            self._look()
