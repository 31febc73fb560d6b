"""The process behind `LibtorrentPeer`: sessions of libtorrent-rasterbar, told what to do by lines on stdin.

    libtorrent_sessions.py ROLE TORRENT WIRE ADDRESS FOLDER...

One session for each folder, the first at ADDRESS, the others at the addresses that follow: some programs take but one
link from an address. Prints {"ready": ["HOST:PORT", ...]} once the sessions listen. A leech then waits for one line of
"HOST:PORT" words, the peers to fetch from, and prints {"complete": MONOTONIC_S, "cpu_s": CPU} when all sessions are
done, {"flushed": true} when their data are on disk. A seed dials the peers of each line. End of stdin ends it.
WIRE is "plain", "handshake" (encrypted, the stream behind it is not) or "rc4"; only that is spoken. TCP only, no uTP,
and no discovery; unless LIBTORRENT_SETTINGS says otherwise, a JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import time
from ipaddress import IPv4Address
from typing import Any

import libtorrent as lt

ONLY_TCP = {
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_incoming_utp": False, "enable_outgoing_utp": False,
    "allow_multiple_connections_per_ip": True, "validate_https_trackers": False,
}
INSISTS = {
    "plain": {"out_enc_policy": 2, "in_enc_policy": 2},
    "handshake": {"out_enc_policy": 0, "in_enc_policy": 0, "allowed_enc_level": 1},
    "rc4": {"out_enc_policy": 0, "in_enc_policy": 0, "allowed_enc_level": 2, "prefer_rc4": True},
}
MANY_LINKS = {
    "connections_limit": 2000, "unchoke_slots_limit": 2000, "listen_queue_size": 2000, "max_out_request_queue": 2000,
    "max_allowed_in_request_queue": 4000,
}
# What its tuning guide says for a fast seed: deep send buffers, every leech unchoked.
FAST_SEED = {
    "send_buffer_watermark": 4 << 20, "send_buffer_low_watermark": 1 << 20, "send_buffer_watermark_factor": 150,
    "choking_algorithm": 0, "seed_choking_algorithm": 1, "suggest_mode": 0, "allowed_fast_set_size": 0,
}
DIAL_AGAIN_S = 2.0


def main(role: str, torrent: str, wire: str, address: str, folders: list[str]) -> None:
    is_seed = role == "seed"
    info = lt.torrent_info(torrent)
    addresses = [str(IPv4Address(address) + number) for number in range(len(folders))]
    sessions = [_session(one, wire, is_seed) for one in addresses]
    handles: list[Any] = []
    if is_seed:
        handles = [_add(session, info, folder, True) for session, folder in zip(sessions, folders, strict=True)]
    _say(ready=[f"{one}:{session.listen_port()}" for one, session in zip(addresses, sessions, strict=True)])
    if not is_seed:
        peers = sys.stdin.readline().split()
        handles = [_add(session, info, folder, False) for session, folder in zip(sessions, folders, strict=True)]
        _leech(sessions, handles, peers)
    for line in sys.stdin:
        _dial(handles, line.split())
    os._exit(0)                        # sessions take seconds to say goodbye to trackers that are not there


def _session(address: str, wire: str, is_seed: bool) -> Any:
    category = lt.alert.category_t
    settings: Any = {
        **ONLY_TCP, **INSISTS[wire], **MANY_LINKS, **(FAST_SEED if is_seed else {}),
        "listen_interfaces": f"{address}:0", "outgoing_interfaces": address,
        "alert_mask": category.status_notification | category.storage_notification,
        **json.loads(os.environ.get("LIBTORRENT_SETTINGS", "{}"))}
    session = lt.session(settings, flags=0)        # no plugins: with PEX the leeches of one seed would find each other
    while not session.listen_port():
        time.sleep(0.005)
    return session


def _add(session: Any, info: Any, folder: str, is_seed: bool) -> Any:
    parameters = lt.add_torrent_params()
    parameters.ti = info
    parameters.save_path = folder
    parameters.max_uploads = parameters.max_connections = 2000
    parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if is_seed:
        parameters.flags |= lt.torrent_flags.seed_mode
    return session.add_torrent(parameters)


def _leech(sessions: list[Any], handles: list[Any], peers: list[str]) -> None:
    running = list(zip(sessions, handles, strict=True))
    while running:
        _dial([handle for _, handle in running], peers)
        deadline = time.monotonic() + DIAL_AGAIN_S
        while running and time.monotonic() < deadline:
            running[0][0].wait_for_alert(200 if len(running) == 1 else 20)
            running = [(session, handle) for session, handle in running if not _finished(session)]
    _say(complete=time.monotonic(), cpu_s=time.process_time())
    for session, handle in zip(sessions, handles, strict=True):
        handle.flush_cache()
        while not any(isinstance(alert, lt.cache_flushed_alert) for alert in session.pop_alerts()):
            session.wait_for_alert(200)
    _say(flushed=True)


def _dial(handles: list[Any], peers: list[str]) -> None:
    for handle in handles:
        if peers and handle.status().num_peers == 0:
            for host, _, port in (peer.rpartition(":") for peer in peers):
                handle.connect_peer((host, int(port)))


def _finished(session: Any) -> bool:
    return any(isinstance(alert, lt.torrent_finished_alert) for alert in session.pop_alerts())


def _say(**values: object) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:5], sys.argv[5:])
