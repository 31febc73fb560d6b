"""What runs on the thread `udp`: trackers, local discovery, the DHT. Loaded with the first datagram."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

from blobtorrent.config.schema import Settings
from blobtorrent.daemon.measures import measure_announces
from blobtorrent.discovery.messages import ResolveHost
from blobtorrent.discovery.udp_tracker import UdpTrackers
from blobtorrent.network.binding import Binding
from blobtorrent.network.udp import UdpLoop
from blobtorrent.network.utpmessages import CloseUtp, OpenUtp
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.metrics import Registry


def build_udp(settings: Settings, state: Path | None, binding: Binding, clock: Clock,
              resolve: Callable[[ResolveHost], None], metrics: Registry) -> UdpLoop:
    """The thread with its drivers, not started; `resolve` looks names up, `state` keeps the nodes of the DHT."""
    udp = UdpLoop(binding, clock)
    udp.measure(metrics)
    _offer_utp(udp, binding, metrics)
    trackers = UdpTrackers(udp, resolve, SystemRandom().getrandbits, binding.admits)
    trackers.measure(metrics)
    measure_announces(metrics, trackers.announce_times, "udp")
    if settings.lsd.enabled:
        from blobtorrent.discovery.lsd import LocalDiscovery

        LocalDiscovery(udp, binding, cookie=os.urandom(8).hex()).measure(metrics)
    if settings.dht.enabled:
        from blobtorrent.daemon.dhttable import build_dht

        build_dht(udp, resolve, settings.dht, state).measure(metrics)
    return udp


def _offer_utp(udp: UdpLoop, binding: Binding, metrics: Registry) -> None:
    """Have connections by uTP made and taken once somebody wants it."""

    def begin(wish: OpenUtp) -> None:
        from blobtorrent.network.utpbridge import UtpBridge

        bridge = UtpBridge(udp, SystemRandom(), has_proxy=binding.proxy is not None)
        bridge.measure(metrics)
        bridge.open(wish)              # and from now on it handles these itself

    udp.handle(OpenUtp, begin)
    udp.handle(CloseUtp, lambda _: None)
