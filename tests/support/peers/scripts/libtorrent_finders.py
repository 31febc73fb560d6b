"""The process behind `LibtorrentFinders`: libtorrent-rasterbar sessions that find peers as their users' would.

    libtorrent_finders.py TORRENT FOLDER ADDRESS... [SETTING=VALUE]...

One empty session at each address, with its usual plugins (peer exchange among them), plain TCP, and only those other
sources of peers that a SETTING switches on. Prints {"ready": ["HOST:PORT", ...]} once all listen. Then it reads
lines: "dial NUMBER HOST:PORT" has a session dial a peer; "still NUMBER" has it dial nobody from then on; "peers
NUMBER" prints {"peers": [[HOST, PORT, CLIENT, [SOURCE, ...]], ...]}, its links, with the names of the sources that
told it of each. End of stdin ends it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import libtorrent as lt

PLAIN = {
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_incoming_utp": False, "enable_outgoing_utp": False, "out_enc_policy": 2, "in_enc_policy": 2,
    "allow_multiple_connections_per_ip": True,
}
SOURCES = {name: getattr(lt.peer_info, name) for name in ("tracker", "dht", "pex", "lsd")}


def main(torrent: str, folder: str, words: list[str]) -> None:
    extra = {key: value == "True" for key, _, value in (word.partition("=") for word in words if "=" in word)}
    sessions = [_session(address, extra) for address in words if "=" not in address]
    handles = [_add(session, torrent, f"{folder}/{number}") for number, session in enumerate(sessions)]
    _say(ready=[f"{address}:{session.listen_port()}" for address, session in zip(words, sessions)])
    for line in sys.stdin:
        what, number, *rest = line.split()
        handle = handles[int(number)]
        if what == "dial":
            host, _, port = rest[0].rpartition(":")
            handle.connect_peer((host, int(port)))
        elif what == "still":
            sessions[int(number)].apply_settings({"enable_outgoing_tcp": False})
        else:
            _say(peers=[_told(info) for info in handle.get_peer_info()])
    os._exit(0)


def _session(address: str, extra: dict[str, bool]) -> Any:
    session = lt.session({**PLAIN, **extra, "listen_interfaces": f"{address}:0", "outgoing_interfaces": address})
    while not session.listen_port():
        time.sleep(0.005)
    return session


def _add(session: Any, torrent: str, folder: str) -> Any:
    os.makedirs(folder, exist_ok=True)
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(torrent)
    parameters.save_path = folder
    parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    return session.add_torrent(parameters)


def _told(info: Any) -> list[Any]:
    sources = [name for name, flag in SOURCES.items() if int(info.source) & int(flag)]
    return [info.ip[0], info.ip[1], info.client.decode("utf-8", "replace"), sources]


def _say(**values: object) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
