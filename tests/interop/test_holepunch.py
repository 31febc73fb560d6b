"""Hole punching with libtorrent in the middle: it introduces two of ours that nobody can dial (BEP 55)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_utp import WITHOUT_TCP, get
from tests.support.payload import KIB, MIB, make_sample
from tests.support.tools import require_module

pytestmark = pytest.mark.timeout(180)
RELAY = """
import json, sys, time
import libtorrent as lt
session = lt.session({"enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
                      "enable_incoming_tcp": False, "enable_outgoing_tcp": False, "out_enc_policy": 2,
                      "in_enc_policy": 2, "listen_interfaces": "127.0.0.1:0", "download_rate_limit": 10000,
                      "upload_rate_limit": 10000, "allow_multiple_connections_per_ip": True,
                      "rate_limit_ip_overhead": False})
for kind in (lt.session.global_peer_class_id, lt.session.local_peer_class_id):
    limits = session.get_peer_class(kind)
    limits["download_limit"] = limits["upload_limit"] = 10000
    session.set_peer_class(kind, limits)
wish = lt.add_torrent_params()
wish.ti, wish.save_path = lt.torrent_info(sys.argv[1]), sys.argv[2]
wish.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
session.add_torrent(wish)
while not session.listen_port():
    time.sleep(0.01)
print(json.dumps(session.listen_port()), flush=True)
sys.stdin.read()
"""


def test_libtorrent_introduces_two_of_ours(tmp_path: Path) -> None:
    require_module("libtorrent")
    sample = make_sample(tmp_path, "sample", [("one.bin", 6 * MIB + 1)], 64 * KIB)
    relay_folder, folder = tmp_path / "relay", tmp_path / "leech"
    relay_folder.mkdir()
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", RELAY, str(sample.torrent), str(relay_folder)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as relay:
        assert relay.stdin is not None and relay.stdout is not None
        try:
            at = f"127.0.0.1:{json.loads(relay.stdout.readline())}"
            with get(sample, sample.folder, at, settings=(*WITHOUT_TCP, "pex.enabled=false"), seeds=True,
                     address="127.0.0.2", behind_nat=True), \
                    get(sample, folder, at, address="127.0.0.3", behind_nat=True) as leech:
                leech.wait_complete(120.0)
        finally:
            relay.kill()
    assert sample.differences(folder) == []
