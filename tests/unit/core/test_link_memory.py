"""What a link costs that says little: hundreds of them come at once."""

from __future__ import annotations

import gc
import tracemalloc

from blobtorrent.protocol.wire import messages as wire
from tests.support.oneswarm import OneSwarm
from tests.support.payload import KIB
from tests.support.stored import StoredTorrent

LINKS = 200
FEW = 20                               # first: what is made once for all
LINK_BYTES = 3000                      # 2271 with CPython 3.11, 4775 with three deques for each


def test_an_interested_link_costs_little() -> None:
    one = OneSwarm(StoredTorrent([256 * KIB], 32 * KIB), range(8), max_links=2 * LINKS)

    def come(count: int) -> None:
        for _ in range(count):
            one.tell(one.join([0, 1, 2], unchoked=False), wire.Interested())
        one.said()
        one.pass_time(2.0)
        one.said()

    come(FEW)
    gc.collect()
    tracemalloc.start(1)
    try:
        before, _ = tracemalloc.get_traced_memory()
        come(LINKS)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(one.swarm.links) == FEW + LINKS
    assert (after - before) / LINKS < LINK_BYTES
