"""What commands do to peers and traffic, between two daemons."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from tests.rtorrent.recorded import call
from tests.rtorrent.servers import Server, fresh
from tests.rtorrent.torrents import ECHO, load, peer_of, write_payload
from tests.support.peers.program import wait_still

pytestmark = pytest.mark.slow

PATIENCE_S = 30.0
KIB = 1024
SLOWLY_KIB = 40                        # a second: the torrent takes most of a minute


class Two(NamedTuple):
    seed: Server
    leech: Server

    def asked(self, name: str, *params: Any, of: str = "seed") -> Any:
        """The value that one of them answers; a fault fails."""
        server: Server = getattr(self, of)
        answer = call(server.dial, name, list(params))
        assert answer["t"] != "fault", answer
        return answer["v"]

    def peer(self) -> str:
        """The leech, as the seed's target."""
        return f"{ECHO}:p{peer_of(self.seed)}"


@pytest.fixture
def two() -> Iterator[Two]:
    """A seed whose throttle `slow` lets the other have some of the torrent."""
    with ExitStack() as stack:
        both = Two(stack.enter_context(fresh("blobtorrent")), stack.enter_context(fresh("blobtorrent")))
        write_payload(both.seed)
        both.asked("throttle.up", "", "slow", str(SLOWLY_KIB))
        load(both.seed, "echo", "load.raw_start", "d.throttle_name.set=slow")
        wait_for(lambda: both.asked("d.complete", ECHO) and both.asked("d.is_active", ECHO))
        load(both.leech, "echo", "load.raw_start")
        wait_for(lambda: both.asked("d.is_active", ECHO, of="leech"))
        both.asked("add_peer", ECHO, f"127.0.0.1:{both.leech.port}")
        wait_for(lambda: both.asked("d.up.total", ECHO) > 0)
        yield both


def wait_for(is_so: Callable[[], Any]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s, "it never came to it"
        time.sleep(0.1)


def test_a_throttle_holds_its_downloads_back(two: Two) -> None:
    assert two.asked("d.throttle_name", ECHO) == "slow"
    begin_s, begun = time.monotonic(), two.asked("d.up.total", ECHO)
    time.sleep(5.0)
    sent = two.asked("d.up.total", ECHO) - begun
    assert 0 < sent < 2 * SLOWLY_KIB * KIB * (time.monotonic() - begin_s)
    assert two.asked("throttle.up.rate", "", "slow") > 0
    two.asked("throttle.up", "", "slow", "0")
    wait_for(lambda: two.asked("d.complete", ECHO, of="leech"))


def test_nothing_is_sent_to_a_snubbed_peer_until_it_is_not(two: Two) -> None:
    peer = two.peer()
    two.asked("p.snubbed.set", peer, 1)
    wait_for(lambda: two.asked("p.snubbed", peer) == 1)
    sent = wait_still(lambda: two.asked("d.up.total", ECHO), 2.0, PATIENCE_S, "what was under way")
    time.sleep(2.0)
    assert two.asked("d.up.total", ECHO) == sent
    two.asked("p.snubbed.set", peer, 0)
    wait_for(lambda: two.asked("d.up.total", ECHO) > sent)


def test_a_banned_peer_does_not_come_back(two: Two) -> None:
    two.asked("p.banned.set", two.peer(), 1)
    wait_for(lambda: two.asked("d.peers_connected", ECHO) == 0)
    two.asked("add_peer", ECHO, f"127.0.0.1:{two.seed.port}", of="leech")
    two.asked("add_peer", ECHO, f"127.0.0.1:{two.leech.port}")
    time.sleep(3.0)
    assert two.asked("d.peers_connected", ECHO) == 0
    assert two.asked("d.complete", ECHO, of="leech") == 0


def test_a_connection_that_is_ended_may_be_made_again(two: Two) -> None:
    sent = two.asked("d.up.total", ECHO)
    two.asked("p.disconnect", two.peer())
    wait_for(lambda: two.asked("d.up.total", ECHO) > sent + KIB)


def test_peers_files_and_what_is_open_are_counted(two: Two) -> None:
    assert two.asked("network.open_sockets", "") == 1
    assert two.asked("system.files.opened_counter", "") > 0
    assert two.asked("system.files.closed_counter", "") <= two.asked("system.files.opened_counter", "")
    assert two.asked("pieces.stats.total_size", "") == 2_000_000
    options = two.asked("p.options_str", two.peer())
    assert len(options) == 16 and int(options, 16) & 1 << 20           # it speaks extensions (BEP 10)


def test_unwanted_addresses_are_cut_off(two: Two) -> None:
    two.asked("ipv4_filter.add_address", "", "127.0.0.0/8", "unwanted")
    wait_for(lambda: two.asked("d.peers_connected", ECHO) == 0)
