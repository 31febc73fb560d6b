"""When the machine's addresses are looked at, and what is told of them."""

from __future__ import annotations

import socket

import pytest

from blobtorrent.config.values import InterfaceSpec
from blobtorrent.model.errors import NetworkError
from blobtorrent.network import addresswatch
from blobtorrent.network.addresswatch import BLIND_LOOK_S, LOOK_S, RETRY_S, SETTLE_S, AddressWatch
from blobtorrent.network.binding import Binding
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.loop import SelectorLoop
from tests.support.interfaces import found_of, ours

LINKS = ((1, "lo", True), (2, "eth0", True), (7, "tun0", True))
HERE = (ours(1, "127.0.0.1"), ours(2, "192.0.2.2"), ours(7, "10.8.0.2"), ours(7, "fe80::1"))


class Rig:
    """A watch whose kernel says what `say` writes. `system` is what there is, or the error of asking."""

    def __init__(self, monkeypatch, interface=None):
        self.system = found_of(LINKS, HERE)
        self.changes, self.looks = [], 0
        self.clock = FakeClock()
        self.loop = SelectorLoop("test", lambda message: None, clock=self.clock)
        kernel, self._mouth = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        kernel.setblocking(False)
        monkeypatch.setattr(addresswatch, "open_watch", lambda: kernel)
        self.binding = Binding(interface, survey=self.survey)
        self.watch = AddressWatch(self.loop, self.binding, lambda *change: self.changes.append(change), self.survey)
        self.watch.begin()
        self.looks = 0

    def survey(self):
        self.looks += 1
        if isinstance(self.system, Exception):
            raise self.system
        return self.system

    def say(self):
        self._mouth.send(b"x")
        self.loop.run_pass(0)

    def after(self, seconds):
        self.clock.advance(seconds)
        self.loop.run_pass(0)

    def close(self):
        self.watch.close()
        self._mouth.close()
        self.loop.stop(0)


@pytest.fixture
def rig(monkeypatch):
    rig = Rig(monkeypatch)
    yield rig
    rig.close()


@pytest.fixture(params=[InterfaceSpec("tun0"), InterfaceSpec(addresses=("10.8.0.2",))], ids=["name", "address"])
def bound(monkeypatch, request):
    rig = Rig(monkeypatch, request.param)
    yield rig
    rig.close()


def test_words_of_the_kernel_are_followed_by_one_look_when_they_have_settled(rig):
    rig.say()
    rig.say()
    assert rig.looks == 0
    rig.after(SETTLE_S)
    assert rig.looks == 1
    assert rig.changes == []


def test_a_look_comes_without_any_word_too(rig):
    for _ in range(3):
        rig.after(LOOK_S - 1)
        assert rig.looks == 0
        rig.after(1)
        assert rig.looks == 1
        rig.looks = 0


def test_an_address_that_is_ours_no_more_is_told(rig):
    rig.system = found_of(LINKS, HERE[:2])
    rig.after(LOOK_S)
    assert rig.changes == [({"10.8.0.2"}, False)]


def test_an_address_that_came_is_told_and_costs_nothing(bound):
    bound.system = found_of(LINKS, (*HERE, ours(7, "fd00::99")))
    bound.after(LOOK_S)
    assert bound.changes == [(frozenset(), False)]


def test_a_look_that_fails_changes_nothing_and_is_repeated_soon(bound):
    bound.system = NetworkError("net.no-netlink", "Too many open files")
    for _ in range(2):
        bound.after(LOOK_S)
        assert (bound.changes, bound.binding.is_there, bound.looks) == ([], True, 1)
        bound.looks = 0
        bound.after(RETRY_S)
        assert bound.looks == 1
        bound.looks = 0
    bound.system = found_of(LINKS, HERE[:2])
    bound.after(RETRY_S)
    assert bound.changes == [({"10.8.0.2"}, True)]


def test_whoever_fails_at_a_change_does_not_end_the_looks(rig):
    def fail(*change):
        raise ValueError(change)

    rig.watch._on_change = fail
    rig.system = found_of(LINKS, ())
    rig.after(LOOK_S)
    rig.looks = 0
    rig.after(LOOK_S)
    assert rig.looks == 1


def test_an_interface_that_came_before_the_watch_began_is_found_at_once(monkeypatch):
    class Late(Rig):
        def survey(self):
            if self.looks == 0:        # that of the policy
                self.looks += 1
                raise NetworkError("net.no-netlink", "Too many open files")
            return super().survey()

    rig = Late(monkeypatch, InterfaceSpec("tun0"))
    assert rig.changes == [(frozenset(), True)]
    assert rig.binding.is_there
    rig.close()


def test_a_kernel_that_tells_nothing_more_is_looked_at_oftener(rig, monkeypatch):
    def broken(_sock):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(addresswatch, "drain_watch", broken)
    rig.say()
    rig.after(SETTLE_S)
    rig.looks = 0
    rig.after(BLIND_LOOK_S)
    assert rig.looks == 1
