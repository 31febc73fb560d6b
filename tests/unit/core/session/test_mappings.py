"""When a router is asked for a port, and what its answers change."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.mappings import FIRST_RETRY_S, LIFETIME_S, MappingManager, State
from blobtorrent.discovery.mapmessages import MapPort, PortMapFailed, PortMapped, UnmapPort
from blobtorrent.model.errors import NetworkError
from blobtorrent.model.status import MappingStatus
from blobtorrent.protocol.portmap import Mapping, Transport
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.timers import TimerWheel

TCP, UDP = Transport.TCP, Transport.UDP


class Rig:
    def __init__(self):
        self.clock, self.timers = FakeClock(), TimerWheel()
        self.router, self.externals, self.told = Mailbox("router"), [], []
        self.manager = MappingManager(self.router, Mailbox("core"), clock=self.clock, timers=self.timers,
                                      on_external=self.externals.append, tell=self.told.append)

    def asked(self):
        """What the router was asked since the last time, as (transport, port, wished port)."""
        return [(order.transport, order.port, order.wished_port) for order in self.router.drain()
                if isinstance(order, MapPort)]

    def grant(self, transport=TCP, port=6881, external_port=6881, lifetime_s=LIFETIME_S):
        self.manager.on_mapped(PortMapped(Mapping(transport, port, external_port, lifetime_s), "pcp"))

    def fail(self, transport=TCP, port=6881):
        self.manager.on_failed(PortMapFailed(transport, port, NetworkError("portmap.no-answer", "nobody")))

    def after(self, seconds):
        self.clock.advance(seconds)
        self.timers.expire(self.clock.now())

    def state(self, transport=TCP):
        return self.manager.states()[transport]


@pytest.fixture
def rig():
    rig = Rig()
    rig.manager.want(6881)
    return rig


def test_nothing_is_asked_before_a_port_is_open():
    rig = Rig()
    rig.manager.want(0)
    assert rig.asked() == []
    assert rig.state() is State.UNMAPPED


def test_both_transports_are_asked_for_at_once_and_once(rig):
    rig.manager.want(6881)
    assert rig.asked() == [(TCP, 6881, 6881), (UDP, 6881, 6881)]


def test_the_port_outside_is_told_when_it_is_granted(rig):
    rig.grant(UDP, external_port=1)
    assert rig.externals == []         # peers are told where we take connections
    rig.grant(TCP, external_port=16881)
    assert rig.externals == [16881]
    assert rig.state() is State.MAPPED


def test_a_lease_is_renewed_at_half_its_time_for_the_port_that_was_granted(rig):
    rig.asked()
    rig.grant(external_port=16881, lifetime_s=600)
    rig.after(299)
    assert rig.asked() == []
    rig.after(2)
    assert rig.asked() == [(TCP, 6881, 16881)]
    assert rig.state() is State.RENEWING
    rig.grant(external_port=16881, lifetime_s=600)
    assert rig.state() is State.MAPPED


@pytest.mark.parametrize(("lifetime_s", "renewed_after_s"), [
    (0, LIFETIME_S / 2), (1, 60), (2**32 - 1, LIFETIME_S / 2)])
def test_a_lease_without_end_or_almost_none_is_renewed_in_good_time(rig, lifetime_s, renewed_after_s):
    rig.asked()
    rig.grant(lifetime_s=lifetime_s)
    rig.after(renewed_after_s - 1)
    assert rig.asked() == []
    rig.after(2)
    assert rig.asked() == [(TCP, 6881, 6881)]


def test_failures_wait_longer_each_time_and_forget_that_after_a_success(rig):
    rig.asked()
    for pause_s in (FIRST_RETRY_S, 2 * FIRST_RETRY_S, 4 * FIRST_RETRY_S):
        rig.fail()
        assert rig.state() is State.BACKOFF
        rig.after(pause_s - 1)
        assert rig.asked() == []
        rig.after(1)
        assert rig.asked() == [(TCP, 6881, 6881)]
    rig.grant()
    rig.after(LIFETIME_S)
    rig.asked()
    rig.fail()
    rig.after(FIRST_RETRY_S)
    assert rig.asked() == [(TCP, 6881, 6881)]


def test_a_lease_that_is_not_renewed_is_told_to_be_lost(rig):
    rig.grant(external_port=16881)
    rig.after(LIFETIME_S)
    rig.fail()
    assert rig.externals == [16881, 0]


def test_another_port_takes_the_old_one_back(rig):
    rig.grant(external_port=16881)
    rig.router.drain()
    rig.manager.want(7000)
    orders = rig.router.drain()
    assert orders[:2] == [UnmapPort(TCP, 6881), MapPort(TCP, 7000, 7000, LIFETIME_S, rig.manager._inbox)]
    assert {order.port for order in orders if isinstance(order, MapPort)} == {7000}
    rig.grant(port=6881)               # an answer that comes late
    assert rig.state() is State.REQUESTING


def test_with_other_addresses_of_ours_the_router_is_asked_at_once(rig):
    rig.grant(TCP, external_port=16881)
    rig.fail(UDP)
    rig.asked()
    rig.manager.renew()
    assert rig.asked() == [(TCP, 6881, 16881), (UDP, 6881, 6881)]
    assert (rig.state(TCP), rig.state(UDP)) == (State.RENEWING, State.REQUESTING)
    rig.manager.renew()                # it is asked already
    rig.after(LIFETIME_S)
    assert rig.asked() == []


def test_what_is_being_asked_for_is_taken_back_too(rig):
    rig.router.drain()
    rig.manager.want(0)
    assert rig.router.drain() == [UnmapPort(TCP, 6881), UnmapPort(UDP, 6881)]
    rig.grant(lifetime_s=0)            # the router had agreed before it was told
    assert (rig.state(), rig.externals, rig.router.drain()) == (State.UNMAPPED, [], [])


def test_in_the_end_all_is_taken_back_and_nothing_is_asked_again(rig):
    rig.grant(TCP)
    rig.grant(UDP)
    rig.router.drain()
    rig.manager.end()
    assert rig.router.drain() == [UnmapPort(TCP, 6881), UnmapPort(UDP, 6881)]
    rig.after(10 * LIFETIME_S)
    assert rig.router.drain() == []


def test_the_status_says_how_it_is_and_what_comes_next(rig):
    begun_at = rig.clock.wall()
    requesting = MappingStatus("tcp", "requesting", 6881)
    assert rig.told[-1] == (requesting, requesting._replace(transport="udp"))
    rig.grant(external_port=16881, lifetime_s=600)
    assert rig.told[-1][0] == MappingStatus(
        "tcp", "mapped", 6881, "pcp", "", 16881, lease_until=begun_at + 600, next_try_at=begun_at + 300)
    rig.after(300)
    assert rig.told[-1][0].state == "renewing" and rig.told[-1][0].external_port == 16881
    rig.fail()
    assert rig.told[-1][0] == MappingStatus(
        "tcp", "backoff", 6881, next_try_at=begun_at + 300 + FIRST_RETRY_S, error_code="portmap.no-answer",
        error_detail="nobody")
    rig.manager.want(0)
    assert rig.told[-1] == ()
