"""Ports that a router passes on, in network namespaces: routers of the test, and what miniupnpd makes of our words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blobtorrent.discovery.mapmessages import MapPort, PortMapFailed, PortMapped, UnmapPort
from blobtorrent.discovery.portmap import WAYS, PortMapper
from blobtorrent.network.binding import Binding
from blobtorrent.protocol.portmap import Mapping, Transport
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.payload import make_sample, with_tracker
from tests.support.peers.blobtorrent import command_line, environment
from tests.support.peers.program import wait_until
from tests.support.peers.tracker import ListTracker
from tests.support.routers import OUTSIDE, Miniupnpd, TestRouter
from tests.support.tools import require_tool
from tests.support.twoways import WORLD, TwoWays

TIMEOUT_S = 30.0
PORT = 6881


@pytest.fixture
def ways() -> Iterator[TwoWays]:
    require_tool("unshare")
    try:
        with TwoWays() as ways:
            yield ways
    except (PermissionError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces can be made here: {error}")


def map_port(ways: TwoWays, *methods: str, then_unmap: bool = False) -> PortMapped | PortMapFailed:
    """What comes of asking from within the machine's namespace."""
    box: Mailbox[PortMapped | PortMapFailed] = Mailbox("test")

    def ask() -> None:
        mapper = PortMapper(Binding(), methods)
        mapper._on_order(MapPort(Transport.TCP, PORT, PORT, 600, box))
        if then_unmap:
            mapper._on_order(UnmapPort(Transport.TCP, PORT))

    ways.machine.call(ask)
    return box.get(0)


@pytest.mark.parametrize("way", ["pcp", "nat-pmp"])
def test_a_port_is_passed_on_also_when_datagrams_get_lost(way: str, ways: TwoWays) -> None:
    with TestRouter(ways, drops=2) as router:
        assert map_port(ways, way) == PortMapped(Mapping(Transport.TCP, PORT, PORT + 10000, 600, OUTSIDE), way)
        assert router.mappings == {(6, PORT): (600, "10.1.0.2")}


@pytest.mark.parametrize("way", ["pcp", "nat-pmp"])
def test_a_port_is_taken_back(way: str, ways: TwoWays) -> None:
    with TestRouter(ways) as router:
        map_port(ways, way, then_unmap=True)
        assert router.mappings == {}


def test_an_older_router_is_asked_in_its_own_words(ways: TwoWays) -> None:
    with TestRouter(ways, speaks_pcp=False):
        answer = map_port(ways, *WAYS)
    assert isinstance(answer, PortMapped) and answer.way == "nat-pmp"


def test_without_a_router_it_is_said(ways: TwoWays) -> None:
    answer = map_port(ways, *WAYS)
    assert isinstance(answer, PortMapFailed) and answer.error.code in ("portmap.no-answer", "portmap.no-router")


@pytest.mark.parametrize("way", WAYS)
def test_miniupnpd_understands_us(way: str, ways: TwoWays, tmp_path: Path) -> None:
    with Miniupnpd(ways, require_tool("miniupnpd"), tmp_path) as router:
        answers = []

        def is_answered() -> bool:     # it opens its sockets one after the other
            answers.append(map_port(ways, way))
            return isinstance(answers[-1], PortMapped) or answers[-1].error.code == "portmap.refused"

        wait_until(is_answered, TIMEOUT_S, "an answer of miniupnpd", every_s=0.5)
        answer = answers[-1]
        log = router.log.read_text(errors="replace")
    if isinstance(answer, PortMapFailed):
        assert "send_batch failed" in log      # a kernel without nftables: it wanted to, but could not
    else:
        assert answer.mapping.external_port == PORT
    assert f"{PORT}" in log and "10.1.0.2" in log


def test_a_tracker_is_told_the_port_outside_and_in_the_end_the_router_may_forget_it(
        ways: TwoWays, tmp_path: Path) -> None:
    sample = make_sample(tmp_path / "sample", "sample", [("one.bin", 1000)])
    with TestRouter(ways) as router, ListTracker(address=WORLD, namespace=ways.world) as tracker:
        torrent = with_tracker(sample.torrent, tracker.url, tmp_path)
        command = [*ways.machine.prefix, *command_line(
            "get", "--json", str(torrent), "--to", str(sample.folder), "--listen", f"0.0.0.0:{PORT}",
            "--seed-for", "inf", "--set", 'network.port_mapping="auto"')]
        with subprocess.Popen(command, env={**os.environ, **environment()}, stdout=subprocess.PIPE) as process:
            try:
                wait_until(lambda: router.mappings.keys() == {(6, PORT), (17, PORT)}, TIMEOUT_S, "two mappings")
                wait_until(lambda: tracker.events, TIMEOUT_S, "an announce")
                time.sleep(0.2)
            finally:
                process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            told = [json.loads(line) for line in process.stdout]
            assert process.wait(TIMEOUT_S) == 0
    assert told[-1]["event"] == "stopped"
    assert router.mappings == {}
