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


def test_signals_that_came_together_end_it_once_and_a_later_one_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWO_AT_ONCE], capture_output=True, text=True, timeout=30, env={**os.environ})
    assert done.stdout.splitlines() == ["True True None", "alive"]
    assert done.returncode == -2
