"""uTP on paths of many kinds, in virtual time: it uses them, keeps queues short, gives way to TCP, shares fairly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from blobtorrent.protocol.utp.exchange import SPARE_BYTES
from blobtorrent.protocol.utp.node import UtpNode
from blobtorrent.protocol.utp.sending import BUFFER_BYTES
from blobtorrent.protocol.utp.stream import UtpStream
from tests.simulation.swarmlab.events import US
from tests.simulation.utplab.pipe import Pipe
from tests.simulation.utplab.reno import Reno
from tests.simulation.utplab.world import BLOCK, Host, Lab

ROOT = Path(__file__).parents[2]
RATE = 400_000.0                       # bytes a second of the bottleneck
WIDE = 1e8
TARGET_S = 0.1
DIGEST = "from tests.simulation import test_utp; print(test_utp.odd_path(3).digest)"


def pair(lab: Lab, there: Pipe, delay_s: float, back: Pipe | None = None) -> tuple[Host, Host]:
    """Two hosts; the way back is wide when it is not given."""
    one, other = lab.host(), lab.host()
    lab.join(one, other, there, back or Pipe(lab.events, WIDE, delay_s))
    return one, other


def at(share: float, waits: list[float]) -> float:
    return waits[int(len(waits) * share)]


@pytest.mark.parametrize("delay_s", [0.005, 0.025, 0.15])
def test_a_bloated_queue_stays_near_its_target_and_the_path_is_used(delay_s):
    lab = Lab()
    there = Pipe(lab.events, RATE, delay_s, buffer_s=5.0)
    sender, receiver = pair(lab, there, delay_s)
    sender.connect(receiver)
    lab.run_to(50.0)
    waits = there.waits(15.0, 50.0)
    assert at(0.95, waits) <= 1.5 * TARGET_S
    assert max(there.waits(0.0, 15.0)) <= 3 * TARGET_S, "nor does the beginning flood it"
    assert receiver.received.between(15.0, 50.0) >= 0.85 * 35 * RATE
    assert receiver.received.between(0.0, 15.0) >= 0.6 * 15 * RATE


def test_a_path_that_is_long_and_wide_gets_larger_buffers_at_both_ends():
    lab = Lab()
    there = Pipe(lab.events, 8e6, 0.15)
    sender, receiver = pair(lab, there, 0.15)
    stream = sender.connect(receiver)
    lab.run_to(1.0)
    (other,) = receiver.node._streams.values()
    other.write(b"go on")              # its acknowledgement tells how long the way is
    receiver.pump()
    lab.run_to(12.0)
    spare = sender.node._exchange.spare_bytes, receiver.node._exchange.spare_bytes
    assert max(spare) < SPARE_BYTES
    assert receiver.received.between(9.0, 12.0) >= 1.7 * 3.0 * BUFFER_BYTES / 0.3
    assert stream.stats.retransmits == there.dropped
    stream.abort(sender.now)
    sender.pump()
    lab.run_to(13.0)
    assert (sender.node._exchange.spare_bytes, receiver.node._exchange.spare_bytes) == (SPARE_BYTES, SPARE_BYTES)


@pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
def test_beside_a_tcp_that_fills_the_queue_it_takes_little(is_first):
    lab = Lab()
    there, back = Pipe(lab.events, RATE, 0.025, buffer_s=0.5), Pipe(lab.events, WIDE, 0.025)
    sender, receiver = pair(lab, there, 0.025, back)
    tcp = Reno(lab.events, there, back)
    lab.events.at(0 if is_first else 10 * US, lambda: sender.connect(receiver) and None)
    lab.events.at(10 * US if is_first else 0, tcp.begin)
    lab.run_to(80.0)
    ours, theirs = receiver.received.between(25.0, 80.0), tcp.received.between(25.0, 80.0)
    assert ours < 0.2 * (ours + theirs)
    assert ours + theirs > 0.9 * 55 * RATE
    assert receiver.ended == []


@pytest.mark.parametrize("delay_s", [0.005, 0.1])
def test_who_comes_late_gets_its_share_and_leaves_the_other_its_own(delay_s):
    lab = Lab()
    there = Pipe(lab.events, RATE, delay_s, buffer_s=5.0)
    first, its_peer = pair(lab, there, delay_s)
    late, late_peer = pair(lab, there, delay_s)
    first.connect(its_peer)
    lab.events.at(20 * US, lambda: late.connect(late_peer) and None)
    lab.run_to(100.0)
    early, after = its_peer.received.between(40.0, 100.0), late_peer.received.between(40.0, 100.0)
    assert min(early, after) >= (early + after) / 3
    assert early + after > 0.85 * 60 * RATE
    assert at(0.95, there.waits(40.0, 100.0)) <= 1.5 * TARGET_S


@pytest.mark.parametrize("delay_s", [0.01, 0.1])
def test_a_queue_shorter_than_the_target_overflows_now_and_then_and_the_path_is_used(delay_s):
    lab = Lab()
    there = Pipe(lab.events, RATE, delay_s, buffer_s=0.06)
    sender, receiver = pair(lab, there, delay_s)
    sender.connect(receiver)
    lab.run_to(60.0)
    assert there.dropped > 0
    assert receiver.received.between(15.0, 60.0) >= 0.6 * 45 * RATE
    assert receiver.ended == []


@pytest.mark.parametrize(
    ("loss", "delay_s", "least_bytes_per_s"),
    [(0.0, 0.15, 150_000), (0.001, 0.025, 200_000), (0.01, 0.005, 250_000), (0.01, 0.05, 60_000), (0.05, 0.05, 15_000),
     (0.1, 0.005, 40_000), (0.1, 0.15, 2_500)],
)
def test_a_path_that_loses_packets_slows_it_and_stops_it_never(loss, delay_s, least_bytes_per_s):
    lab = Lab()
    there = Pipe(lab.events, RATE, delay_s, loss=loss)
    sender, receiver = pair(lab, there, delay_s, Pipe(lab.events, WIDE, delay_s, loss=loss, seed=2))
    size = least_bytes_per_s * 30
    sender.connect(receiver, size)
    lab.run_to(30.0)
    assert receiver.received.total == size
    lab.run_to(60.0)
    assert (sender.ended, receiver.ended) == ([None], [None])


def test_bursts_whose_last_packets_are_lost_rarely_wait_for_a_time_out():
    """Nothing comes behind them that would tell."""
    lab = Lab()
    sender, receiver = pair(lab, Pipe(lab.events, 1e7, 0.02, loss=0.04), 0.02)
    stream = sender.node.connect(receiver.endpoint, sender.now)
    sender.pump()
    lab.run_to(1.0)
    time_s, wanted, took_s = 1.0, 0, []
    for _ in range(150):
        began_s = time_s
        wanted += stream.write(BLOCK[:6000])
        sender.pump()
        while receiver.received.total < wanted:
            time_s += 0.01
            lab.run_to(time_s)
        took_s.append(time_s - began_s)
        time_s += 0.1
        lab.run_to(time_s)
    took_s.sort()
    assert at(0.5, took_s) < 0.1
    assert sum(one > 0.45 for one in took_s) <= 1


def test_packets_that_overtake_each_other_are_no_losses_to_speak_of():
    lab = Lab()
    there = Pipe(lab.events, RATE, 0.03, jitter_s=0.003)
    sender, receiver = pair(lab, there, 0.03)
    stream = sender.connect(receiver, 4_000_000)
    lab.run_to(25.0)
    assert receiver.received.total == 4_000_000
    assert stream.stats.retransmits <= 60


def test_both_directions_at_once_with_a_full_queue_each_way():
    lab = Lab()
    there, back = (Pipe(lab.events, RATE, 0.025, buffer_s=5.0) for _ in range(2))
    one, other = pair(lab, there, 0.025, back)
    other.accepted_writes = 1 << 60
    one.connect(other)
    lab.run_to(50.0)
    for host, pipe in ((one, back), (other, there)):
        assert host.received.between(15.0, 50.0) >= 0.75 * 35 * RATE
        assert at(0.95, pipe.waits(15.0, 50.0)) <= 1.5 * TARGET_S


def test_a_path_back_that_is_full_of_something_else_does_not_stall_what_goes_there():
    lab = Lab()
    there, back = Pipe(lab.events, RATE, 0.025, buffer_s=5.0), Pipe(lab.events, RATE, 0.025, buffer_s=0.5)
    sender, receiver = pair(lab, there, 0.025, back)
    Reno(lab.events, back, Pipe(lab.events, WIDE, 0.025)).begin()
    sender.connect(receiver)
    lab.run_to(50.0)
    assert receiver.received.between(15.0, 50.0) >= 0.5 * 35 * RATE


class Last(Random):
    """Ids and numbers begin with the last one that there is."""

    def getrandbits(self, k: int, /) -> int:
        return (1 << k) - 1


@pytest.mark.parametrize("loss", [0.0, 0.02])
def test_numbers_of_packets_and_streams_wrap(loss):
    lab = Lab()
    sender, receiver = pair(lab, Pipe(lab.events, RATE, 0.01, loss=loss), 0.01)
    sender.node = UtpNode(Last(), may_accept=lambda _: True)
    receiver.node = UtpNode(Last(), may_accept=lambda _: True)
    receiver.accepted_writes = 500_000
    stream = sender.connect(receiver, 500_000)
    assert (stream.receive_id, stream.send_id) == (0xFFFF, 0)
    lab.run_to(30.0)
    assert receiver.received.total == sender.received.total == 500_000
    assert (sender.ended, receiver.ended) == ([None], [None])


def test_numbers_of_packets_wrap_in_the_middle():
    lab = Lab()
    sender, receiver = pair(lab, Pipe(lab.events, 20e6, 0.001, mtu=576), 0.001)
    size = 36_000_000                  # 68,000 packets
    sender.connect(receiver, size)
    lab.run_to(30.0)
    assert receiver.received.total == size
    assert (sender.ended, receiver.ended) == ([None], [None])


def test_the_clock_of_the_headers_wraps():
    lab = Lab(start_s=2**32 / 1e6 - 15.0)
    there = Pipe(lab.events, RATE, 0.025, buffer_s=5.0)
    sender, receiver = pair(lab, there, 0.025)
    sender.connect(receiver)
    lab.run_to(40.0)
    assert receiver.received.between(lab.start_s + 10.0, lab.start_s + 40.0) >= 0.85 * 30 * RATE
    assert at(0.95, there.waits(lab.start_s + 10.0, lab.start_s + 40.0)) <= 1.5 * TARGET_S


@pytest.mark.parametrize("skew", [-2e-4, 2e-4])
def test_clocks_that_drift_apart_do_not_mislead(skew):
    """By 200 microseconds a second: more than any computer's."""
    lab = Lab()
    there = Pipe(lab.events, RATE, 0.025, buffer_s=5.0)
    sender, receiver = lab.host(), lab.host(clock_skew=skew)
    lab.join(sender, receiver, there, Pipe(lab.events, WIDE, 0.025))
    sender.connect(receiver)
    lab.run_to(90.0)
    assert receiver.received.between(15.0, 90.0) >= 0.8 * 75 * RATE
    assert at(0.95, there.waits(15.0, 90.0)) <= 1.5 * TARGET_S


@pytest.mark.parametrize("mtu", [576, 1280, 1400, 1492, 1500])
def test_the_size_that_the_path_takes_is_found_without_a_cut_of_the_window(mtu):
    lab = Lab()
    there = Pipe(lab.events, RATE, 0.025, buffer_s=5.0, mtu=mtu)
    sender, receiver = pair(lab, there, 0.025)
    stream: UtpStream = sender.connect(receiver, 1_500_000)
    lab.run_to(6.0)                    # 3.75 s and the beginning
    assert mtu - 16 <= stream.stats.mtu <= mtu
    assert receiver.received.total == 1_500_000
    assert stream.stats.retransmits == there.dropped <= 12, "probes"


def odd_path(seed: int) -> Lab:
    lab = Lab()
    there = Pipe(lab.events, RATE, 0.02, buffer_s=0.1, loss=0.01, jitter_s=0.002, seed=seed)
    one, other = pair(lab, there, 0.02)
    other.accepted_writes = 500_000
    one.connect(other, 1_000_000)
    lab.run_to(20.0)
    return lab


def test_a_run_is_the_same_whatever_the_hash_seed():
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST], cwd=ROOT, check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert digests == {odd_path(3).digest}
