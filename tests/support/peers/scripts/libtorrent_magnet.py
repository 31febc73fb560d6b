"""A libtorrent session that gets a magnet link, or seeds a torrent: `LINK|TORRENT FOLDER [PEER...]`. It tells as JSON
what it has, and ends with its stdin.
"""

from __future__ import annotations

import json
import select
import sys
import time

import libtorrent as lt

SETTINGS = {"enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
            "listen_interfaces": "127.0.0.1:0", "allow_multiple_connections_per_ip": True, "out_enc_policy": 2,
            "in_enc_policy": 2, "enable_outgoing_utp": False,
            "alert_mask": lt.alert.category_t.storage_notification | lt.alert.category_t.status_notification}


def tell(**values: object) -> None:
    print(json.dumps(values), flush=True)


def main(source: str, folder: str, *peers: str) -> None:
    session = lt.session(SETTINGS)
    if source.startswith("magnet:"):
        params = lt.parse_magnet_uri(source)
    else:
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(source)
        params.flags |= lt.torrent_flags.seed_mode
    params.save_path = folder
    handle = session.add_torrent(params)
    for peer in peers:
        host, _, port = peer.rpartition(":")
        handle.connect_peer((host, int(port)))
    while not session.listen_port() or params.ti and not handle.status().is_seeding:
        time.sleep(0.005)
    tell(ready=f"127.0.0.1:{session.listen_port()}")
    told: set[str] = set()
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        status = handle.status()
        if status.has_metadata and "metadata" not in told:
            told.add("metadata")
            tell(metadata=status.name)
        if status.is_seeding and "complete" not in told:
            told.add("complete")
            handle.flush_cache()       # complete is what others can read
            while not any(isinstance(alert, lt.cache_flushed_alert) for alert in session.pop_alerts()):
                session.wait_for_alert(200)
            tell(complete=time.time())


main(*sys.argv[1:])
