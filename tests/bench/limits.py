"""The row about limits: how near 10 seconds of a limited transfer come to the limit, and what a limit costs.

The cost is that of a limit that is never reached: all of the machinery, and the same bytes as without.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.contestants import OURS
from tests.bench.ground import GIB, RUN_TIMEOUT_S, Ground, note
from tests.bench.results import Better, Measure
from tests.support.payload import KIB, MIB
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.metered import Blank, MeteredPeer, make_blank, rates

SECONDS, SETTLE_S = 10.0, 2.0
RATES = {"100 KiB/s": 100 * KIB, "50 MiB/s": 50 * MIB}
UNLIMITED = "unlimited"
NEVER_REACHED = 1 << 40                # bytes a second


def limits(ground: Ground) -> list[Measure]:
    measures = [_accuracy(ground, name, rate, role) for name, rate in RATES.items() for role in Role]
    return [*measures, *[_cost(ground, role) for role in Role]]


def _accuracy(ground: Ground, name: str, rate: int, role: Role) -> Measure:
    direction = "down" if role is Role.LEECH else "up"
    measure = Measure(f"{direction} at {name}", "% off", Better.LOWER, 5.0, 2.0)
    for number in range(ground.runs):
        with TemporaryDirectory(dir=ground.content) as work, ExitStack() as stack:
            piece_length = 64 * KIB if rate < MIB else MIB
            pieces = int(rate * (SECONDS + SETTLE_S) * 1.5) // piece_length
            blank = make_blank(Path(work), "blank", pieces * piece_length, piece_length)
            peer, _ = _meet(ground, stack, blank, role, f"limits.{direction}_bytes_per_s={rate}")
            (measured,) = rates([peer], SECONDS, SETTLE_S)
        measure.add(OURS, abs(measured / rate - 1) * 100)
        note(f"{measure.work}: run {number + 1}: {measured / KIB:.1f} KiB/s")
    return measure


def _cost(ground: Ground, role: Role) -> Measure:
    direction = "down" if role is Role.LEECH else "up"
    measure = Measure(f"{direction}, limit never reached", "CPU s/GiB", Better.LOWER, 1.1, 1.0, against=UNLIMITED)
    with TemporaryDirectory(dir=ground.content) as work:
        blank = make_blank(Path(work), "blank", ground.size, MIB)
        for number in range(ground.runs):
            sides = [(OURS, NEVER_REACHED), (UNLIMITED, 0)]
            for name, rate in sides if number % 2 else reversed(sides):
                with ExitStack() as stack:
                    peer, us = _meet(ground, stack, blank, role, f"limits.{direction}_bytes_per_s={rate}")
                    if role is Role.LEECH:
                        us.wait_complete(RUN_TIMEOUT_S)
                    else:
                        peer.wait_complete(RUN_TIMEOUT_S)
                        us.mark_complete()
                measure.add(name, us.transfer.cpu_s * GIB / ground.size)
            note(f"{measure.work}: run {number + 1}: "
                 + ", ".join(f"{name} {values[-1]:.2f}" for name, values in measure.runs.items()))
    return measure


def _meet(
    ground: Ground, stack: ExitStack, blank: Blank, role: Role, setting: str
) -> tuple[MeteredPeer, BlobTorrentGet]:
    """Ours in this role, and libtorrent in the other, about to begin."""
    (folder,) = stack.enter_context(ground.landing())
    if role is Role.LEECH:
        peer = stack.enter_context(MeteredPeer(blank, blank.folder, is_seed=True))
        job = Job(role, blank.torrent, folder, blank.info_hash, peers=(peer.endpoint,))
        return peer, stack.enter_context(BlobTorrentGet(job, options=("--set", setting)))
    job = Job(role, blank.torrent, blank.folder, blank.info_hash)
    us = stack.enter_context(BlobTorrentGet(job, options=("--set", setting)))
    peer = stack.enter_context(MeteredPeer(blank, folder, is_seed=False))
    us.mark_begin()
    peer.fetch_from(us.endpoint)
    return peer, us
