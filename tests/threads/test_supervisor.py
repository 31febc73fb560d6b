"""The supervisor sees a real thread that hangs."""

from __future__ import annotations

import threading
import time

from blobtorrent.daemon.supervisor import Part, Supervisor
from blobtorrent.runtime.bus import EventBus
from blobtorrent.runtime.loop import SelectorLoop

PATIENCE_S = 20.0


def late_after_a_while(supervisor: Supervisor, expected: list[str]) -> bool:
    """Whether that is what it says once threads had time to answer."""
    deadline_s = time.monotonic() + PATIENCE_S
    while supervisor.late_threads() != expected:
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True


def test_a_loop_stuck_in_a_message_is_named_until_it_goes_on_and_others_are_not():
    handling, released = threading.Event(), threading.Event()

    def hang(_message: object) -> None:
        handling.set()
        released.wait(PATIENCE_S)

    loop, bus = SelectorLoop("core", hang), EventBus()
    supervisor = Supervisor([
        Part("events", bus.start, bus.stop, (bus.heart,)),
        Part("core", loop.start, loop.stop, (loop,)),
    ])
    supervisor.start()
    loop.mailbox.post("hang")
    assert handling.wait(PATIENCE_S)
    assert late_after_a_while(supervisor, ["core"])
    released.set()
    assert late_after_a_while(supervisor, [])
    assert supervisor.stop(PATIENCE_S)
