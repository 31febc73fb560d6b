"""RequestWindow: how many blocks one link may have asked for at once.

Deep enough that the peer never runs dry, bounded so that a choke or a slow peer does not hold half the torrent. It
doubles while that brings more, then follows the measured rate. Pure; owned by a link.
"""

from __future__ import annotations

START_BLOCKS = 32
MIN_BLOCKS = 2
MAX_BLOCKS = 512                       # 8 MiB
SECONDS_AHEAD = 1.5                    # of the measured rate
DEFAULT_PEER_QUEUE = 250               # `reqq` of a peer that does not say (BEP 10)


class RequestWindow:
    """`size` is in blocks of 16 KiB."""

    __slots__ = ("_round", "peer_queue", "rate_blocks_per_s", "size")

    def __init__(self) -> None:
        self.size = START_BLOCKS
        self.peer_queue = DEFAULT_PEER_QUEUE
        self.rate_blocks_per_s = 0.0
        self._round = 0

    @property
    def limit(self) -> int:
        return min(MAX_BLOCKS, self.peer_queue)

    def on_peer_queue(self, requests: int) -> None:
        """The peer says how many requests it queues; it drops what is above (BEP 10)."""
        self.peer_queue = requests
        self.size = min(self.size, self.limit)

    def on_blocks(self, count: int) -> None:
        """Blocks came: a whole window's worth means that the peer keeps up, so ask for more at once."""
        self._round += count
        if self._round >= self.size:
            self._round = 0
            self.size = min(self.limit, self.size * 2)

    def on_tick(self, blocks: int, elapsed_s: float) -> None:
        """About once a second: follow the rate down when the window is far deeper than the rate needs."""
        self.rate_blocks_per_s += 0.4 * (blocks / elapsed_s - self.rate_blocks_per_s)
        self._round = 0
        needed = int(self.rate_blocks_per_s * SECONDS_AHEAD) + START_BLOCKS
        if needed < self.size:
            self.size = needed

    def on_snub(self) -> None:
        """The peer let requests rot: trust it with one at a time until blocks come again."""
        self.size = min(MIN_BLOCKS, self.limit)
        self._round = 0
