"""A process with real threads, files and memory is killed at random moments; nothing that it received is lost."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from blobtorrent.model.geometry import BLOCK_SIZE
from tests.support import killable

ROOT = Path(__file__).parents[2]
KILLS = 12
ROUNDS = 10                            # of a life that is killed: a tenth of what there is to do
END_S = 60.0


def start(folder, seed, rounds=None):
    """A life of the process; with `rounds` it does so much, and then waits to be killed."""
    words = [str(folder), str(seed), *([] if rounds is None else [str(rounds)])]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.killable", *words],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)


def told(folder):
    lines = (folder / "told").read_text().splitlines()
    return [line.split() for line in lines]


def said(lines, word):
    return Counter((int(line[1]), int(line[2])) for line in lines if line[0] == word)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_received_block_is_fetched_twice_however_often_we_are_killed(tmp_path, seed):
    rng = random.Random(seed)
    for life in range(KILLS + 1):
        process = start(tmp_path, rng.randrange(10**9), ROUNDS if life < KILLS else None)
        try:
            assert process.stdout.readline() == "ready\n"
            if life == KILLS:
                assert process.wait(END_S) == 0
            else:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(rng.uniform(0.0, 0.05))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
    lines = told(tmp_path)
    begun, noted = said(lines, "begin"), said(lines, "noted")
    # Of what was in the middle of arriving at a kill nobody knows; all else came once.
    assert sum(begun.values()) - len(begun) <= KILLS * killable.AT_ONCE
    assert max(noted.values()) == 1
    assert set(noted) <= set(begun)
    assert not [line for line in lines if line[0] == "lost"]
    (tally,) = (int(line[1]) for line in lines if line[0] == "tally")
    assert sum(noted.values()) * BLOCK_SIZE <= tally <= sum(begun.values()) * BLOCK_SIZE
    assert killable.torrent().is_on_disk(tmp_path / "data")
    assert not list(tmp_path.glob("live*"))


@pytest.mark.parametrize("later", [0.0, 0.05])
def test_killed_while_it_recovers_it_recovers_again(tmp_path, later):
    began_s = time.monotonic()
    process = start(tmp_path, 5, 2 * ROUNDS)
    assert process.stdout.readline() == "ready\n"
    took_s = time.monotonic() - began_s
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    process.kill()
    process.communicate()
    for attempt in range(6):
        process = start(tmp_path, attempt, ROUNDS)
        # Somewhere between the first import and the first blocks: a machine may be fast or slow.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(took_s * (0.45 + 0.08 * attempt + later))
        process.kill()
        process.communicate()
    assert ["end"] not in told(tmp_path)
    process = start(tmp_path, 99)
    assert process.communicate(timeout=END_S)[0] == "ready\n"
    noted = said(told(tmp_path), "noted")
    assert max(noted.values()) == 1
    assert killable.torrent().is_on_disk(tmp_path / "data")
