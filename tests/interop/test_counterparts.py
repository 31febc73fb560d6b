"""The other programs transfer between themselves: a failure here is one of the harness or of the machine, not ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.interop.clients import CLIENTS, SLOWEST_S, meet
from tests.support.payload import KIB, MIB, make_sample
from tests.support.peers.client import Job, Role
from tests.support.peers.libtorrent import LibtorrentPeer
from tests.support.tools import require_module


@pytest.mark.timeout(180)
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "libtorrent"])
def test_each_reaches_libtorrent(client: str, role: Role, tmp_path: Path) -> None:
    require_module("libtorrent")
    sample = make_sample(tmp_path, "content.bin", 3 * MIB + 1, 256 * KIB)
    folder = tmp_path / "downloads"
    folder.mkdir()
    with meet(client) as meeting:
        prefix = meeting.namespace.prefix if meeting.namespace else ()
        ours = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash, (), meeting.ours, prefix)
        if role is Role.SEED:
            with meeting.them(Role.SEED, sample, sample.folder) as seed, \
                    LibtorrentPeer(replace(ours, role=Role.LEECH, folder=folder, peers=(seed.endpoint,))) as leech:
                leech.wait_complete(SLOWEST_S)
        else:
            with LibtorrentPeer(ours) as other, meeting.them(Role.LEECH, sample, folder, (other.endpoint,)) as reader:
                reader.wait_complete(SLOWEST_S)
        assert sample.differences(folder) == []
