"""Privacy (BEP 27), by what goes out: a private torrent sends not one packet of DHT or local discovery, nor takes part
in peer exchange, where the same torrent in public does all of that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.payload import KIB, make_sample, with_tracker
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.peers.tracker import ListTracker
from tests.support.tools import require_tool
from tests.support.twoways import WORLD, Capture, TwoWays

COMPLETE_S = 60.0
NODE = f"{WORLD}:6999"                 # nobody is there: questions to it are seen all the same
_UDP, _TCP = 17, 6


class Sent(NamedTuple):
    """What was captured of the daemon's packets."""

    datagrams: int
    lsd: int
    names_pex: bool


@pytest.fixture
def ways() -> Iterator[TwoWays]:
    require_tool("ip")
    try:
        made = TwoWays().__enter__()
    except PermissionError as error:
        pytest.skip(str(error))
    yield made
    made.__exit__(None, None, None)


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
def test_what_a_torrent_sends_beside_its_tracker_and_its_peers(ways: TwoWays, tmp_path: Path, *, private: bool) -> None:
    sample = make_sample(tmp_path, "content.bin", 512 * KIB, 32 * KIB, private=private)
    job = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash, address=WORLD, prefix=ways.world.prefix)
    with ExitStack() as stack:
        seed = stack.enter_context(BlobTorrentGet(job))
        tracker = stack.enter_context(ListTracker([seed.endpoint], address=WORLD, namespace=ways.world))
        capture = stack.enter_context(Capture(ways, "plain0"))
        daemon = Daemon(
            tmp_path / "ours", "--set", "network.listen=['10.1.0.2:0']", "--set", f"dht.bootstrap=['{NODE}']")
        daemon._command = [*ways.machine.prefix, *daemon._command]
        stack.enter_context(daemon)
        torrent = with_tracker(sample.torrent, tracker.url, tmp_path)
        daemon.call("POST", "/v1/torrents", {"source": str(torrent)})
        path = f"/v1/torrents/{sample.info_hash.hex()}"
        wait_until(lambda: daemon.call("GET", path)["state"] == "seeding", COMPLETE_S, "the download")
        if not private:
            wait_until(lambda: sent(capture).datagrams and sent(capture).lsd, COMPLETE_S, "the search")
    found = sent(capture)
    if private:
        assert found == Sent(datagrams=0, lsd=0, names_pex=False)
    else:
        assert found.datagrams > 0 and found.lsd > 0 and found.names_pex


def sent(capture: Capture) -> Sent:
    datagrams = lsd = 0
    names_pex = False
    for packet in list(capture.packets):
        if packet[0] >> 4 != 4:
            continue
        header_bytes = (packet[0] & 0x0F) * 4
        if packet[9] == _UDP:
            datagrams += 1
            lsd += packet[16] >> 4 == 0xE
        elif packet[9] == _TCP:
            names_pex = names_pex or b"6:ut_pex" in packet[header_bytes:]
    return Sent(datagrams, lsd, names_pex)
