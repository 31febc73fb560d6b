"""Peer exchange with libtorrent-rasterbar, both ways: whoever is in the middle, the others find each other."""

from __future__ import annotations

import pytest

from tests.support.payload import KIB, make_sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.finders import LibtorrentFinders
from tests.support.peers.program import wait_until
from tests.support.tools import require_module

TELLS_WITHIN_S = 75.0                  # either side tells at most once a minute


@pytest.fixture
def sample(tmp_path):
    require_module("libtorrent")
    return make_sample(tmp_path, "exchanged", 512 * KIB, 32 * KIB)


def adds(daemon, sample):
    """The daemon has the torrent, and nothing of its content."""
    daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent)})
    return f"/v1/torrents/{sample.info_hash.hex()}"


def sources(daemon, path):
    """How it learned of each peer that it is connected to, by their hosts."""
    return {peer["host"]: peer["source"] for peer in daemon.call("GET", f"{path}/peers")["peers"]}


def test_peers_of_ours_find_each_other(tmp_path, sample):
    with Daemon(tmp_path / "ours") as ours, \
            LibtorrentFinders(sample.torrent, tmp_path, ["127.0.4.1", "127.0.4.2"]) as theirs:
        path = adds(ours, sample)
        theirs.be_still(0)
        ours.call("POST", f"{path}/peers", {"peers": [theirs.endpoints[0]]})
        wait_until(lambda: theirs.links(0), TELLS_WITHIN_S, "a link to the first")
        theirs.dial(1, ours.endpoint)
        wait_until(lambda: any("pex" in found.sources for found in theirs.links(1) if found.host == "127.0.4.1"),
                   TELLS_WITHIN_S, "the other session", every_s=0.2)


def test_we_find_the_peers_of_others(tmp_path, sample):
    nobody_reaches_us = ("--set", "network.listen=[]")
    with Daemon(tmp_path / "ours", *nobody_reaches_us) as ours, \
            LibtorrentFinders(sample.torrent, tmp_path, ["127.0.4.1", "127.0.4.2"]) as theirs:
        path = adds(ours, sample)
        theirs.dial(0, theirs.endpoints[1])
        ours.call("POST", f"{path}/peers", {"peers": [theirs.endpoints[0]]})
        wait_until(lambda: sources(ours, path) == {"127.0.4.1": "static", "127.0.4.2": "pex"}, TELLS_WITHIN_S,
                   "the other peer", every_s=0.2)
