"""A peer that spoils some of what it sends, among real libtorrent seeds: it is found out, and nobody else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.payload import KIB, MIB, make_sample
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.libtorrent import LibtorrentPeer
from tests.support.peers.mini import PoisoningSeed
from tests.support.peers.program import wait_until

COMPLETE_S = 120.0
HONEST = 3
MOST_WASTE = 0.1                       # of the torrent


@pytest.mark.parametrize("piece_length", [64 * KIB, 512 * KIB])
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_a_poisoner_among_libtorrents_is_banned_and_no_honest_peer_is(
        tmp_path: Path, share: float, piece_length: int) -> None:
    sample = make_sample(tmp_path, "content.bin", 96 * MIB + 3, piece_length)
    seeds = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)
    with PoisoningSeed(sample, share) as poisoner, LibtorrentPeer(seeds, [sample.folder] * HONEST) as honest, \
            Daemon(tmp_path / "ours", "--set", "lsd.enabled=false", "--set", "dht.enabled=false") as ours:
        ours.call("POST", "/v1/torrents", {
            "source": str(sample.torrent), "peers": [poisoner.endpoint, *honest.endpoints]})
        torrent = f"/v1/torrents/{sample.info_hash.hex()}"
        wait_until(lambda: ours.call("GET", torrent).get("state") == "seeding", COMPLETE_S, "everything is here")
        told = ours.call("GET", torrent)
        banned = re.findall(r"a peer is banned.* peer=(\S+)", ours.output())
        assert poisoner.struck.is_set()
        assert banned == [poisoner.endpoint]
        assert told["peers_banned"] == 1 and told["spoiled_pieces"]
        assert told["wasted_bytes"] < MOST_WASTE * sample.size_bytes
        assert ours.metric("blobtorrent_session_peers_banned") == 1
    assert sample.differences(ours.downloads) == []
