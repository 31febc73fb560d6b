"""The selector loop on a real thread, with real sockets."""

from __future__ import annotations

import queue
import socket
import threading

import pytest

from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.loop import EVENT_READ, EVENT_WRITE, SelectorLoop
from blobtorrent.runtime.metrics import Registry

PATIENCE_S = 20.0


class Inbox(queue.Queue):
    """Collects what the loop's thread did, for the test to wait for."""

    def next(self) -> object:
        return self.get(timeout=PATIENCE_S)


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    left.setblocking(False)
    with left, right:
        yield left, right


def refuse(message: object) -> None:
    raise AssertionError(f"no message was expected, got {message!r}")


def test_messages_arrive_in_order_from_several_threads_and_before_the_stop():
    got: list[tuple[int, int]] = []
    loop = SelectorLoop("loop", got.append)
    loop.start()
    posters = [
        threading.Thread(target=lambda poster=poster: [loop.mailbox.post((poster, n)) for n in range(2000)])
        for poster in range(3)
    ]
    for thread in posters:
        thread.start()
    for thread in posters:
        thread.join()
    assert loop.stop(PATIENCE_S)
    assert len(got) == 6000
    for poster in range(3):
        assert [n for who, n in got if who == poster] == list(range(2000))


def test_a_readable_socket_calls_its_callback(pair):
    left, right = pair
    inbox = Inbox()
    loop = SelectorLoop("loop", refuse)
    loop.register(left, EVENT_READ, lambda mask: inbox.put((mask, left.recv(100))))
    loop.start()
    right.send(b"hello")
    assert inbox.next() == (EVENT_READ, b"hello")
    assert loop.stop(PATIENCE_S)


def test_a_pass_ends_with_on_pass_and_one_reading_of_the_clock(pair):
    left, right = pair
    right.send(b"x")
    order: list[object] = []
    clock = FakeClock(start=5.0)
    loop = SelectorLoop("loop", order.append, on_pass=lambda now: order.append(("pass", now)), clock=clock)
    loop.register(left, EVENT_READ, lambda _mask: order.append(left.recv(10)))
    loop.timers.at(4.0, lambda: order.append("timer"))
    loop.mailbox.post("message")
    clock.advance(1.0)
    loop.run_pass(0)
    assert loop.now == 6.0
    assert set(order[:2]) == {b"x", "message"}
    assert order[2:] == ["timer", ("pass", 6.0)]
    assert loop.stop(0)


def test_the_loop_wakes_for_its_next_timer():
    inbox = Inbox()
    loop = SelectorLoop("loop", refuse)
    loop.timers.at(loop.now + 0.02, lambda: inbox.put("fired"))
    loop.start()
    assert inbox.next() == "fired"
    assert loop.stop(PATIENCE_S)


def test_a_modified_file_waits_for_other_events_with_another_callback(pair):
    left, right = pair
    seen: list[object] = []
    loop = SelectorLoop("loop", refuse)
    loop.register(left, EVENT_READ, lambda mask: seen.append(("first", mask)))
    loop.run_pass(0)
    loop.modify(left, EVENT_READ | EVENT_WRITE, lambda mask: seen.append(("second", mask)))
    loop.run_pass(0)
    loop.modify(left, EVENT_READ, lambda mask: seen.append(("third", mask)))
    loop.run_pass(0)
    right.send(b"x")
    loop.run_pass(0)
    assert seen == [("second", EVENT_WRITE), ("third", EVENT_READ)]
    assert loop.stop(0)


def test_an_event_already_selected_finds_nobody_after_unregister():
    loop = SelectorLoop("loop", refuse)
    pairs = [socket.socketpair() for _ in range(2)]
    served: list[int] = []

    def serve(number: int) -> None:
        served.append(number)
        loop.unregister(pairs[1 - number][0])

    for number, (left, right) in enumerate(pairs):
        loop.register(left, EVENT_READ, lambda _mask, number=number: serve(number))
        right.send(b"x")
    loop.run_pass(0)
    assert len(served) == 1
    assert loop.stop(0)
    for left, right in pairs:
        left.close()
        right.close()


def test_an_error_reaches_the_owner_of_the_callback_and_the_loop_goes_on(pair, caplog):
    left, right = pair

    class Link:
        def on_readable(self, _mask: int) -> None:
            left.recv(1)
            raise ValueError("bad peer")

    link, inbox = Link(), Inbox()
    loop = SelectorLoop("loop", inbox.put, on_error=lambda owner, error: inbox.put((owner, str(error))))
    loop.register(left, EVENT_READ, link.on_readable)
    loop.start()
    right.send(b"x")
    assert inbox.next() == (link, "bad peer")
    right.send(b"x")
    assert inbox.next() == (link, "bad peer")
    loop.mailbox.post("still here")
    assert inbox.next() == "still here"
    assert loop.stop(PATIENCE_S)
    assert loop.failures == 2
    assert "ValueError: bad peer" in caplog.text


