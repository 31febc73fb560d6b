"""Traffic that is bound to an interface takes no other way, least of all when the interface is gone."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.cli.output import EXIT_OK
from blobtorrent.config.values import InterfaceSpec
from blobtorrent.network.binding import Binding
from blobtorrent.network.interfaces import survey
from tests.support.payload import MIB, Sample, make_sample, with_tracker
from tests.support.peers.blobtorrent import command_line, environment
from tests.support.peers.tracker import ListTracker
from tests.support.tools import require_tool
from tests.support.twoways import WORLD, Capture, TwoWays

TIMEOUT_S = 60.0
PORT = 6881
NAME = "tracker.test"
BOUND = ["--set", 'network.interface="tun0"']


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample", [("one.bin", 6 * MIB)])


@pytest.fixture
def ways() -> Iterator[TwoWays]:
    require_tool("unshare")
    require_tool("ip")
    try:
        with TwoWays() as ways:
            yield ways
    except (PermissionError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces can be made here: {error}")


class Get:
    """`blobtorrent get --json` in a namespace. Used as a context manager; `told` has what it said."""

    def __init__(self, prefix: tuple[str, ...], *words: str | Path) -> None:
        self.told: list[dict[str, Any]] = []
        command = [*prefix, *command_line("get", "--json", *map(os.fspath, words))]
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment()}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Get:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.process.terminate()
        self.process.communicate()
        self._thread.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.append(json.loads(line))

    @property
    def done_bytes(self) -> int:
        return max((told.get("done_bytes", 0) for told in self.told), default=0)

    def has(self, event: str) -> bool:
        return any(told.get("event") == event for told in self.told)


def wait_until(what: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    end_s = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.05)


def settled(leech: Get) -> int:
    """How far it got when what was under way has arrived."""
    before = -1
    while before != leech.done_bytes:
        before = leech.done_bytes
        time.sleep(1.0)
    return before


def seed_of(ways: TwoWays, sample: Sample, *options: str) -> Get:
    return Get(ways.world.prefix, sample.torrent, "--to", sample.folder, "--listen", f"{WORLD}:{PORT}",
               "--seed-for", "inf", *options)


def test_nothing_takes_the_other_way_and_a_lost_interface_means_no_traffic(
        ways: TwoWays, sample: Sample, tmp_path: Path) -> None:
    with (
        Capture(ways, "plain0") as beside, seed_of(ways, sample, "--set", 'limits.up_bytes_per_s="1 MiB/s"') as seed,
        Get(ways.machine.prefix, sample.torrent, "--to", tmp_path, "--peer", f"{WORLD}:{PORT}", *BOUND) as leech,
    ):
        wait_until(lambda: seed.has("seeding"))
        wait_until(lambda: 0 < leech.done_bytes < sample.size_bytes)
        ways.take("tun0")
        before = settled(leech)
        time.sleep(2.0)
        assert leech.done_bytes == before < sample.size_bytes
        ways.bring("tun0")
        wait_until(lambda: leech.has("finished"))
        assert beside.packets == []
    assert sample.differences(tmp_path) == []


@pytest.mark.parametrize("how", ["datagram", "connection"])
@pytest.mark.parametrize("far", ["10.7.0.9", "fd07::9"])
def test_what_is_sent_freely_is_seen_on_the_other_way_and_what_is_bound_is_not(
        far: str, how: str, ways: TwoWays) -> None:
    """The first half is the control: a capture that sees nothing would make every other test here pass."""
    bound = [Binding(), Binding(InterfaceSpec("tun0"), survey=lambda: ways.machine.call(survey)),
             Binding(InterfaceSpec(addresses=("10.9.0.2", "fd09::2")), survey=lambda: ways.machine.call(survey))]
    seen = []
    for binding in bound:
        with Capture(ways, "plain0") as beside, Capture(ways, "tun0") as through:
            ways.machine.call(lambda binding=binding: send_to(binding, far, how))   # type: ignore[misc]
            wait_until(lambda: bool(beside.packets or through.packets))
            time.sleep(0.1)            # for what leaves by both
        seen.append((bool(beside.packets), bool(through.packets)))
    assert seen == [(True, False), (False, True), (False, True)]


def send_to(binding: Binding, host: str, how: str) -> None:
    if how == "datagram":
        with binding.open_at("::" if ":" in host else "0.0.0.0", 0, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae", (host, PORT))
    else:
        with binding.stream_to(host, PORT) as sock:
            sock.setblocking(False)
            sock.connect_ex((host, PORT))
            time.sleep(0.05)           # to close it takes the question back


def test_an_interface_that_comes_later_is_waited_for(ways: TwoWays, sample: Sample, tmp_path: Path) -> None:
    ways.take("tun0")
    with (
        Capture(ways, "plain0") as beside, seed_of(ways, sample) as seed,
        Get(ways.machine.prefix, sample.torrent, "--to", tmp_path, "--peer", f"{WORLD}:{PORT}", *BOUND) as leech,
    ):
        wait_until(lambda: seed.has("seeding") and leech.has("listening"))
        time.sleep(1.0)
        assert leech.done_bytes == 0
        ways.bring("tun0")
        wait_until(lambda: leech.has("finished"))
        assert beside.packets == []
        assert leech.process.wait(TIMEOUT_S) == EXIT_OK


@pytest.mark.parametrize("interface", ["tun0", "10.9.0.2"])
def test_trackers_and_name_servers_are_asked_by_the_interface_too(
        interface: str, ways: TwoWays, sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text(f"nameserver {WORLD}\n")
    with_names = ("unshare", "--mount", "sh", "-c",
                  f'mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && exec "$@"', "-")
    with (
        NameServer(ways) as names, Capture(ways, "plain0") as beside, seed_of(ways, sample) as seed,
        ListTracker([f"{WORLD}:{PORT}"], address=WORLD, namespace=ways.world) as tracker,
    ):
        wait_until(lambda: seed.has("seeding"))
        torrent = with_tracker(sample.torrent, tracker.url.replace(WORLD, NAME), tmp_path)
        with Get((*ways.machine.prefix, *with_names), torrent, "--to", tmp_path / "out",
                 "--set", f'network.interface="{interface}"') as leech:
            wait_until(lambda: leech.has("finished"))
    assert beside.packets == []
    assert {name for name, _ in names.asked} == {NAME}
    assert {client for _, client in names.asked} == {"10.9.0.2"}
    assert tracker.events[0] == "started"
    assert sample.differences(tmp_path / "out") == []


class NameServer:
    """Says that every name is at WORLD, if asked for IPv4. Used as a context manager."""

    def __init__(self, ways: TwoWays) -> None:
        self.asked: list[tuple[str, str]] = []             # name, client
        self._socket = ways.world.call(_name_socket)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._is_open = True

    def __enter__(self) -> NameServer:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._is_open = False
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while self._is_open:
            try:
                question, client = self._socket.recvfrom(512)
            except TimeoutError:
                continue
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode())
                at += 1 + question[at]
            self.asked.append((".".join(labels), client[0]))
            kind = int.from_bytes(question[at + 1:at + 3], "big")
            records = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(WORLD) if kind == 1 else b""
            head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, bool(records), 0, 0)
            self._socket.sendto(head + question[12:at + 5] + records, client)


def _name_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0.1)
    sock.bind((WORLD, 53))
    return sock
