"""Traffic: what links moved, by what they run over. Bumped once a second on the shard's thread; anybody may read."""

from __future__ import annotations


class Traffic:
    """Bytes of payload. `received` and `sent` have "tcp" and "utp"."""

    def __init__(self) -> None:
        self.received = {"tcp": 0, "utp": 0}
        self.sent = {"tcp": 0, "utp": 0}

    def add(self, transport: str, received: int, sent: int) -> None:
        self.received[transport] += received
        self.sent[transport] += sent