@pytest.mark.parametrize("on_error", [None, lambda _owner, _error: 1 // 0])
def test_a_file_whose_error_nobody_takes_is_unregistered(pair, on_error):
    left, right = pair
    calls: list[int] = []

    def fail(mask: int) -> None:
        calls.append(mask)
        raise ValueError

    loop = SelectorLoop("loop", refuse, on_error=on_error)
    loop.register(left, EVENT_READ, fail)
    right.send(b"x")
    loop.run_pass(0)
    loop.run_pass(0)
    assert calls == [EVENT_READ]
    with pytest.raises(KeyError):
        loop.unregister(left)
    assert loop.stop(0)


def test_errors_in_messages_timers_and_on_pass_end_nothing():
    passes: list[float] = []
    messages: list[object] = []

    def on_message(message: object) -> None:
        messages.append(message)
        if message == "bad":
            raise ValueError

    def on_pass(now: float) -> None:
        passes.append(now)
        raise ValueError

    loop = SelectorLoop("loop", on_message, on_pass=on_pass, clock=FakeClock())
    fired: list[int] = []
    loop.timers.at(0.0, lambda: 1 // 0)
    loop.timers.at(0.0, lambda: fired.append(1))
    for message in ("bad", "good"):
        loop.mailbox.post(message)
    loop.run_pass(0)
    assert (messages, fired, passes, loop.failures) == (["bad", "good"], [1], [0.0], 3)
    assert loop.stop(0)


def test_on_stop_runs_last_on_the_loops_thread():
    inbox = Inbox()
    loop = SelectorLoop("closer", inbox.put, on_stop=lambda: inbox.put(threading.current_thread().name))
    loop.mailbox.post("message")
    loop.start()
    assert loop.stop(PATIENCE_S)
    assert not loop.is_alive
    assert [inbox.next(), inbox.next()] == ["message", "closer"]


def test_what_breaks_the_loop_itself_is_told(caplog):
    inbox = Inbox()

    def on_message(_message: object) -> None:
        raise SystemExit

    loop = SelectorLoop("fragile", on_message, on_crash=lambda loop, error: inbox.put((loop.name, type(error))))
    loop.start()
    loop.mailbox.post(1)
    assert inbox.next() == ("fragile", SystemExit)
    assert loop.stop(PATIENCE_S)
    assert "thread fragile died" in caplog.text


def test_a_loop_that_never_started_closes_when_it_is_stopped():
    closed: list[int] = []
    loop = SelectorLoop("idle", refuse, on_stop=lambda: closed.append(1))
    assert loop.stop(0)
    assert closed == [1]
    loop.mailbox.post("into the void")


def test_a_loop_counts_its_passes_and_the_time_outside_select():
    inbox = Inbox()
    clock = FakeClock()

    def on_message(message: object) -> None:
        clock.advance(0.25)
        inbox.put(message)

    loop = SelectorLoop("loop", on_message, clock=clock)
    loop.start()
    loop.mailbox.post(1)
    inbox.next()
    assert loop.stop(PATIENCE_S)
    assert loop.passes >= 1
    assert (loop.busy_s, loop.slowest_pass_s) == (0.25, 0.25)


def test_a_loop_exports_its_figures():
    loop = SelectorLoop("net", lambda message: None, clock=FakeClock())
    registry = Registry()
    loop.measure(registry)
    loop.run_pass(0)
    loop.mailbox.post(1)
    figures = {sample.name: (sample.value, sample.labels) for sample in registry.snapshot()}
    assert figures["blobtorrent_loop_passes_total"] == (1, (("loop", "net"),))
    assert figures["blobtorrent_mailbox_messages"] == (1, (("mailbox", "net"),))
    assert loop.stop(0)


def test_a_loop_that_runs_answers_with_a_beat_and_one_that_hangs_does_not():
    handling, released = threading.Event(), threading.Event()

    def hang(_message: object) -> None:
        handling.set()
        released.wait(PATIENCE_S)

    loop = SelectorLoop("loop", hang)
    loop.ask_beat()
    loop.mailbox.post("hang")
    loop.start()
    assert handling.wait(PATIENCE_S)
    loop.ask_beat()
    assert loop.beats == 1
    released.set()
    assert loop.stop(PATIENCE_S)
    assert loop.beats == 2
