"""Signals of the process, as the main thread takes them."""

from __future__ import annotations

import os
import subprocess
import sys

TWO_AT_ONCE = """
import os, signal
from blobtorrent.daemon.signals import RELOAD, Signals
signals = Signals()
for number in (RELOAD, signal.SIGTERM, signal.SIGINT):
    os.kill(os.getpid(), number)
print({signals.wait(0), signals.wait(0)} == {RELOAD, signal.SIGINT}, signals.wait(0) is signal.SIGTERM, signals.wait(0))
for number in (signal.SIGTERM, signal.SIGINT):
    os.kill(os.getpid(), number)
signals.release()
print("alive", flush=True)
os.kill(os.getpid(), signal.SIGINT)
print("still alive")
"""

LOOKED_AT = """
import os, signal
from blobtorrent.daemon.signals import RELOAD, Signals
signals = Signals()
os.kill(os.getpid(), RELOAD)
print(signals.is_ending)
os.kill(os.getpid(), signal.SIGTERM)
print(signals.is_ending, signals.is_ending)
print({signals.wait(0), signals.wait(0)} == {RELOAD, signal.SIGTERM}, signals.is_ending)
"""

WOKEN = """
import threading, time
from blobtorrent.daemon.signals import WAKE, Signals
signals = Signals()
signals.wake()
print(signals.wait(0) is WAKE, signals.wait(0))
threading.Timer(0.05, signals.wake).start()
began = time.monotonic()
print(signals.wait(30) is WAKE, time.monotonic() - began < 20)
"""


def test_signals_that_came_together_end_it_once_and_a_later_one_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_AT_ONCE], capture_output=True, text=True, timeout=30, env={**os.environ})
    assert done.stdout.splitlines() == ["True True None", "alive"]
    assert done.returncode == -2


def test_another_thread_ends_a_wait_of_the_main_thread_or_the_next_one() -> None:
    done = subprocess.run([sys.executable, "-c", WOKEN], capture_output=True, text=True, timeout=60, env={**os.environ})
    assert done.stdout.splitlines() == ["True None", "True True"]


def test_whether_the_end_is_near_can_be_seen_without_taking_the_signal() -> None:
    done = subprocess.run([sys.executable, "-c", LOOKED_AT], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines() == ["False", "True True", "True False"]
